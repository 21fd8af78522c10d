// The form in which MNIST stores digits: the same steps as digits_edge.runtime.normalise. The ink's box is scaled to
// fit 20 x 20 pixels with its proportions kept, and placed in 28 x 28 with its centre of mass in the middle.

const FORM = { SIDE: 28, BOX: 20 };

/** Scale ink to fit 20 x 20 pixels and place it in 28 x 28: a Uint8Array, the strongest ink 255; empty without ink. */
function inBox(ink) {
  const box = boxOf(ink);
  if (!box) return new Uint8Array(FORM.SIDE ** 2);
  const cut = cropped(ink, box);
  const scale = FORM.BOX / Math.max(cut.height, cut.width);
  const [height, width] = [cut.height, cut.width].map((side) => Math.max(1, rint(side * scale)));
  const small = resize(cut, height, width);
  const gain = f32(255 / small.data.reduce((most, value) => Math.max(most, value)));
  small.data = small.data.map((value) => value * gain);
  return new Uint8Array(centre(small));
}

/** Whether a picture has MNIST's form already: 28 x 28, ink on black in a box of 20, its mass in the middle. */
function isNormalised(grey) {
  if (grey.height !== FORM.SIDE || grey.width !== FORM.SIDE || grey.data.every((value) => value < 128)) return false;
  const { top, bottom, left, right } = boxOf(grey);
  if (Math.max(bottom - top, right - left) > FORM.BOX) return false;
  return centreOfMass(grey).every((place) => Math.abs(place - (FORM.SIDE - 1) / 2) <= 1);
}

/** [row, column], in pixels; of a figure as even as a rectangle it is a half, and rounding says on which side of it. */
function centreOfMass(image) {
  const { data, height: rows, width: columns } = transposed(image); // as numpy holds what was resized
  const across = new Float32Array(rows).map((_, x) => sumOf(data.subarray(x * columns, (x + 1) * columns)));
  const down = new Float32Array(columns);
  data.forEach((value, place) => (down[place % columns] += value));
  const total = sumOf(data);
  return [down, across].map((sums) => sumOf(new Float64Array(sums).map((sum, place) => sum * place)) / total);
}

/** The sum in numpy's order, each step rounded as the values are: by eights, and by halves where there are many. */
function sumOf(values) {
  const { length } = values;
  const sums = new values.constructor(8);
  if (length > 128) {
    const half = (length >> 4) * 8;
    sums[0] = sumOf(values.subarray(0, half)) + sumOf(values.subarray(half));
    return sums[0];
  }
  const whole = length - (length % 8);
  for (let place = 0; place < whole; place++) sums[place % 8] += values[place];
  for (let step = 1; step < 8; step *= 2) for (let k = 0; k < 8; k += 2 * step) sums[k] += sums[k + step];
  for (let place = whole; place < length; place++) sums[0] += values[place];
  return sums[0];
}

/** Place at most 20 x 20 pixels in 28 x 28, the centre of mass in the middle as far as there is room. */
function centre(small) {
  const [down, across] = centreOfMass(small).map((place) => rint((FORM.SIDE - 1) / 2 - place));
  const row = Math.min(Math.max(down, 0), FORM.SIDE - small.height);
  const column = Math.min(Math.max(across, 0), FORM.SIDE - small.width);
  const canvas = new Float32Array(FORM.SIDE ** 2);
  for (let y = 0; y < small.height; y++) {
    canvas.set(small.data.subarray(y * small.width, (y + 1) * small.width), (row + y) * FORM.SIDE + column);
  }
  return canvas;
}

/** The smallest box that holds all that is not 0, bottom and right exclusive; null where there is nothing. */
function boxOf({ data, height, width }) {
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[y * width + x] === 0) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  return bottom ? { top, bottom, left, right } : null;
}

/** The part of an image that is in a box. */
function cropped(image, { top, bottom, left, right }) {
  const [height, width] = [bottom - top, right - left];
  const data = new image.data.constructor(height * width);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * image.width;
    data.set(image.data.subarray(start + left, start + right), y * width);
  }
  return { data, height, width };
}

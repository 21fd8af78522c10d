// Strokes of a fine pen or a thick marker, brought nearer to the width that MNIST's have: the same steps as
// digits_edge.runtime.strokes. The width is twice the area over the outline's length, as of a long ribbon; strokes
// are dilated or eroded with a disk, the last step of which is taken in part.

const STROKES = {
  DRAWN: 80,
  FINE: 0.125,
  THICK: 0.2,
  MOST_ADDED: 0.06,
  MOST_TAKEN: 0.04,
};

/** Scale fine or thick strokes to a size at which their width can be changed, and change it.
 *
 * `ink` is a digit in its own box, from 0 to 1; it comes back itself where its strokes are neither too fine nor too
 * thick. `narrow`: whether thick strokes are narrowed; where one is a pixel or two wide, what is in it would be lost.
 */
function evened(ink, narrow) {
  const { DRAWN, FINE, THICK, MOST_ADDED, MOST_TAKEN } = STROKES;
  const scale = DRAWN / Math.max(ink.height, ink.width);
  const [height, width] = [ink.height, ink.width].map((side) => Math.max(1, rint(side * scale)));
  const drawn = padded(resize(ink, height, width), rint(MOST_ADDED * DRAWN) + 2);
  drawn.data = drawn.data.map((value) => Math.min(Math.max(value * 2 - 0.5, 0), 1)); // edges a pixel or two wide
  const stroke = strokeWidth({ ...drawn, data: over(drawn.data, 0.5) }) / DRAWN;
  if (stroke < FINE) return dilated(drawn, DRAWN * Math.min((FINE - stroke) / 2, MOST_ADDED));
  if (!(stroke > THICK && narrow)) return ink;
  const inverse = (image) => ({ ...image, data: image.data.map((value) => 1 - value) });
  return inverse(dilated(inverse(drawn), DRAWN * Math.min((stroke - THICK) / 2, MOST_TAKEN)));
}

/** Grown by so many pixels on each side. */
function dilated(drawn, by) {
  const { height, width } = drawn;
  let data = drawn.data;
  for (let step = 0; step < Math.ceil(by); step++) {
    const wider = widened(data, height, width, step % 2 === 0); // by turns they make an octagon
    const share = f32(Math.min(1, by - step));
    data = data.map((value, place) => value + f32(share * f32(wider[place] - value)));
  }
  return { data, height, width };
}

/** The most in the square of 3 x 3 around each pixel, or in the cross of 5. */
function widened(data, height, width, square) {
  const wider = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let most = 0;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        const reach = square || row === y ? 1 : 0;
        for (let column = Math.max(x - reach, 0); column <= Math.min(x + reach, width - 1); column++) {
          most = Math.max(most, data[row * width + column]);
        }
      }
      wider[y * width + x] = most;
    }
  }
  return wider;
}

/** Mean width of strokes, in pixels; 0 where there is none. */
function strokeWidth(mask) {
  const count = (pixels) => pixels.reduce((sum, value) => sum + value, 0);
  return (2 * count(mask.data)) / Math.max(1, count(outline(mask)));
}

/** The pixels of a mask beside one that is not in it; outside the picture none is. */
function outline({ data, height, width }) {
  return data.map((value, place) => {
    const column = place % width;
    const inside = place >= width && place < width * (height - 1) && column > 0 && column < width - 1;
    return inside && data[place - width] && data[place + width] && data[place - 1] && data[place + 1] ? 0 : value;
  });
}

/** An image with a frame of zeros. */
function padded(image, by) {
  const [height, width] = [image.height + 2 * by, image.width + 2 * by];
  const data = new Float32Array(height * width);
  for (let y = 0; y < image.height; y++) {
    data.set(image.data.subarray(y * image.width, (y + 1) * image.width), (y + by) * width + by);
  }
  return { data, height, width };
}

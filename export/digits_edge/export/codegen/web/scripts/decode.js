// From a canvas to a picture: the same steps as digits_edge.runtime.picture. A picture is `{data, height, width,
// channels}` of bytes, one channel where all of it is grey and three where it is not.

const IMAGE = {
  MIN_SIDE: 8,
  MAX_PIXELS: 64_000_000,
  LONGEST: 100,
  WORKING_SIDE: 1024,
};

const COLOUR = {
  SAMPLED: 80,
  APART: 4,
  GRAIN: 8,
  STANDS_OUT: 4,
};

/** The picture of RGBA bytes as a canvas has them; transparency shows white, or black behind light ink.
 *
 * Throws where it is smaller than 8 pixels on a side, larger than 64 megapixels, or a strip.
 */
function fromImage(rgba, width, height) {
  checkSize(width, height);
  const [longer, shorter] = [Math.max(width, height), Math.min(width, height)];
  const shrink = Math.min(Math.floor(longer / IMAGE.WORKING_SIDE), Math.floor(shorter / IMAGE.MIN_SIDE));
  const image = shrink > 1 ? shrunk(rgba, width, height, shrink) : { data: rgba, width, height };
  const data = onPaper(image.data);
  const count = image.width * image.height;
  for (let place = 0; place < 3 * count; place += 3) {
    if (data[place] !== data[place + 1] || data[place] !== data[place + 2]) return { ...image, data, channels: 3 };
  }
  const grey = new Uint8Array(count);
  for (let place = 0; place < count; place++) grey[place] = data[3 * place];
  return { ...image, data: grey, channels: 1 };
}

function checkSize(width, height) {
  const { MIN_SIDE, MAX_PIXELS, LONGEST } = IMAGE;
  const received = `received ${width} x ${height}`;
  if (width * height > MAX_PIXELS) {
    const most = String(MAX_PIXELS).replace(/\B(?=(\d{3})+$)/g, ",");
    throw new Error(`expected at most ${most} pixels, ${received}`);
  }
  if (Math.min(width, height) < MIN_SIDE) {
    throw new Error(`expected at least ${MIN_SIDE} x ${MIN_SIDE} pixels, ${received}`);
  }
  if (Math.max(width, height) > LONGEST * Math.min(width, height)) {
    throw new Error(`expected sides of up to 1 : ${LONGEST}, ${received} pixels`);
  }
}

/** Means over squares of `factor` pixels a side, those at the far borders cut off, rounded as Pillow's reduce does it.
 *
 * Colours count by how opaque they are.
 */
function shrunk(rgba, width, height, factor) {
  const [rows, columns] = [Math.ceil(height / factor), Math.ceil(width / factor)];
  const data = new Uint8ClampedArray(rows * columns * 4);
  const sums = new Float64Array(columns * 4);
  for (let row = 0; row < rows; row++) {
    const bottom = Math.min((row + 1) * factor, height);
    sums.fill(0);
    for (let y = row * factor; y < bottom; y++) addRow(sums, rgba, y * width, width, factor);
    for (let column = 0; column < columns; column++) {
      const count = (bottom - row * factor) * (Math.min((column + 1) * factor, width) - column * factor);
      const to = (row * columns + column) * 4;
      const alpha = meanOf(sums[column * 4 + 3], count);
      for (let channel = 0; channel < 3; channel++) {
        const colour = meanOf(sums[column * 4 + channel], count);
        data[to + channel] = alpha === 0 ? colour : Math.floor((255 * colour) / alpha);
      }
      data[to + 3] = alpha;
    }
  }
  return { data, width: columns, height: rows };
}

function meanOf(sum, count) {
  return Math.floor(((sum + (count >> 1)) * Math.floor(2 ** 24 / count)) / 2 ** 24);
}

/** Add a row of pixels, times their alpha, to the sums of the squares they are in. */
function addRow(sums, rgba, start, width, factor) {
  for (let x = 0, square = 0; x < width; square += 4) {
    let [red, green, blue, opaque] = [0, 0, 0, 0];
    for (const end = Math.min(x + factor, width); x < end; x++) {
      const place = (start + x) * 4;
      const alpha = rgba[place + 3];
      red += over255(rgba[place] * alpha);
      green += over255(rgba[place + 1] * alpha);
      blue += over255(rgba[place + 2] * alpha);
      opaque += alpha;
    }
    sums[square] += red;
    sums[square + 1] += green;
    sums[square + 2] += blue;
    sums[square + 3] += opaque;
  }
}

/** A product of two bytes over 255, rounded. */
function over255(product) {
  return (product + 128 + ((product + 128) >> 8)) >> 8;
}

/** RGB of RGBA: laid on white, or on black where what is opaque is light. */
function onPaper(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  let opaque = true;
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
    opaque &&= rgba[from + 3] === 255;
  }
  if (opaque) return rgb;
  const paper = isLight(rgba) ? 0 : 255;
  return rgb.map((value, place) => {
    const alpha = f32(rgba[Math.floor(place / 3) * 4 + 3] / 255);
    return f32(f32(f32(value * alpha) + f32(paper * f32(1 - alpha))) + 0.5);
  });
}

function isLight(rgba) {
  let [light, opaque] = [0, 0];
  for (let place = 0; place < rgba.length; place += 4) {
    const alpha = f32(rgba[place + 3] / 255);
    light += f32(luma(rgba[place], rgba[place + 1], rgba[place + 2]) * alpha);
    opaque += alpha;
  }
  return light > 127.5 * opaque;
}

/** One channel of one or three. */
function toGrey(picture) {
  if (picture.channels === 1) return picture;
  const { data, height, width } = picture;
  const grey = new Uint8Array(height * width);
  for (let to = 0; to < grey.length; to++) grey[to] = luma(data[3 * to], data[3 * to + 1], data[3 * to + 2]);
  return { data: grey, height, width, channels: 1 };
}

/** By ITU-R BT.601, rounded. */
function luma(red, green, blue) {
  return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
}

/** One channel of one or three, in which ink stands out from paper. */
function inkGrey(picture) {
  const channel = picture.channels === 1 ? -1 : inkedChannel(picture);
  if (channel < 0) return toGrey(picture);
  const { height, width } = picture;
  return { data: picture.data.filter((_, place) => place % 3 === channel), height, width, channels: 1 };
}

/** The channel in which ink stands out far more than by luma, or -1. */
function inkedChannel({ data, height, width }) {
  const step = Math.max(1, Math.floor(Math.max(height, width) / COLOUR.SAMPLED));
  const contrast = (valueAt) => {
    let sum = 0;
    const add = (place, other) => (sum += Math.max(Math.abs(valueAt(place) - valueAt(other)) - COLOUR.GRAIN, 0) ** 2);
    const apart = COLOUR.APART * step;
    for (let row = 0; row < height; row += step) {
      for (let column = 0; column < width; column += step) {
        const place = 3 * (row * width + column);
        if (row >= apart) add(place, place - 3 * apart * width);
        if (column >= apart) add(place, place - 3 * apart);
      }
    }
    return sum;
  };
  const contrasts = [0, 1, 2].map((channel) => contrast((place) => data[place + channel]));
  const best = indexOfMost(contrasts);
  const least = COLOUR.STANDS_OUT * contrast((place) => luma(data[place], data[place + 1], data[place + 2]));
  return contrasts[best] > least ? best : -1;
}

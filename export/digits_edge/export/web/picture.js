// From a canvas to a picture: the same steps as digits_edge.runtime.picture. A picture is `{data, height, width,
// channels}` of bytes, one channel where all of it is grey and three where it is not.

const IMAGE = {
  MIN_SIDE: 8,
  MAX_PIXELS: 64_000_000,
  LONGEST: 100,
  WORKING_SIDE: 1024,
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
      const share = Math.floor(2 ** 24 / count);
      const [red, green, blue, alpha] = sums
        .subarray(column * 4, column * 4 + 4)
        .map((sum) => Math.floor(((sum + (count >> 1)) * share) / 2 ** 24));
      const plain = (colour) => (alpha === 0 ? colour : Math.floor((255 * colour) / alpha));
      data.set([plain(red), plain(green), plain(blue), alpha], (row * columns + column) * 4);
    }
  }
  return { data, width: columns, height: rows };
}

/** Add a row of pixels, times their alpha, to the sums of the squares they are in. */
function addRow(sums, rgba, start, width, factor) {
  for (let x = 0, square = 0; x < width; square += 4) {
    for (const end = Math.min(x + factor, width); x < end; x++) {
      const place = (start + x) * 4;
      const alpha = rgba[place + 3];
      for (let channel = 0; channel < 3; channel++) {
        const product = rgba[place + channel] * alpha + 128;
        sums[square + channel] += (product + (product >> 8)) >> 8; // over 255, rounded
      }
      sums[square + 3] += alpha;
    }
  }
}

/** RGB of RGBA: laid on white, or on black where what is opaque is light. */
function onPaper(rgba) {
  const paper = isLightOnNothing(rgba) ? 0 : 255;
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    const alpha = f32(rgba[from + 3] / 255);
    const behind = f32(paper * f32(1 - alpha));
    for (let channel = 0; channel < 3; channel++) {
      rgb[to++] = f32(f32(f32(rgba[from + channel] * alpha) + behind) + 0.5);
    }
  }
  return rgb;
}

function isLightOnNothing(rgba) {
  let [light, opaque] = [0, 0];
  for (let place = 0; place < rgba.length; place += 4) {
    const alpha = f32(rgba[place + 3] / 255);
    light += f32(luma(rgba[place], rgba[place + 1], rgba[place + 2]) * alpha);
    opaque += alpha;
  }
  return opaque < rgba.length / 4 && light > 127.5 * opaque;
}

/** One channel of one or three. */
function toGrey(picture) {
  if (picture.channels === 1) return picture;
  const { data, height, width } = picture;
  const grey = new Uint8Array(height * width);
  for (let to = 0; to < grey.length; to++) grey[to] = luma(data[3 * to], data[3 * to + 1], data[3 * to + 2]);
  return { data: grey, height, width, channels: 1 };
}

const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114].map(f32);

/** By ITU-R BT.601, rounded. */
function luma(red, green, blue) {
  return Math.floor(f32(f32(f32(f32(red * RED) + f32(green * GREEN)) + f32(blue * BLUE)) + 0.5));
}

// How a picture becomes pixels in a model's own form: the same steps as digits_edge.runtime.prepare.

/** Bring a picture to a model's form: `pixels`, bytes of that shape, or null where `digit` finds no ink, and `several`.
 *
 * `preprocess` is `digit` (found, boxed, centred; 28 x 28) or `resize` (the whole picture, its polarity kept); `shape`
 * is [H, W] or [H, W, 3].
 */
function prepare(picture, preprocess, [height, width, channels = 1]) {
  if (preprocess === "digit") {
    const { pixels, several } = findDigit(inkGrey(picture));
    const found = { data: pixels, height: FORM.SIDE, width: FORM.SIDE };
    return { pixels: pixels && inShape(found, height, width), several };
  }
  return { pixels: inShape(channels === 1 ? toGrey(picture) : toColour(picture), height, width), several: false };
}

function toColour(picture) {
  if (picture.channels === 3) return picture;
  const data = new Uint8Array(3 * picture.data.length);
  picture.data.forEach((value, place) => data.fill(value, 3 * place, 3 * place + 3));
  return { ...picture, data, channels: 3 };
}

function inShape(image, height, width) {
  if (image.height === height && image.width === width) return image.data;
  return new Uint8Array(resize(image, height, width).data.map(rint)); // what is between bytes stays between them
}

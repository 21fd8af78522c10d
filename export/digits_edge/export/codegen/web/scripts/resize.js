// Antialiased resizing by a separable triangle filter: the same steps as digits_edge.runtime.resize. An image is
// `{data, height, width}`, row by row, with `channels` where it may have three. Ink is float32, each operation
// rounded as numpy rounds it, so that no threshold falls on another side here than there.

const f32 = Math.fround;

/** Resize to `height` x `width`; the data become a Float32Array. */
function resize(image, height, width) {
  const { channels = 1 } = image;
  const rows = alongAxis(image.data, 1, image.height, image.width * channels, height);
  return { data: alongAxis(rows, height, image.width, channels, width), height, width, channels };
}

/** Resize the middle one of three axes, [outer, size, inner], to `out`. */
function alongAxis(data, outer, size, inner, out) {
  const { first, taps, shares } = tapsOf(size, out);
  const resized = new Float32Array(outer * out * inner);
  for (let block = 0; block < outer; block++) {
    for (let place = 0; place < out; place++) {
      const to = (block * out + place) * inner;
      for (let tap = 0; tap < taps; tap++) {
        const share = shares[place * taps + tap];
        if (share === 0) continue;
        const from = (block * size + first[place] + tap) * inner;
        for (let k = 0; k < inner; k++) resized[to + k] += f32(data[from + k] * share);
      }
    }
  }
  return resized;
}

/** The first input row of each output row, and the shares of it and those behind it, [out, taps], which add up to 1. */
function tapsOf(size, out) {
  const scale = size / out;
  const support = Math.max(scale, 1);
  const taps = Math.ceil(2 * support) + 1;
  const first = new Int32Array(out);
  const shares = new Float32Array(out * taps);
  for (let place = 0; place < out; place++) {
    const centre = (place + 0.5) * scale;
    first[place] = Math.floor(centre - support);
    const weights = Array.from({ length: taps }, (_, tap) => {
      const row = first[place] + tap;
      return row >= 0 && row < size ? Math.max(1 - Math.abs(row + 0.5 - centre) / support, 0) : 0;
    });
    const total = weights.reduce((sum, weight) => sum + weight);
    shares.set(weights.map((weight) => weight / total), place * taps);
  }
  return { first, taps, shares };
}

/** Round half to even, as Python's round and numpy's rint do. */
function rint(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

// How far each pixel is from the paper around it, towards the ink's side: the same steps as
// digits_edge.runtime.paper. Ink is `{strength, noise, dark}`: 0 on paper and 1 where nothing of its light is left;
// the standard deviation of that on paper; whether it is dark ink on light paper. Here, too, is what numpy has and
// JavaScript has not.

const PAPER = {
  FEW: 40,
  SAME: 3,
  FLAT: 0.6,
  FAINTEST: 32,
  ROUNDS: 3,
  GLOBAL: 4,
  LEAST_LIGHT: 24,
  FROM_NOISE: 2.5,
  RIDGE: 1e-3,
  TRUSTED: 0.05,
};

/** Estimate the paper under a picture of float32 from 0 to 255, and with it the ink. */
function findInk({ data, height, width }) {
  const window = Math.max(4, Math.floor(Math.max(height, width) / 8));
  const means = (values) => boxMean({ data: values, height, width }, window);
  const around = means(data);
  let local = data.map((value, place) => value - around[place]);
  const dark = local.reduce((sum, value) => sum + f32(f32(value * value) * value), 0) < 0;
  if (!dark) {
    data = data.map((value) => 255 - value);
    local = local.map((value) => -value);
  }
  const shade = paperShade({ data, height, width }, (place) => local[place] >= 0);
  let residual = data.map((value, place) => value - shade[place]);
  const beyondShade = data.map((value, place) => value - shade[place]);
  let noise = spread(residual);
  let paper = shade;
  for (let round = 0; round < PAPER.ROUNDS; round++) {
    const most = f32(PAPER.FROM_NOISE * noise + 2);
    const keep = residual.map((value) => (Math.abs(value) < most ? 1 : 0));
    const share = means(keep);
    const local = means(beyondShade.map((value, place) => value * keep[place]));
    const [trusted, least] = [f32(PAPER.TRUSTED), f32(1e-3)];
    paper = shade.map((value, place) =>
      share[place] > trusted ? value + f32(local[place] / Math.max(share[place], least)) : value,
    );
    residual = data.map((value, place) => value - paper[place]);
    noise = spread(residual);
  }
  const strength = residual.map((value, place) =>
    Math.max(-value / f32(Math.max(paper[place], 0) + PAPER.LEAST_LIGHT), 0),
  );
  return { strength: { data: strength, height, width }, noise: noise / (median(paper) + PAPER.LEAST_LIGHT), dark };
}

/** Means over squares of 2 radius + 1 pixels a side, cut off at the border. */
function boxMean({ data, height, width }, radius) {
  const upright = meansAlong(data, width, 1, height, width, radius);
  return new Float32Array(meansAlong(upright, height, width, width, 1, radius));
}

/** Means along so many lines, a line's pixels being `step` apart. */
function meansAlong(data, lines, lineStep, size, step, radius) {
  const means = new Float64Array(data.length);
  const sums = new Float64Array(size + 1);
  for (let line = 0; line < lines; line++) {
    const start = line * lineStep;
    for (let place = 0; place < size; place++) sums[place + 1] = sums[place] + data[start + place * step];
    for (let place = 0; place < size; place++) {
      const low = Math.max(place - radius, 0);
      const high = Math.min(place + radius + 1, size);
      means[start + place * step] = (sums[high] - sums[low]) / (high - low);
    }
  }
  return means;
}

/** A surface of second degree through the paper, first through the places that are `chosen`. */
function paperShade({ data, height, width }, chosen) {
  const step = Math.max(1, Math.floor(Math.max(height, width) / 48));
  const ys = Float32Array.from(linspace(-1, 1, height));
  const xs = Float32Array.from(linspace(-1, 1, width));
  const terms = (y, x) => [1, y, x, f32(y * x), f32(y * y), f32(x * x)];
  const sampled = [];
  const values = [];
  let near = [];
  for (let row = 0; row < height; row += step) {
    for (let column = 0; column < width; column += step) {
      sampled.push(terms(ys[row], xs[column]));
      values.push(data[row * width + column]);
      near.push(chosen(row * width + column));
    }
  }
  let fit;
  for (let round = 0; round < PAPER.GLOBAL; round++) {
    fit = leastSquares(sampled, values, near);
    const distances = Float64Array.from(values, (value, k) =>
      Math.abs(value - sampled[k].reduce((sum, term, i) => sum + term * fit[i], 0)),
    );
    const most = Math.max(PAPER.FROM_NOISE * 1.4826 * median(distances), 2);
    near = Array.from(distances, (distance) => distance <= most);
  }
  const shade = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    const y = ys[row];
    for (let column = 0; column < width; column++) {
      const x = xs[column];
      shade[row * width + column] =
        fit[0] + y * fit[1] + x * fit[2] + f32(y * x) * fit[3] + f32(y * y) * fit[4] + f32(x * x) * fit[5];
    }
  }
  return shade;
}

/** The factors by which the terms of those that are near come nearest to their values. */
function leastSquares(terms, values, near) {
  const size = terms[0].length;
  const rows = Array.from({ length: size }, (_, i) => {
    const row = new Float64Array(size + 1);
    row[i] = PAPER.RIDGE;
    return row;
  });
  terms.forEach((term, k) => {
    if (!near[k]) return;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) rows[i][j] += term[i] * term[j];
      rows[i][size] += term[i] * values[k];
    }
  });
  return solve(rows);
}

/** Solve linear equations, each a row of factors with its right side behind them, by elimination with pivots. */
function solve(rows) {
  const size = rows.length;
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let k = i + 1; k < size; k++) if (Math.abs(rows[k][i]) > Math.abs(rows[pivot][i])) pivot = k;
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let k = i + 1; k < size; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= size; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const solution = new Float64Array(size);
  for (let i = size - 1; i >= 0; i--) {
    let rest = rows[i][size];
    for (let j = i + 1; j < size; j++) rest -= rows[i][j] * solution[j];
    solution[i] = rest / rows[i][i];
  }
  return solution;
}

/** The standard deviation of the paper, from the median of what is lighter; ink is not. */
function spread(residual) {
  const lighter = residual.filter((value) => value > 0);
  return lighter.length ? 1.4826 * median(lighter) : 0;
}

/** Ink on paper of one shade, as of scans, drawings and pictures of few pixels; null where it has more than one.
 *
 * Paper is the side that more of the picture, of its border and of its corners is on: a digit that fills its picture
 * may have most of one of them.
 */
function flatInk({ data, height, width }) {
  const light = over(data, 255 * otsu(data.map((value) => value / 255)));
  const at = (row, column) => light[row * width + column];
  const [last, edge] = [height - 1, width - 1];
  const whole = light.reduce((sum, value) => sum + value, 0);
  let border = 0;
  for (let column = 0; column < width; column++) border += at(0, column) + at(last, column);
  for (let row = 0; row < height; row++) border += at(row, 0) + at(row, edge);
  const corners = at(0, 0) + at(0, edge) + at(last, 0) + at(last, edge);
  const dark = whole / light.length + border / (2 * (height + width)) + corners / 4 > 1.5;
  if (whole === 0 || whole === light.length) return null;
  const side = picked(data, light, dark ? 1 : 0);
  const paper = median(side);
  const ink = median(picked(data, light, dark ? 0 : 1));
  const same = side.reduce((count, value) => count + (Math.abs(f32(value - paper)) <= PAPER.SAME ? 1 : 0), 0);
  if (Math.max(height, width) > PAPER.FEW && same / side.length < PAPER.FLAT) return null;
  if (Math.abs(paper - ink) < PAPER.FAINTEST) return null;
  const strength = data.map((value) => Math.max(f32(dark ? paper - value : value - paper) / 255, 0));
  return { strength: { data: strength, height, width }, noise: 0, dark };
}

/** The threshold that parts values from 0 to 1 in two groups best (Otsu 1979), over 256 bins. */
function otsu(values) {
  const counts = new Float64Array(256);
  for (const value of values) counts[Math.min(Math.floor(value * 256), 255)]++;
  const centre = (bin) => (bin + 0.5) / 256;
  const all = counts.reduce((sum, count, bin) => sum + count * centre(bin), 0);
  let [below, sum, most, best] = [0, 0, -1, 0];
  counts.forEach((count, bin) => {
    below += count;
    sum += count * centre(bin);
    const above = values.length - below;
    const apart = sum / Math.max(below, 1) - (all - sum) / Math.max(above, 1);
    const between = below * above * (apart * apart);
    if (between > most) [most, best] = [between, bin];
  });
  return (best + 1) / 256;
}

/** The value in the middle; of an even count the mean of two, in the precision of the values, as numpy has it. */
function median(values) {
  const parted = values.slice();
  const middle = parted.length >> 1;
  part(parted, middle);
  if (parted.length % 2) return parted[middle];
  const below = parted.subarray(0, middle).reduce((most, value) => Math.max(most, value));
  parted[0] = below + parted[middle];
  return parted[0] / 2;
}

/** Order values so far that none before a place is more than what is there, and none behind it less (Hoare 1961). */
function part(values, place) {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let [left, right] = [low, high];
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left > right) break;
      const value = values[left];
      values[left++] = values[right];
      values[right--] = value;
    }
    if (place <= right) high = right;
    else if (place >= left) low = left;
    else break;
  }
}

/** A mask of the values that are over a level. */
function over(values, level) {
  const mask = new Uint8Array(values.length);
  for (let place = 0; place < mask.length; place++) mask[place] = values[place] > level ? 1 : 0;
  return mask;
}

/** The values where a mask is 1, or where it is 0. */
function picked(values, mask, where = 1) {
  const chosen = values.slice();
  let count = 0;
  for (let place = 0; place < mask.length; place++) if (mask[place] === where) chosen[count++] = values[place];
  return chosen.subarray(0, count);
}

/** So many numbers at even distances, both ends among them. */
function linspace(first, last, count) {
  const step = (last - first) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? last : i * step + first));
}

// Choose how a line is divided into digits, by the best path through a lattice of its pieces: the same steps as
// digits_edge.runtime.numbers.lattice, where the number of digits is not known.
//
// A segment is a run of pieces taken for a digit or a sign: `{first, after, box, pixels, probabilities, sign, shares,
// fits, weight}`. A path is `{segments, lattice, before, behind}`; the last two are logarithms of the probability of all
// ways to and from each place between pieces.

const LATTICE = {
  LONGEST: 7,
  WIDEST: 1.5,
  LOWEST: 0.6,
  LOW: 0.12,
  FARTHEST: 0.25,
  FAR: 0.1,
  WHOLE: 0.8,
  LEAST: 0.15,
  INKED: 0.3,
  LEAST_LIKELY: 1e-3,
  CERTAIN: 0.95,
  SURE: 0.01,
  WIDEST_SIGN: 1,
  SIGN: 0.4,
};

/** Divide a line's ink into as many digits as are likely; null if that is impossible. */
function bestPath(ink, line, seams, classify) {
  const pieces = cut(ink, line.tall, seams);
  const segments = runsOfPieces(pieces, line.tall).flatMap(([first, after]) => {
    const pixels = drawn(pieces, first, after);
    return meanings(pieces, first, after, pixels, classify(pixels), line);
  });
  return segments.length ? search(segments, pieces.boxes.length) : null;
}

/** Cut a line at its boundaries, but no figure that is almost whole on one side of them.
 *
 * `owner` has the number of the piece of each pixel, `boxes` those of the pieces' ink, and `boundaries` the probability
 * of the boundary behind each piece but the last.
 */
function cut(ink, tall, seams) {
  const { data, height, width } = ink;
  const count = seams.length + 1;
  const owner = ownersOf(ink, seams);
  const mask = over(data, f32(LATTICE.INKED));
  const { figures, numbers } = components({ data: mask, height, width }, {});
  const figure = numbers();
  const shares = figures.map(() => new Uint32Array(count));
  figure.forEach((number, place) => number && shares[number - 1][owner[place]]++);
  const whole = shares.map((some) => {
    const most = indexOfMost(some);
    return some[most] >= LATTICE.WHOLE * some.reduce((sum, share) => sum + share) ? most : -1;
  });
  const boxes = Array.from({ length: count }, () => ({ top: height, bottom: 0, left: width, right: 0 }));
  widened(figure, height, width, true).forEach((number, place) => { // with the ink beside it
    if (number && whole[number - 1] >= 0) owner[place] = whole[number - 1];
    if (!mask[place]) return;
    const [box, y, x] = [boxes[owner[place]], Math.floor(place / width), place % width];
    box.top = Math.min(box.top, y);
    box.bottom = y + 1;
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
  });
  const sizes = boxes.map((box) => Math.max(box.bottom - box.top, box.right - box.left));
  const parts = [...boxes.keys()].filter((part) => sizes[part] >= LATTICE.LEAST * tall);
  const behind = seams.map((seam) => seam.probability);
  return {
    ink,
    owner: owner.map((part) => parts.indexOf(part)),
    boxes: parts.map((part) => boxes[part]),
    boundaries: parts.slice(1).map((part, index) => Math.max(...behind.slice(parts[index], part))), // nothing between two: one
  };
}

/** The number of seams to the left of each pixel; none goes back behind the one before. */
function ownersOf({ data, height, width }, seams) {
  const owner = new Int16Array(data.length);
  for (let y = 0; y < height; y++) {
    let edge = -Infinity;
    for (const { columns } of seams) {
      edge = Math.max(edge, columns[y]);
      for (let x = Math.max(0, Math.floor(edge + 0.5)); x < width; x++) owner[y * width + x]++;
    }
  }
  return owner;
}

/** The box of the ink of some neighbours. */
function boxAround(pieces, first, after) {
  const some = pieces.boxes.slice(first, after);
  return {
    top: Math.min(...some.map((box) => box.top)),
    bottom: Math.max(...some.map((box) => box.bottom)),
    left: Math.min(...some.map((box) => box.left)),
    right: Math.max(...some.map((box) => box.right)),
  };
}

/** Logarithm of the probability that a boundary is behind some neighbours, and none between them. */
function bounded({ boundaries }, first, after) {
  const sure = boundaries.slice(first, after).map((value) => Math.min(Math.max(value, LATTICE.SURE), 1 - LATTICE.SURE));
  const last = after - 1 - first;
  return sure.reduce((sum, value, place) => sum + Math.log(place < last ? 1 - value : value), 0);
}

/** Whether some neighbours are certainly apart from all others. */
function isAlone({ boundaries }, first, after) {
  const ends = [boundaries[first - 1], boundaries[after - 1]].filter((end) => end !== undefined);
  return ends.length > 0 && ends.every((end) => end > LATTICE.CERTAIN);
}

/** The ink of some neighbours in MNIST's form. */
function drawn({ ink, owner, ...pieces }, first, after) {
  const box = boxAround(pieces, first, after);
  const [run, { data: owners }] = [ink, { ...ink, data: owner }].map((image) => cropped(image, box));
  run.data = run.data.map((value, place) => (first <= owners[place] && owners[place] < after ? value : 0));
  return inBox(evened(run, true));
}

/** First piece and last piece plus 1 of each run that is narrow enough for a digit. */
function runsOfPieces(pieces, tall) {
  const runs = [];
  const count = pieces.boxes.length;
  for (let first = 0; first < count; first++) {
    for (let after = first + 1; after <= Math.min(count, first + LATTICE.LONGEST); after++) {
      const { top, bottom, left, right } = boxAround(pieces, first, after);
      const crossed = pieces.boundaries.slice(first, after - 1).some((probability) => probability > LATTICE.CERTAIN);
      if (right - left > LATTICE.WIDEST * Math.max(tall, bottom - top) || crossed) break;
      runs.push([first, after]);
    }
  }
  return runs;
}

/** A run of pieces as a digit and as a sign. */
function meanings(pieces, first, after, pixels, probabilities, line) {
  const box = boxAround(pieces, first, after);
  const low = Math.max(0, LATTICE.LOWEST - (box.bottom - box.top) / line.tall) / LATTICE.LOW;
  const away = (box.top + box.bottom) / 2 - line.middle - (line.slope * (box.left + box.right)) / 2;
  const off = Math.max(0, Math.abs(away) / line.tall - LATTICE.FARTHEST) / LATTICE.FAR;
  const fits = Math.exp(-(low * low + off * off) / 2);
  const [best, next] = [...probabilities].sort((one, other) => other - one);
  const spread = ((1 - f32(best + next)) * probabilities.length) / Math.max(1, probabilities.length - 2);
  const base = bounded(pieces, first, after);
  const prior = isAlone(pieces, first, after) ? 1 : LATTICE.SIGN;
  const logarithm = (share) => base + Math.log(Math.max(share, LATTICE.LEAST_LIKELY));
  const above = probabilities.map((share) => Math.max(share - f32(spread / probabilities.length), LATTICE.LEAST_LIKELY));
  const sum = sumOf(above);
  const shares = above.map((share) => share / sum);
  const run = { first, after, box, pixels, probabilities, shares, fits };
  const digit = { ...run, sign: false, weight: logarithm(fits * (1 - spread)) };
  if (isAsLargeAsDigits(digit) && box.right - box.left > LATTICE.WIDEST_SIGN * line.tall) return [digit];
  return [digit, { ...run, sign: true, weight: logarithm(prior * (1 - fits * (1 - spread))) }];
}

/** Whether its height and place are those of a digit rather than of a comma or a dash. */
function isAsLargeAsDigits(segment) {
  return segment.fits > 0.5;
}

/** Logarithm of the probability that a segment is a digit of this class, with its boundaries. */
function asClass({ weight, shares }, label) {
  return weight + f32(Math.log(Math.max(shares[label], LATTICE.LEAST_LIKELY)));
}

/** Logarithm of the probability that a segment is what it looks most like, with its boundaries. */
function costOf(segment) {
  return segment.sign ? segment.weight : asClass(segment, indexOfMost(segment.probabilities));
}

/** The most probable path, by dynamic programming over the pieces. */
function search(segments, pieces) {
  const best = [{ cost: 0, way: [] }];
  const before = new Float64Array(pieces + 1).fill(-Infinity);
  const behind = before.slice();
  before[0] = behind[pieces] = 0;
  for (const segment of segments) {
    const { first, after } = segment;
    if (!best[first]) continue;
    before[after] = logAddExp(before[after], before[first] + segment.weight);
    const cost = best[first].cost + costOf(segment);
    if (!best[after] || cost > best[after].cost) best[after] = { cost, way: [...best[first].way, segment] };
  }
  for (const { first, after, weight } of [...segments].reverse()) {
    behind[first] = logAddExp(behind[first], behind[after] + weight);
  }
  return best[pieces] ? { segments: best[pieces].way, lattice: segments, before, behind } : null;
}

/** Probability of the labels of a path's segments from `from` to before `to`, however they are divided. */
function probabilityOf({ segments, lattice, before, behind }, from, to) {
  const some = segments.slice(from, to);
  const labels = some.filter(({ sign }) => !sign).map(({ probabilities }) => indexOfMost(probabilities));
  const [start, end] = [some[0].first, some.at(-1).after];
  const ways = Array.from({ length: end + 1 }, () => new Float64Array(labels.length + 1).fill(-Infinity));
  ways[start][0] = 0;
  for (const segment of lattice) {
    const { first, after, sign, weight } = segment;
    if (first < start || after > end) continue;
    for (let count = 0; count < labels.length + sign; count++) {
      const step = ways[first][count] + (sign ? weight : asClass(segment, labels[count]));
      const following = count + !sign;
      ways[after][following] = logAddExp(ways[after][following], step);
    }
  }
  return Math.exp(before[start] + ways[end][labels.length] + behind[end] - behind[0]);
}

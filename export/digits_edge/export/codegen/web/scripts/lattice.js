// Choose how a line is divided into digits, by the best path through a lattice of its pieces: the same steps as
// digits_edge.runtime.numbers.lattice, where the number of digits is not known.
//
// A segment is a run of pieces taken for a digit or a sign: `{first, after, box, pixels, probabilities, sign, fits,
// cost, weight}`. A path is `{segments, before, behind}`.

const LATTICE = {
  LONGEST: 4,
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
  SIGN: 0.4,
};

/** Divide a line's ink into as many digits as are likely; null if that is impossible. */
function bestPath(ink, line, seams, classify) {
  const { pieces, boundaries } = cut(ink, line.tall, seams);
  const sure = boundaries.map((value) => Math.min(Math.max(value, LATTICE.SURE), 1 - LATTICE.SURE));
  const segments = [];
  for (const { first, after, box } of runsOfPieces(pieces, boundaries, line.tall)) {
    const [run, ...others] = pieces.slice(first, after).map((piece) => cropped(piece, box));
    for (const { data } of others) data.forEach((value, place) => (run.data[place] = Math.max(run.data[place], value)));
    const pixels = inBox(evened(run, true));
    const inner = sure.slice(first, after - 1).reduce((sum, value) => sum + Math.log(1 - value), 0);
    const bounded = inner + Math.log(sure[after - 1] ?? 1);
    segments.push(...meanings({ first, after, box, pixels, probabilities: classify(pixels) }, bounded, line));
  }
  return segments.length ? search(segments, pieces.length) : null;
}

/** The pieces of a line, and the probability of the boundary behind each but the last. */
function cut(ink, tall, seams) {
  const { data, height, width } = ink;
  const owner = ownersOf(ink, seams);
  const found = components({ ...ink, data: over(data, f32(LATTICE.INKED)) }, {});
  found.figures.forEach((_, index) => {
    const { data: mask } = found.mask((other) => other === index);
    const shares = new Uint32Array(seams.length + 1);
    mask.forEach((inside, place) => (shares[owner[place]] += inside));
    const [all, most] = [shares.reduce((sum, share) => sum + share), Math.max(...shares)];
    if (!(LATTICE.WHOLE * all <= most && most < all)) return;
    const whole = shares.indexOf(most);
    widened(mask, height, width, true).forEach((inside, place) => inside && (owner[place] = whole));
  });
  const pieces = [];
  const boundaries = [];
  [...seams.map((seam) => seam.probability), 1].forEach((probability, number) => {
    const piece = { ...ink, data: data.map((value, place) => (owner[place] === number ? value : 0)) };
    const box = inkedBox(piece);
    if (Math.max(box.bottom - box.top, box.right - box.left) < LATTICE.LEAST * tall) {
      const last = boundaries.length - 1; // two boundaries with nothing between: one
      if (last >= 0) boundaries[last] = Math.max(boundaries[last], probability);
      return;
    }
    pieces.push({ ...piece, box });
    boundaries.push(probability);
  });
  return { pieces, boundaries: boundaries.slice(0, -1) };
}

/** The number of the piece of each pixel. */
function ownersOf({ data, height, width }, seams) {
  const owner = new Uint16Array(data.length);
  for (let y = 0; y < height; y++) {
    let edge = -Infinity;
    seams.forEach(({ columns }, number) => {
      edge = Math.max(edge, columns[y]);
      for (let x = Math.max(0, Math.ceil(edge - 0.5)); x < width; x++) if (x + 0.5 > edge) owner[y * width + x] = number + 1;
    });
  }
  return owner;
}

/** The box of a piece's ink; empty without ink. */
function inkedBox(piece) {
  const empty = { top: 0, bottom: 0, left: 0, right: 0 };
  return boxOf({ ...piece, data: over(piece.data, f32(LATTICE.INKED)) }) ?? empty;
}

/** First piece, last piece plus 1, and box of each run of pieces that is narrow enough for a digit. */
function runsOfPieces(pieces, boundaries, tall) {
  const runs = [];
  for (let first = 0; first < pieces.length; first++) {
    for (let after = first + 1; after <= Math.min(pieces.length, first + LATTICE.LONGEST); after++) {
      const some = pieces.slice(first, after).map((piece) => piece.box);
      const box = {
        top: Math.min(...some.map((one) => one.top)),
        bottom: Math.max(...some.map((one) => one.bottom)),
        left: Math.min(...some.map((one) => one.left)),
        right: Math.max(...some.map((one) => one.right)),
      };
      const widest = LATTICE.WIDEST * Math.max(tall, box.bottom - box.top);
      if (box.right - box.left > widest) break;
      if (boundaries.slice(first, after - 1).some((probability) => probability > LATTICE.CERTAIN)) break;
      runs.push({ first, after, box });
    }
  }
  return runs;
}

/** A run of pieces as a digit and as a sign; `bounded` is the logarithm of the probability of its boundaries. */
function meanings(run, bounded, line) {
  const { box, probabilities } = run;
  const low = Math.max(0, LATTICE.LOWEST - (box.bottom - box.top) / line.tall) / LATTICE.LOW;
  const away = (box.top + box.bottom) / 2 - line.middle - (line.slope * (box.left + box.right)) / 2;
  const off = Math.max(0, Math.abs(away) / line.tall - LATTICE.FARTHEST) / LATTICE.FAR;
  const fits = Math.exp(-(low * low + off * off) / 2);
  const [best, next] = [...probabilities].sort((one, other) => other - one);
  const spread = ((1 - f32(best + next)) * probabilities.length) / (probabilities.length - 2);
  const logarithm = (share) => bounded + Math.log(Math.max(share, LATTICE.LEAST_LIKELY));
  const sign = logarithm(LATTICE.SIGN * (1 - fits * (1 - spread)));
  return [
    { ...run, sign: false, fits, cost: logarithm(fits * best), weight: logarithm(fits) },
    { ...run, sign: true, fits, cost: sign, weight: sign },
  ];
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
    const cost = best[first].cost + segment.cost;
    if (!best[after] || cost > best[after].cost) best[after] = { cost, way: [...best[first].way, segment] };
  }
  for (const { first, after, weight } of [...segments].reverse()) {
    behind[first] = logAddExp(behind[first], behind[after] + weight);
  }
  return best[pieces] ? { segments: best[pieces].way, before, behind } : null;
}

/** Probability that some segments of a path are right, given all other ways. */
function probabilityOf({ before, behind }, some) {
  const cost = some.reduce((sum, segment) => sum + segment.cost, 0);
  return Math.exp(before[some[0].first] + cost + behind[some.at(-1).after] - behind[0]);
}

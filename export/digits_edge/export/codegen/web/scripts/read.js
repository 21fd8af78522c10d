// Read the numbers in a picture: the same steps as digits_edge.runtime.numbers.read.
//
//     picture ─▶ ink ─▶ without printed lines and frames ─▶ lines of writing ─▶ pieces ─▶ the best path through them

const READ = {
  WORKING: 640,
  RESOLVED: 26,
  FAINTEST: 0.045,
  FROM_NOISE: 4,
  STRONG: 80,
  LEVEL: 0.12,
  STROKE: 0.3,
  PAPER: 0.2,
};

/** Read the numbers in a picture; see answer.js for what comes back.
 *
 * `classify` gives the probabilities of the classes for 28 x 28 bytes, and `boundaries` is the network that seams.js
 * opens. Boxes are in the picture's pixels.
 */
function readNumbers(picture, classify, boundaries, contract) {
  const grey = inkGrey(picture);
  let factor = Math.ceil(Math.max(grey.height, grey.width) / READ.WORKING);
  let { strength, level } = strengthOf(grey, factor);
  const linesOf = () => findLines(components({ ...strength, data: over(strength.data, f32(level)) }, {}));
  let lines = linesOf();
  const usual = lines.length ? middleOf(lines.map((line) => line.tall)) : READ.RESOLVED;
  if (factor > 1 && usual < READ.RESOLVED) {
    factor = Math.max(1, Math.floor((factor * usual) / READ.RESOLVED));
    ({ strength, level } = strengthOf(grey, factor));
    lines = linesOf();
  }
  const slope = slopeOf(lines);
  const { height, width } = strength;
  const view = { height, width, slope: Math.abs(slope) > READ.LEVEL ? slope : 0, scale: factor };
  if (view.slope) {
    strength = turned(strength, slope);
    lines = linesOf();
  }
  const written = lines.map((line) => {
    const ink = inkOf(strength, line);
    return { line, path: bestPath(ink, line, findSeams(ink, line.tall, boundaries), classify) };
  });
  return answerOf(written.filter(({ path }) => path), view, contract);
}

/** The ink of a picture that is shrunk by a whole number, without print, and the level of strokes. */
function strengthOf(grey, factor) {
  const small = withoutMargins(meanSquares(grey, factor));
  const ink = flatInk(small) ?? findInk(small);
  const { strength } = ink;
  const faintest = Math.max(READ.FROM_NOISE * ink.noise, READ.FAINTEST);
  const inked = picked(strength.data, over(strength.data, f32(faintest)));
  const level = inked.length ? Math.max(faintest, READ.STROKE * percentile(inked, READ.STRONG)) : faintest;
  const found = components({ ...strength, data: over(strength.data, f32(level)) }, {});
  return { strength: withoutLines(withoutFrames(strength, found, level), faintest), level };
}

/** The value below which so many of a hundred are, as numpy interpolates it. */
function percentile(values, percent) {
  const place = ((values.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const parted = values.slice();
  part(parted, below);
  const next = parted.subarray(below + 1).reduce((least, value) => Math.min(least, value), Infinity);
  return next === Infinity ? parted[below] : f32(parted[below] + f32(f32(next - parted[below]) * f32(place - below)));
}

/** The slope of the widest line. */
function slopeOf(lines) {
  const widths = lines.map(({ box }) => box.right - box.left);
  return lines.length ? lines[indexOfMost(widths)].slope : 0;
}

/** The line's ink within its box, from 0 to 1. */
function inkOf(strength, line) {
  const [ink, mask] = [strength, line.mask].map((image) => cropped(image, line.box));
  const [strong, paper, range] = [median(picked(ink.data, mask.data)), READ.PAPER, 1 - READ.PAPER].map(f32);
  const { data: fringe } = fringed(mask); // strokes fade into paper
  ink.data = ink.data.map((value, place) =>
    fringe[place] ? Math.min(Math.max(f32(f32(value / strong) - paper) / range, 0), 1) : 0,
  );
  return ink;
}

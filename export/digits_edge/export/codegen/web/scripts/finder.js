// Find one handwritten digit in a picture, whatever paper it is on, and bring it to MNIST's form: the same steps as
// digits_edge.runtime.find.
//
//     picture ─▶ ink ─▶ printed lines taken off ─▶ the strokes that look most like a digit ─▶ even strokes ─▶ 28 x 28
//
// A picture that has MNIST's form already is left as it is. One of few pixels, such as a scan of 16 x 16, is taken to
// have paper of one shade, and is enlarged. The constants of this and the other files are explained in Python's.

const FIND = {
  WORKING: 160,
  ENLARGED: 4,
  ZOOMED: 48,
  CLOSER: 0.75,
  SURROUNDINGS: 0.6,
  LEVELS: [0.045, 0.07, 0.1, 0.15, 0.22, 0.33, 0.5],
  FROM_NOISE: 5,
  GROWN_FROM_NOISE: 3,
  CUTS: [0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
  OFFSET: 0.2,
  RESOLVED: 64,
  SMALLEST: 5,
  DARK: 0.3,
  ALONG: 0.8,
  REACHING: 0.6,
  SHARE: 0.15,
  NEAR: 0.12,
  BROKEN: 0.04,
  GAP: 2,
  WEAKEST: 0.5,
  ALIKE: 0.5,
  WIDEST: 1.6,
  FADING: 1.2,
  THICKEST: 0.3,
  BY_SIDES: [1, 0.6, 0.3, 0.1, 0.1],
};

/** Find the digit in a grey picture of bytes: `pixels`, 28 x 28 bytes of white ink (255) on black (0), or null where
 * there is no ink, and `several`, whether there are other figures of a digit's size beside it.
 */
function findDigit(grey) {
  return isNormalised(grey) ? { pixels: grey.data, several: false } : findIn(grey);
}

function findIn(grey) {
  const longer = Math.max(grey.height, grey.width);
  const least = Math.floor(Math.min(grey.height, grey.width) / IMAGE.MIN_SIDE); // a strip keeps its shorter side
  const factor = Math.max(1, Math.min(Math.ceil(longer / FIND.WORKING), least));
  const means = meanSquares(grey, factor);
  const small = longer > PAPER.FEW ? withoutMargins(means) : means;
  const ink = flatInk(small) ?? findInk(small);
  const strength =
    longer <= PAPER.FEW
      ? enlarged(padded(ink.strength, 1))
      : withoutLines(ink.strength, Math.max(FIND.GROWN_FROM_NOISE * ink.noise, FIND.LEVELS[0]));
  const seed = bestSeed(strength, FIND.FROM_NOISE * ink.noise);
  if (!seed) return { pixels: null, several: false };
  const { found, main } = grown(strength, seed, FIND.GROWN_FROM_NOISE * ink.noise);
  if (isCutOff(found, found.figures[main])) return { pixels: null, several: false };
  const { parts, several } = partsOf(found, main, FIND.WEAKEST * seed.strong);
  const mask = found.mask((index) => parts[index]);
  const box = boxOf(mask);
  const size = Math.max(box.bottom - box.top, box.right - box.left);
  if (size < FIND.ZOOMED && factor > 1) {
    const surroundings = cropped(grey, around(box, size, factor, grey));
    if (Math.max(surroundings.height, surroundings.width) <= FIND.CLOSER * longer) {
      const closer = findIn(surroundings);
      return { pixels: closer.pixels, several: closer.several || several };
    }
  }
  if (size < FIND.SMALLEST) return { pixels: null, several: false };
  const { data: fringe } = fringed(mask);
  const faded = FIND.FADING * median(picked(strength.data, mask.data));
  const [strong, offset, range] = [Math.min(seed.strong, faded), FIND.OFFSET, 1 - FIND.OFFSET].map(f32);
  const digit = strength.data.map((value, place) =>
    fringe[place] ? Math.min(Math.max(f32(f32(value / strong) - offset) / range, 0), 1) : 0,
  );
  const narrow = longer > PAPER.FEW && size * factor >= FIND.RESOLVED;
  return { pixels: inBox(evened(cropped({ ...strength, data: digit }, box), narrow)), several };
}

function enlarged(framed) {
  return resize(framed, FIND.ENLARGED * framed.height, FIND.ENLARGED * framed.width);
}

/** Shrink a picture of bytes to means over whole squares of `factor` pixels a side, in float32. */
function meanSquares(grey, factor) {
  const [height, width] = [grey.height, grey.width].map((side) => Math.floor(side / factor));
  const data = new Float32Array(height * width);
  for (let y = 0; y < height * factor; y++) {
    const to = Math.floor(y / factor) * width;
    for (let x = 0, from = y * grey.width; x < width; x++) {
      let sum = 0;
      for (const end = from + factor; from < end; from++) sum += grey.data[from];
      data[to + x] += sum; // whole numbers, exact in float32
    }
  }
  return { data: data.map((sum) => sum / factor ** 2), height, width };
}

/** Paint what is far darker than the paper and lies along the border, such as a table, in the paper's shade. */
function withoutMargins(small) {
  const { data, height, width } = small;
  const most = f32(f32(FIND.DARK) * f32(median(data)));
  const dark = components({ data: data.map((value) => value < most), height, width }, {});
  if (!dark.figures.some(isAlong)) return small;
  const along = dark.mask((index) => isAlong(dark.figures[index]));
  const { data: margins } = fringed(fringed(along));
  const around = boxMean(small, Math.floor(Math.max(height, width) / 8));
  const shade = paperShade(small, (place) => data[place] >= around[place] && !margins[place]);
  return { ...small, data: data.map((value, place) => (margins[place] ? shade[place] : value)) };
}

/** Components of ink over a level; of each the sums of `ink` and `outline`, and those of more images. */
function figuresOver(strength, level, images = {}) {
  const mask = { ...strength, data: over(strength.data, f32(level)) };
  return components(mask, { ink: strength.data, outline: outline(mask), ...images });
}

/** The figure that looks most like a digit, over all levels, as `{mask, sides, strong}`: the bytes of its pixels, how
 * many sides of the picture it touches, and its median ink; null where there is none.
 *
 * What is joined to a line or a shadow at one level stands alone at another.
 */
function bestSeed(strength, noise) {
  let [best, seed] = [0, null];
  for (const level of FIND.LEVELS) {
    if (level < noise) continue;
    const found = figuresOver(strength, level);
    if (!found.figures.length) break;
    const scores = found.figures.map((figure) => score(found, figure));
    const index = indexOfMost(scores);
    if (scores[index] > best && isNoSpeck(found.figures, index)) {
      const { data: mask } = found.mask((other) => other === index);
      const strong = median(picked(strength.data, mask));
      [best, seed] = [scores[index], { mask, sides: found.figures[index].sides, strong }];
    }
  }
  return seed;
}

/** How much a figure looks like a digit by its size, place, contrast, thickness and distance from the border. */
function score(found, figure) {
  if (isCutOff(found, figure)) return 0;
  const { height, width } = found;
  const size = hypot(figure.height / height, figure.width / width);
  const away = hypot((figure.top + figure.bottom) / height - 1, (figure.left + figure.right) / width - 1) / 2;
  const contrast = figure.sums.ink / figure.area;
  const thin = Math.min(Math.max(1.5 - thickness(figure) * 4, 0.05), 1);
  return Math.min(1, size / 0.3) * FIND.BY_SIDES[figure.sides] * (1 - away) * Math.sqrt(contrast) * thin;
}

/** Whether a figure lies along the border, such as a shadow, a margin or a table, or is small and in a corner. */
function isCutOff(found, figure) {
  return isAlong(figure) || figure.sides > 1 && figure.longer < FIND.REACHING * Math.max(found.height, found.width);
}

function isAlong(figure) {
  return figure.border >= FIND.ALONG * (figure.height + figure.width);
}

/** The mean width of a figure's strokes over its diagonal. */
function thickness(figure) {
  return (2 * figure.area) / figure.sums.outline / hypot(figure.height, figure.width);
}

/** Whether it is not just the largest speck of many, as in grainy paper. */
function isNoSpeck(figures, index) {
  const most = FIND.ALIKE * figures[index].longer;
  const inside = figures.filter((figure, other) => (figure.sides === 0 && figure.longer < most) || other === index);
  return figures[index].sums.ink >= FIND.SHARE * inside.reduce((sum, figure) => sum + figure.sums.ink, 0);
}

/** All figures at the lowest level at which the seed's is still strokes, and runs into the border no more than it; and
 * the index of the one that holds the seed.
 */
function grown(strength, seed, noise) {
  let found, main;
  for (const cut of FIND.CUTS) {
    found = figuresOver(strength, Math.max(cut * seed.strong, noise), { seed: seed.mask });
    main = indexOfMost(found.figures.map((figure) => figure.sums.seed));
    const figure = found.figures[main];
    if (figure.sides <= seed.sides + 1 && thickness(figure) < FIND.THICKEST) break;
  }
  return { found, main };
}

/** Which figures are parts of the main one, such as the bar of a 5, and whether there is another digit.
 *
 * `weakest`: mean ink under which a figure is none.
 */
function partsOf(found, main, weakest) {
  const { figures } = found;
  const parts = figures.map((_, index) => index === main);
  const digits = figures.map((figure) => !isCutOff(found, figure) && figure.sums.ink >= weakest * figure.area);
  for (;;) {
    const chosen = figures.filter((_, index) => parts[index]);
    const top = Math.min(...chosen.map((figure) => figure.top));
    const bottom = Math.max(...chosen.map((figure) => figure.bottom));
    const left = Math.min(...chosen.map((figure) => figure.left));
    const right = Math.max(...chosen.map((figure) => figure.right));
    const size = Math.max(bottom - top, right - left);
    const joined = [];
    let several = right - left > FIND.WIDEST * (bottom - top);
    figures.forEach((figure, index) => {
      if (parts[index] || !digits[index] || figure.longer <= FIND.NEAR * size) return;
      const below = Math.max(figure.top - bottom, top - figure.bottom); // negative where they overlap
      const beside = Math.max(figure.left - right, left - figure.right);
      const apart = hypot(Math.max(below, 0), Math.max(beside, 0));
      const alike = (figure.sides ? figure.height : figure.longer) >= FIND.ALIKE * size;
      const above = beside < -FIND.ALIKE * Math.min(figure.width, right - left); // or below: no neighbour
      const near = apart <= FIND.NEAR * size && (!alike || above);
      const whole = Math.max(
        Math.max(figure.bottom, bottom) - Math.min(figure.top, top),
        Math.max(figure.right, right) - Math.min(figure.left, left),
      );
      const close = near || apart <= Math.max(FIND.GAP, FIND.BROKEN * whole);
      if (close && !figure.sides) joined.push(index);
      several ||= alike;
    });
    if (!joined.length) return { parts, several };
    for (const index of joined) parts[index] = true;
  }
}

/** A mask with the pixels around it, where strokes fade into paper. */
function fringed({ data, height, width }) {
  return { data: widened(data, height, width, true), height, width };
}

/** A box with its surroundings, in the pixels of a picture that was reduced by a factor. */
function around({ top, bottom, left, right }, size, factor, { height, width }) {
  const margin = FIND.SURROUNDINGS * size;
  const from = (start) => Math.floor(Math.max(0, start - margin) * factor);
  const to = (stop, whole) => Math.floor(Math.min(whole, (stop + margin) * factor));
  return { top: from(top), bottom: to(bottom, height), left: from(left), right: to(right, width) };
}

/** The longer side of a right-angled triangle; Math.hypot would not give 5 of 3 and 4 everywhere. */
function hypot(one, other) {
  return Math.sqrt(one * one + other * other);
}

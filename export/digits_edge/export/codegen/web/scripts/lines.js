// Find the lines of writing in a picture: the same steps as digits_edge.runtime.numbers.lines. A line is `{mask, box,
// tall, middle, slope, signs}`: its pixels in the whole picture, the box around them, the usual height of its figures,
// their middle below the top of the box at its left side, by how much it falls to the right, and the boxes, from that
// box's corner, of what is too low for a digit.

const WRITING = {
  MOST: 200,
  MOST_LINES: 50,
  SMALLEST: 6,
  SPECK: 0.25,
  SMALL: 0.45,
  TALL: 2.2,
  THIN: 0.12,
  BELOW: 0.4,
  COMMA: 0.7,
  OVERLAP: 0.35,
  BESIDE: 1,
  NEAR: 0.12,
};

const middleOf = (values) => median(Float64Array.from(values));
const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Group figures to lines of writing, from top to bottom. */
function findLines(found) {
  const { SMALLEST, TALL, SPECK, SMALL, MOST, MOST_LINES } = WRITING;
  let writing = found.figures.filter((figure) => figure.longer >= SMALLEST && !isMargin(found, figure));
  if (!writing.length) return [];
  const tallest = Math.max(...writing.map((figure) => figure.height));
  const usual = middleOf(writing.map((figure) => figure.height).filter((height) => height >= 0.4 * tallest));
  writing = writing.filter((figure) => figure.height < TALL * usual && figure.longer >= SPECK * usual);
  const small = writing.filter((figure) => figure.height < SMALL * usual);
  const main = writing
    .filter((figure) => figure.height >= SMALL * usual)
    .sort((one, other) => other.height - one.height)
    .slice(0, MOST);
  const lines = chained(main);
  const signs = lines.filter((line) => isSigns(line, lines));
  small.push(...signs.flat());
  const place = (line) => average(line.map((figure) => figure.top + figure.bottom));
  return lines
    .filter((line) => !signs.includes(line))
    .sort((one, other) => one.length - other.length)
    .slice(-MOST_LINES)
    .sort((one, other) => place(one) - place(other))
    .map((line) => lineOf(found, line, small));
}

/** Whether a figure at the border is a dark margin, a table's edge or a printed line. */
function isMargin(found, figure) {
  const { height, width, sides } = figure;
  const thin = WRITING.THIN;
  const along = height < thin * width || (width < thin * height && height > 0.8 * found.height);
  const corner = sides >= 2 && figure.longer > 0.6 * Math.max(found.height, found.width);
  return sides > 0 && (along || corner);
}

/** Chain figures from left to right: each follows the nearest line whose last figure is at its height. */
function chained(main) {
  const lines = [];
  for (const figure of main.sort((one, other) => one.left - other.left)) {
    let nearest = null;
    for (const line of lines) {
      const end = line.at(-1);
      const common = Math.min(end.bottom, figure.bottom) - Math.max(end.top, figure.top);
      const beside = common > WRITING.OVERLAP * Math.min(end.height, figure.height);
      if (beside && !(nearest?.at(-1).right >= end.right)) nearest = line;
    }
    if (nearest) nearest.push(figure);
    else lines.push([figure]);
  }
  return lines;
}

/** Whether a line is low and stands partly at the height of a longer one, as commas do. */
function isSigns(line, lines) {
  const least = (some, name) => Math.min(...some.map((figure) => figure[name]));
  const most = (some, name) => Math.max(...some.map((figure) => figure[name]));
  return lines.some((other) => {
    if (other.length <= line.length) return false;
    const bottom = Math.min(most(line, "bottom"), most(other, "bottom"));
    const common = bottom > Math.max(least(line, "top"), least(other, "top"));
    return common && most(line, "height") < WRITING.COMMA * middleOf(other.map((figure) => figure.height));
  });
}

function lineOf(found, members, small) {
  const tall = middleOf(members.map((figure) => figure.height));
  const x = (figure) => (figure.left + figure.right) / 2;
  const y = (figure) => (figure.top + figure.bottom) / 2;
  const [columns, rows] = [members.map(x), members.map(y)];
  const [column, row] = [average(columns), average(rows)];
  const across = columns.map((value) => value - column);
  const product = (others) => across.reduce((sum, value, i) => sum + value * others[i], 0);
  const spread = Math.max(...across) - Math.min(...across);
  const slope = spread > tall ? product(rows.map((value) => value - row)) / product(across) : 0;
  const level = (figure) => y(figure) - slope * x(figure); // in the column 0
  const middle = middleOf(members.map(level));
  const apart = new Map(small.map((one) => [one, distance(one, members)]));
  const every = [...members, ...small.filter((one) => apart.get(one) < WRITING.NEAR * tall)];
  const isBelow = (figure) =>
    level(figure) > middle + WRITING.BELOW * tall && figure.height < WRITING.COMMA * tall;
  const kept = new Set(every.filter((figure) => !isBelow(figure)));
  const mask = found.mask((index) => kept.has(found.figures[index]));
  const box = boxOf(mask);
  const isBeside = (one) => WRITING.NEAR * tall <= apart.get(one) && apart.get(one) < WRITING.BESIDE * tall;
  const signs = [...every.filter(isBelow), ...small.filter(isBeside)].map(({ top, bottom, left, right }) => ({
    box: { top: top - box.top, bottom: bottom - box.top, left: left - box.left, right: right - box.left },
  }));
  return { mask, box, tall, middle: middle + slope * box.left - box.top, slope, signs };
}

/** The least distance of a figure's box from those of others, in pixels. */
function distance(one, others) {
  const distances = others.map((other) => {
    const beside = Math.max(other.left - one.right, one.left - other.right, 0);
    const below = Math.max(other.top - one.bottom, one.top - other.bottom, 0);
    return hypot(beside, below);
  });
  return Math.min(...distances);
}

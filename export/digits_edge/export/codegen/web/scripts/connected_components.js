// Connected components of a mask: what digits_edge.runtime.components finds, in the same order, by other means. Rows
// are parted into runs, a run joins those of the row above that it touches, and its component is known by its first
// run.

/** The parts of a mask in which each pixel touches another, corners included.
 *
 * `figures` are their boxes (bottom and right exclusive), areas, how many sides of the picture each touches, how many
 * of its pixels are on the border, and the sums of `images`, by name, over its pixels; `mask(chosen)` has the pixels of
 * those figures for whose index `chosen` is true, and `numbers()` the index of each pixel's figure plus 1, or 0.
 */
function components({ data, height, width }, images) {
  const runs = runsOf(data, height, width);
  const figures = [];
  runs.forEach((run, index) => {
    if (run.joined === index) run.figure = figures.push(emptyFigure(height, width, images)) - 1;
    else run.figure = runs[rootOf(runs, index)].figure;
    addRun(figures[run.figure], run, height, width, images);
  });
  for (const figure of figures) {
    const { top, bottom, left, right } = figure;
    figure.height = bottom - top;
    figure.width = right - left;
    figure.longer = Math.max(figure.height, figure.width);
    figure.sides = [top === 0, left === 0, bottom === height, right === width].filter(Boolean).length;
  }
  const mask = (chosen) => {
    const pixels = new Uint8Array(height * width);
    for (const { row, left, right, figure } of runs) {
      if (chosen(figure)) pixels.fill(1, row * width + left, row * width + right);
    }
    return { data: pixels, height, width };
  };
  const numbers = () => {
    const pixels = new Float32Array(height * width);
    for (const { row, left, right, figure } of runs) pixels.fill(figure + 1, row * width + left, row * width + right);
    return pixels;
  };
  return { figures, height, width, mask, numbers };
}

/** The runs of a mask, row by row, each with the number of an earlier one it is joined to, or its own. */
function runsOf(data, height, width) {
  const runs = [];
  let [above, begin] = [0, 0]; // the first run of the row above that may touch, and of this row
  for (let row = 0; row < height; row++) {
    const end = runs.length;
    above = begin;
    begin = end;
    for (let x = 0; x < width; x++) {
      if (!data[row * width + x]) continue;
      const left = x;
      while (x < width && data[row * width + x]) x++;
      const index = runs.push({ row, left, right: x, joined: runs.length, figure: -1 }) - 1;
      while (above < end && runs[above].right < left) above++;
      for (let other = above; other < end && runs[other].left <= x; other++) join(runs, index, other);
    }
  }
  return runs;
}

function join(runs, one, other) {
  const [a, b] = [rootOf(runs, one), rootOf(runs, other)];
  runs[Math.max(a, b)].joined = Math.min(a, b);
}

function rootOf(runs, index) {
  while (runs[index].joined !== index) {
    runs[index].joined = runs[runs[index].joined].joined; // the way is half as long next time
    index = runs[index].joined;
  }
  return index;
}

function emptyFigure(height, width, images) {
  const sums = Object.fromEntries(Object.keys(images).map((name) => [name, 0]));
  return { top: height, bottom: 0, left: width, right: 0, area: 0, border: 0, sums };
}

function addRun(figure, { row, left, right }, height, width, images) {
  figure.top = Math.min(figure.top, row);
  figure.bottom = row + 1;
  figure.left = Math.min(figure.left, left);
  figure.right = Math.max(figure.right, right);
  figure.area += right - left;
  figure.border += row === 0 || row === height - 1 ? right - left : (left === 0) + (right === width);
  for (const [name, image] of Object.entries(images)) {
    for (let x = left; x < right; x++) figure.sums[name] += image[row * width + x];
  }
}

// Divide a line of writing where one digit may end and the next begin: the same steps as
// digits_edge.runtime.numbers.seams. A seam is `{columns, probability}`: its column in each row of the ink.

const SEAMS = {
  TALL: 26,
  TILE: [48, 128],
  MARGIN: 3,
  BESIDE: 20,
  STEP: 4,
  WIDE: 20,
  FAINT: 0.1,
  SLANTED: 0.25,
  DEAREST: 3,
  WORST: 8,
  APART: 2.5,
};

/** The network of boundaries: a function that gives the logits of a tile of bytes, in blocks. */
function openSeams({ engine, output }) {
  const infer = openEngine(engine);
  return (tile) => Float32Array.from(infer(tile), (value) => (value - output.zero_point) * f32(output.scale));
}

/** Find boundaries between digits about `tall` pixels high in ink from 0 to 1, from left to right. */
function findSeams(ink, tall, boundaries) {
  const { TALL, TILE, MARGIN, STEP } = SEAMS;
  const scale = Math.min(TALL / tall, (TILE[0] - 2 * MARGIN) / ink.height);
  const [height, width] = [ink.height, ink.width].map((side) => Math.max(STEP, rint(side * scale)));
  const paths = cheapest(costs(resize(ink, height, width), boundaries));
  return paths.map(({ price, path }) => {
    const columns = Float64Array.from({ length: ink.height }, (_, y) => {
      const row = Math.min(Math.max(((y + 0.5) * height) / ink.height - 0.5, 0), height - 1);
      const above = Math.min(Math.floor(row), height - 2);
      const column = path[above] + (path[above + 1] - path[above]) * (row - above);
      return ((column + 0.5) * ink.width) / width;
    });
    return { columns, probability: Math.exp(-price) };
  });
}

/** The cost of a boundary at each pixel: minus the logarithm of its probability. */
function costs(ink, boundaries) {
  const { data, height, width } = ink;
  const { TILE, BESIDE, STEP } = SEAMS;
  const [down, across] = TILE;
  const above = Math.floor((down - height) / 2);
  const useful = across - 2 * BESIDE;
  const cost = new Float32Array(data.length);
  for (let left = 0; left < width; left += useful) {
    const tile = new Uint8Array(down * across);
    const [first, after] = [Math.max(0, left - BESIDE), Math.min(width, left + useful + BESIDE)];
    for (let y = 0; y < height; y++) {
      const to = (above + y) * across + BESIDE - left;
      for (let x = first; x < after; x++) tile[to + x] = f32(f32(data[y * width + x] * 255) + 0.5);
    }
    const seen = boundaries(tile);
    for (let y = 0; y < height; y++) {
      for (let x = left; x < Math.min(width, left + useful); x++) {
        const [row, column] = [above + y, BESIDE + x - left];
        const block = Math.floor(row / STEP) * (across / STEP) + Math.floor(column / STEP);
        const logit = seen[(block * STEP + (row % STEP)) * STEP + (column % STEP)];
        cost[y * width + x] = logAddExp(0, -logit);
      }
    }
  }
  let last = width; // column with ink
  for (let x = 0; x < width; x++) {
    let y = 0;
    while (y < height && data[y * width + x] <= f32(SEAMS.FAINT)) y++;
    if (y === height) continue;
    for (y = 0; x - last > SEAMS.WIDE && y < height; y++) cost[y * width + Math.floor((last + x) / 2)] = 0;
    last = x;
  }
  return { data: cost, height, width };
}

/** Paths from top to bottom that are cheaper than their neighbours, with mean costs, from left to right. */
function cheapest(cost) {
  const { data, height, width } = cost;
  const reversed = new Float32Array(data.length);
  for (let y = 0; y < height; y++) reversed.set(data.subarray(y * width, (y + 1) * width), (height - 1 - y) * width);
  const down = sweep(cost);
  const up = sweep({ data: reversed, height, width });
  const found = [];
  for (const row of [Math.floor(height / 4), Math.floor(height / 2), Math.floor((3 * height) / 4)]) {
    const mirrored = (height - 1 - row) * width;
    const price = new Float32Array(width).map((_, x) => {
      const place = row * width + x;
      return f32(f32(down.total[place] + up.total[mirrored + x]) - data[place]) / height;
    });
    price.forEach((least, column) => {
      const around = price.subarray(Math.max(0, column - 2), column + 3);
      if (least >= SEAMS.DEAREST || around.some((other) => other < least)) return;
      const path = new Int32Array(height).fill(column);
      for (let y = row; y > 0; y--) path[y - 1] = path[y] + down.steps[y * width + path[y]];
      for (let y = row; y < height - 1; y++) path[y + 1] = path[y] + up.steps[(height - 1 - y) * width + path[y]];
      const worst = Float32Array.from(path, (x, y) => data[y * width + x]).sort().slice(-SEAMS.WORST);
      found.push({ price: f32(sumOf(worst) / worst.length), path });
    });
  }
  const apart = (one, other) => average(one.path.map((column, y) => Math.abs(column - other.path[y])));
  const kept = [];
  for (const one of found.sort((one, other) => one.price - other.price)) {
    if (kept.every((other) => apart(one, other) > SEAMS.APART)) kept.push(one);
  }
  return kept.sort((one, other) => average(one.path) - average(other.path));
}

/** The least cost of a path from the first row to each pixel, and its last step: -1, 0 or 1. */
function sweep({ data, height, width }) {
  const total = data.slice();
  const steps = new Int8Array(data.length);
  const slanted = f32(SEAMS.SLANTED);
  for (let place = width; place < data.length; place++) {
    const [above, x] = [place - width, place % width];
    let [least, step] = [total[above], 0];
    const left = x > 0 ? f32(total[above - 1] + slanted) : Infinity;
    const right = x < width - 1 ? f32(total[above + 1] + slanted) : Infinity;
    if (left < least) [least, step] = [left, -1];
    if (right < least) [least, step] = [right, 1];
    total[place] += least;
    steps[place] = step;
  }
  return { total, steps };
}

/** The logarithm of the sum of what two numbers are the logarithms of. */
function logAddExp(one, other) {
  const most = Math.max(one, other);
  return most === -Infinity ? most : most + Math.log1p(Math.exp(Math.min(one, other) - most));
}

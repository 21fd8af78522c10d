// The printed lines of ruled and squared paper, found and taken off: the same steps as digits_edge.runtime.lines. A
// line is `{band, highest}`: the places of its pixels where nothing crosses it, and the most ink that is its own.

const LINES = {
  SLOPES: 17,
  STEEPEST: 0.14,
  COVERED: 0.85,
  LEAST: 2,
  STRIP: 2,
  MOST: 24,
  HALF: 2,
  ABOVE: 1.5,
  THICK: 0.5,
  CROSSING: 0.6,
};

/** Take straight lines that go from side to side off an ink map; `strength` itself where there are none.
 *
 * Lines are peaks of projections along nearly level and nearly upright directions (the Radon transform at few angles).
 * Two or more of them are print, and one along a strip. What crosses them stays where it is stronger.
 */
function withoutLines(strength, level) {
  const across = levelLines(strength, level);
  const cleared = takenOff(strength, across); // but for where upright lines cross
  const turned = transposed(cleared);
  const down = levelLines(turned, level);
  if (across.length + down.length >= LINES.LEAST) return transposed(takenOff(turned, down));
  return strength.width > LINES.STRIP * strength.height ? cleared : strength;
}

/** The nearly level lines, strongest first; none that is as thick as a stroke. */
function levelLines(strength, level) {
  const { data, height, width } = strength;
  const shifts = along(width);
  const ink = projections(strength, f32(level), shifts);
  const lines = [];
  while (lines.length < LINES.MOST) {
    const best = indexOfMost(ink);
    if (!(ink[best] > 0)) break;
    const [slope, row] = [Math.floor(best / height), best % height];
    const middle = course(shifts[slope], row, height);
    for (let other = 0; other < LINES.SLOPES; other++) {
      const start = other * height;
      ink.fill(0, start + Math.max(0, row - 2 * LINES.HALF), start + Math.min(height, row + 2 * LINES.HALF + 1));
    }
    const around = (rows) =>
      middle.map((place) => rows.map((by) => place + width * by).map((near) => (near in data ? near : place)));
    const strongest = (places) => places.reduce((most, place) => Math.max(most, data[place]), 0);
    const band = around([-2, -1, 0, 1, 2]);
    const printed = median(Float32Array.from(band, strongest));
    const most = f32(LINES.CROSSING * printed);
    const crossed = around([-4, -3, 3, 4]).map((places) => strongest(places) > most);
    if (crossed.filter(Boolean).length / crossed.length < LINES.THICK) {
      lines.push({ band: band.filter((_, place) => !crossed[place]).flat(), highest: f32(LINES.ABOVE * printed) });
    }
  }
  return lines;
}

/** The ink along each line that is covered with it, by slope and row in the middle: most where the slope is right. */
function projections({ data, height, width }, level, shifts) {
  const inked = new Uint8Array(data.length);
  for (let place = 0; place < data.length; place++) {
    const inner = place >= width && place < data.length - width;
    const beside = inner && (data[place - width] > level || data[place + width] > level);
    inked[place] = beside || data[place] > level ? 1 : 0;
  }
  const ink = new Float32Array(LINES.SLOPES * height);
  for (let slope = 0; slope < LINES.SLOPES; slope++) {
    const shift = shifts[slope];
    for (let row = 0; row < height; row++) {
      let [inside, covered] = [0, 0];
      for (let x = 0; x < width; x++) {
        const y = row + shift[x];
        if (y < 0 || y >= height) continue;
        inside++;
        covered += inked[y * width + x];
      }
      if (covered / Math.max(inside, width / 2) < LINES.COVERED) continue;
      ink[slope * height + row] = sumOf(Float32Array.from(course(shift, row, height), (place) => data[place]));
    }
  }
  return ink;
}

/** How far up or down a line of each slope is, column by column. */
function along(width) {
  return linspace(-LINES.STEEPEST, LINES.STEEPEST, LINES.SLOPES).map((slope) =>
    Int32Array.from({ length: width }, (_, x) => rint(slope * (x - width / 2))),
  );
}

/** The places of a line's pixels from left to right, by its row in the middle. */
function course(shift, row, height) {
  const places = [];
  for (let x = 0; x < shift.length; x++) {
    const y = row + shift[x];
    if (y >= 0 && y < height) places.push(y * shift.length + x);
  }
  return places;
}

function takenOff({ data, height, width }, lines) {
  const cleared = data.slice();
  for (const { band, highest } of lines) {
    for (const place of band) if (cleared[place] <= highest) cleared[place] = 0;
  }
  return { data: cleared, height, width };
}

function transposed({ data, height, width }) {
  const turned = new Float32Array(data.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) turned[x * height + y] = data[y * width + x];
  return { data: turned, height: width, width: height };
}

/** Of equals the first. */
function indexOfMost(values) {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index] > values[best]) best = index;
  return best;
}

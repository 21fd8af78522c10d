// Take printed boxes and combs of forms off the ink: the same steps as digits_edge.runtime.numbers.frames.

const FRAMES = {
  SMALLEST: 14,
  HOLLOW: 0.45,
  BAND: 0.1,
  COVERED: 0.85,
  SIDES: 3,
  MARGIN: 5,
  FRINGE: 0.6,
};

/** Remove the lines of figures that are frames from an ink map, and keep what stands on them. */
function withoutFrames(strength, found, level) {
  const { MARGIN } = FRAMES;
  const cleared = { ...strength, data: strength.data.slice() };
  found.figures.forEach((figure, index) => {
    const { height, width, top, left } = figure;
    if (figure.area >= FRAMES.HOLLOW * width * height || Math.min(width, height) < FRAMES.SMALLEST) return;
    const mask = cropped(found.mask((other) => other === index), figure);
    if (!isFrame(mask)) return;
    const part = cropped(cleared, figure);
    part.data = part.data.map((value, place) => value * mask.data[place]);
    const inner = { top: MARGIN, bottom: MARGIN + height, left: MARGIN, right: MARGIN + width };
    const { data: rest } = cropped(withoutLines(padded(part, MARGIN), level), inner);
    const lines = mask.data.map((inside, place) => (inside && rest[place] === 0 ? 1 : 0));
    const around = widened(lines, height, width, true);
    const weaker = f32(f32(FRAMES.FRINGE) * median(picked(part.data, mask.data)));
    lines.forEach((line, place) => {
      if (!line && !(around[place] && part.data[place] < weaker)) return;
      cleared.data[(top + Math.floor(place / width)) * strength.width + left + (place % width)] = 0;
    });
  });
  return cleared;
}

/** Whether lines run along at least three sides of a figure. */
function isFrame({ data, height, width }) {
  const band = Math.max(2, rint(FRAMES.BAND * Math.min(height, width)));
  const isCovered = (length, placeOf) => {
    let covered = 0;
    for (let along = 0; along < length; along++) {
      let depth = 0;
      while (depth < band && !data[placeOf(along, depth)]) depth++;
      covered += depth < band;
    }
    return covered / length >= FRAMES.COVERED;
  };
  const sides = [
    isCovered(width, (x, depth) => depth * width + x),
    isCovered(width, (x, depth) => (height - 1 - depth) * width + x),
    isCovered(height, (y, depth) => y * width + depth),
    isCovered(height, (y, depth) => (y + 1) * width - 1 - depth),
  ];
  return sides.filter(Boolean).length >= FRAMES.SIDES;
}

// Make the answer of the paths through all lines: the same steps as digits_edge.runtime.numbers.answer. A reading is
// `{text, lines, accepted, reason, leftOut}`: lines of numbers `{digits, score}`, whose digits are `{label, score,
// accepted, box, pixels, probabilities}`, and the boxes of what stands beside them.

const ANSWER = {
  APART: 1,
  FAR: 2.2,
  LIKELY: 0.8,
  CERTAIN: 0.9,
};

/** The answer for lines `{line, path}` from top to bottom, without those that are mostly no digits, if others are.
 *
 * `view` is how the ink was made of the picture: its `height` and `width` before it was turned, the `slope` by which
 * it was turned, and the `scale`, pixels of the picture for each of its pixels.
 */
function answerOf(written, view, { labels, thresholds }) {
  const numbers = written.map((one) => numbersOf(one, view, labels, thresholds));
  let kept = numbers.map(isLikely);
  if (!kept.some(Boolean)) kept = numbers.map((some) => some.length > 0);
  const out = written.flatMap(({ line, path }, index) =>
    path.segments
      .map((segment, place) => ({ segment, place }))
      .filter(({ segment }) => segment.sign || !kept[index])
      .map(({ segment, place }) => ({
        box: boxIn(view, line, segment),
        sure: !isAsLargeAsDigits(segment) || probabilityOf(path, place, place + 1) > ANSWER.CERTAIN,
      })),
  );
  const signs = written.flatMap(({ line }) => line.signs.map((sign) => boxIn(view, line, sign)));
  const boxes = new Map([...out.map(({ box }) => box), ...signs].map((box) => [JSON.stringify(box), box]));
  const lines = numbers.filter((_, index) => kept[index]);
  const every = lines.flat();
  let reason = null;
  if (!every.length && !out.length) reason = "no ink";
  else if (!every.length || !out.every(({ sure }) => sure)) reason = "unreadable part";
  else if (!every.every(({ digits }) => digits.every((digit) => digit.accepted))) reason = "not like training data";
  else if (every.some((number) => number.score < ANSWER.LIKELY)) reason = "unsure";
  const textOf = ({ digits }) => digits.map((digit) => digit.label).join("");
  return {
    text: lines.map((some) => some.map(textOf).join(" ")).join("\n"),
    lines,
    accepted: reason === null,
    reason,
    leftOut: [...boxes.values()],
  };
}

/** The digits of a line, divided into numbers where the gaps are wide. */
function numbersOf({ line, path }, view, labels, thresholds) {
  const places = [...path.segments.keys()].filter((place) => !path.segments[place].sign);
  const boxes = places.map((place) => path.segments[place].box);
  const gaps = boxes.slice(1).map((box, index) => (box.left - boxes[index].right) / line.tall);
  const usual = gaps.length > 2 ? middleOf(gaps) : 0;
  const parts = [];
  places.forEach((place, index) => {
    if (index === 0 || gaps[index - 1] > Math.max(ANSWER.APART, ANSWER.FAR * usual)) parts.push([]);
    parts.at(-1).push(place);
  });
  return parts.map((part) => ({
    digits: part.map((place) => {
      const segment = path.segments[place];
      const { best, score, reason } = verdict(segment.probabilities, false, thresholds);
      const { pixels, probabilities } = segment;
      return { label: labels[best], score, accepted: reason === null, box: boxIn(view, line, segment), pixels, probabilities };
    }),
    score: probabilityOf(path, part[0], part.at(-1) + 1),
  }));
}

/** The box of a part of a line, in the picture. */
function boxIn(view, line, { box }) {
  let corners = [box.top, box.bottom].flatMap((y) =>
    [box.left, box.right].map((x) => [line.box.top + y, line.box.left + x]),
  );
  if (view.slope) {
    corners = corners
      .map(([y, x]) => toGiven(y - 0.5, x - 0.5, view, view.slope))
      .map((place) => place.map((value) => value + 0.5));
  }
  const [ys, xs] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const within = (value, side) => rint(view.scale * Math.min(Math.max(value, 0), side));
  return {
    left: within(Math.min(...xs), view.width),
    top: within(Math.min(...ys), view.height),
    right: within(Math.max(...xs), view.width),
    bottom: within(Math.max(...ys), view.height),
  };
}

/** Whether at least half of a line's figures are accepted as digits. */
function isLikely(numbers) {
  const accepted = numbers.flatMap(({ digits }) => digits.map((digit) => digit.accepted));
  return accepted.length > 0 && 2 * accepted.filter(Boolean).length >= accepted.length;
}

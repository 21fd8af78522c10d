// The page: a sheet to draw on or to show a picture on, and the answer to what is on it.

const INK = "#1b2125";
const STEP = 0.025; // of an arrow key, in heights of the sheet
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const LARGEST = 2 ** 24; // pixels of a canvas: iOS allows no more
const SHOWN = 2 ** 20; // pixels that are kept of a picture, to show it

const element = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
const milliseconds = (time) => `${time.toFixed(1)} ms`;

const model = JSON.parse(element("model").textContent);
const classify = openEngine(model.engine);
const KEPT = `digits-edge ${model.name}`; // where the browser keeps the examples
const infer = (pixels) => ({ shares: probabilities(classify(pixels), model.output), features: classify.features() });
let examples = []; // {label, pixels} that the page was taught
let taught = { labels: model.labels, blend: ({ shares }) => shares };
let shown = []; // the digits of the answer
const boundaries = model.seams && openSeams(model.seams); // only where the page reads numbers
const WIDE = boundaries ? 2 : 1; // width of the sheet, in its heights
const PEN = boundaries ? 0.05 : 0.065; // likewise
const READ_HEIGHT = boundaries ? 240 : 320; // pixels in which a drawing is read, so that the screen has no say in the answer
const sheet = element("sheet");
const screen = sheet.getContext("2d");
const answer = element("answer");

let strokes = []; // of points [x, y], in heights of the sheet
let hand = null; // who draws the last of them: a pointer's id, or "keys"; null between strokes
let pen = [WIDE / 2, 0.5]; // where the keys have it
let picture = null; // a canvas, where the sheet shows a picture in place of strokes
let frame = 0; // the animation frame that was asked for
let rested = 0; // when, within a stroke, it may be read again
let latest = 0; // counts what was given: a picture that took too long to decode is late

// Reading

/** The answer to RGBA pixels: `{text, score, reason, digits, took}`, and `boxes` of what is in the picture if the page
 * reads numbers. Throws an Error with words for the user where they cannot be read.
 *
 * A picture that is accepted as one digit is one, unless a number is accepted in it.
 */
function read({ data, width, height }) {
  const picture = fromImage(data, width, height);
  const one = readOne(picture);
  if (!boundaries) return one;
  const many = readMany(picture);
  const { length } = many.digits;
  const isOne = one.text && one.reason !== "several" && (length < 2 || (one.reason === null && many.reason !== null));
  const whole = () => boxAround({ boxes: many.digits.map((digit) => digit.box) }, 0, length);
  const digits = !isOne ? many.digits : length ? [{ ...one.digits[0], box: whole() }] : [];
  return { ...(isOne ? one : many), boxes: { width: picture.width, height: picture.height, digits, leftOut: many.leftOut } };
}

/** Read a picture of one digit. */
function readOne(picture) {
  const start = performance.now();
  const { pixels, several } = prepare(picture, model.preprocess, model.shape);
  const found = performance.now();
  const took = `Found in ${milliseconds(found - start)}`;
  if (!pixels) return { text: "", reason: "no ink", digits: [], took };
  const shares = taught.blend(infer(pixels), pixels);
  const { best, score, reason } = verdict(shares, several, model.thresholds);
  const digit = { label: taught.labels[best], score, accepted: reason === null, pixels, probabilities: shares };
  const classified = `classified in ${milliseconds(performance.now() - found)}`;
  return { text: digit.label, score, reason, digits: [digit], took: `${took}, ${classified}` };
}

/** Read the numbers in a picture; their score is that of the least sure one. */
function readMany(picture) {
  const start = performance.now();
  const blended = (pixels) => taught.blend(infer(pixels), pixels);
  const { text, lines, reason, leftOut } = readNumbers(picture, blended, boundaries, { ...model, labels: taught.labels });
  const numbers = lines.flat();
  const score = Math.min(...numbers.map((number) => number.score));
  const took = `Read in ${milliseconds(performance.now() - start)}`;
  return { text, score, reason, digits: numbers.flatMap((number) => number.digits), leftOut, took };
}

function readStrokes() {
  const paper = blank(WIDE * READ_HEIGHT, READ_HEIGHT);
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, WIDE * READ_HEIGHT, READ_HEIGHT);
  drawStrokes(paper, "#000");
  return read(paper.getImageData(0, 0, WIDE * READ_HEIGHT, READ_HEIGHT));
}

/** The context of a new canvas, in memory where its pixels are at hand. */
function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext("2d", { willReadFrequently: true });
}

/** An image on a canvas of its own, made smaller where it has more pixels than `most`. */
function copied(image, most) {
  const factor = Math.min(1, Math.sqrt(most / (image.width * image.height)));
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.floor(side * factor)));
  const copy = blank(width, height);
  copy.imageSmoothingQuality = "high";
  copy.drawImage(image, 0, 0, width, height);
  return copy;
}

/** Read a picture's file. The sheet and the answer change only if it can be read. */
async function take(file) {
  const turn = ++latest;
  setBusy(true);
  complain("");
  try {
    // Its colours as they are in the file, as the runtime takes them; upright as its EXIF data say.
    const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" }).catch(() => {
      throw new Error("no picture that this browser can read");
    });
    if (turn !== latest) return;
    const copy = copied(bitmap, LARGEST);
    bitmap.close();
    const result = read(copy.getImageData(0, 0, copy.canvas.width, copy.canvas.height));
    strokes = [];
    hand = null;
    picture = copied(copy.canvas, SHOWN).canvas;
    paint();
    tell(result);
  } catch (error) {
    if (turn !== latest) return;
    complain(`${file.name}: ${error.message}`);
  }
  setBusy(false);
}

// Drawing

function begin(who, point) {
  latest++;
  complain("");
  picture = null;
  hand = who;
  strokes.push([point]);
  changed();
}

function extend(points) {
  strokes.at(-1).push(...points);
  changed();
}

function lift() {
  hand = null;
  changed();
}

function clear() {
  latest++;
  complain("");
  strokes = [];
  hand = picture = null;
  pen = [WIDE / 2, 0.5];
  changed();
}

/** Paint and read in the next frame. Until a stroke has ended its answer is shown, and not yet read aloud. */
function changed() {
  setBusy(true);
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    paint();
    const start = performance.now();
    if (hand !== null && start < rested) return changed();
    tell(strokes.length ? readStrokes() : null);
    const end = performance.now();
    rested = end + 2 * (end - start); // on a slow phone the pen goes first
    if (hand === null) setBusy(false);
  });
}

function paint() {
  screen.clearRect(0, 0, sheet.width, sheet.height);
  if (picture) {
    const factor = Math.min(sheet.width / picture.width, sheet.height / picture.height);
    const [width, height] = [picture.width * factor, picture.height * factor];
    screen.imageSmoothingQuality = "high";
    screen.drawImage(picture, (sheet.width - width) / 2, (sheet.height - height) / 2, width, height);
  } else {
    drawStrokes(screen, INK);
  }
  if (sheet.matches(":focus-visible")) drawPen(sheet.height);
  sheet.classList.toggle("picture", picture !== null);
  sheet.classList.toggle("used", picture !== null || strokes.length > 0);
}

/** Curves from the middle between two points to that between the next two: a hand draws no corners. */
function drawStrokes(context, ink) {
  const side = context.canvas.height;
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = PEN * side;
  context.strokeStyle = ink;
  for (const points of strokes) {
    const scaled = points.map(([x, y]) => [x * side, y * side]);
    context.beginPath();
    context.moveTo(...scaled[0]);
    for (let i = 1; i + 1 < scaled.length; i++) {
      const [[x, y], [u, v]] = [scaled[i], scaled[i + 1]];
      context.quadraticCurveTo(x, y, (x + u) / 2, (y + v) / 2);
    }
    const [x, y] = scaled.at(-1);
    context.lineTo(x + 0.01, y); // a line of no length, of a single point, would be no dot
    context.stroke();
  }
}

/** Where the keys have the pen: a ring, filled while it is down. */
function drawPen(side) {
  screen.beginPath();
  screen.arc(pen[0] * side, pen[1] * side, 0.6 * PEN * side, 0, 2 * Math.PI);
  screen.fillStyle = hand === "keys" ? "#0b6480" : "rgb(255 255 255 / 60%)";
  screen.strokeStyle = "#0b6480";
  screen.lineWidth = 0.008 * side;
  screen.fill();
  screen.stroke();
}

// Answering

/** Show an answer, or that there is none yet. */
function tell(result) {
  const { text = "", score, reason, digits = [], took = "", boxes } = result ?? {};
  const accepted = text ? String(reason === null) : "none";
  answer.dataset.label = text;
  answer.dataset.score = text ? score : "";
  answer.dataset.accepted = accepted;
  answer.dataset.reason = reason ?? "";
  const longest = Math.max(...text.split("\n").map((line) => [...line].length));
  answer.parentElement.classList.toggle("number", digits.length > 1);
  element("label").textContent = text || "–";
  element("label").classList.toggle("word", digits.length === 1 && longest > 2);
  element("label").style.setProperty("--longest", longest);
  element("score").textContent = text ? percent(score) : "";
  const none = { "no ink": "No ink found", "unreadable part": "Nothing that can be read" }[reason] ?? "No ink yet";
  element("verdict").textContent = { true: "✓ Accepted", false: "✗ Refused" }[accepted] ?? none;
  element("because").textContent = text ? { several: "several figures" }[reason] ?? reason ?? "" : "";
  element("copy").disabled = !text;
  element("copy").textContent = "Copy";
  drawBoxes(boxes);
  drawBars(digits);
  drawPixels(digits.map((digit) => digit.pixels));
  shown = digits;
  element("teach").hidden = !model.features || !digits.length;
  element("truth").placeholder = digits.length > 1 ? "the number" : "what it is";
  element("times").textContent = took;
}

/** Boxes over what was found in a picture. */
function drawBoxes(boxes) {
  const shapes = [];
  const add = (tag, places, kind, text = "") => {
    const shape = document.createElementNS(element("boxes").namespaceURI, tag);
    for (const [name, value] of Object.entries({ ...places, class: kind })) shape.setAttribute(name, value);
    shape.textContent = text;
    shapes.push(shape);
  };
  const outline = ({ left, top, right, bottom }, kind) =>
    add("rect", { x: left, y: top, width: right - left, height: bottom - top }, kind);
  const { width = 1, height = 1, digits = [], leftOut = [] } = boxes ?? {};
  const tall = height / 14;
  for (const { box, label, accepted } of digits) {
    const kind = accepted ? "accepted" : "rejected";
    outline(box, kind);
    add("text", { x: box.left, y: Math.max(tall, box.top - tall / 4), "font-size": tall }, kind, label);
  }
  for (const box of leftOut) outline(box, "out");
  element("boxes").setAttribute("viewBox", `0 0 ${width} ${height}`);
  element("boxes").replaceChildren(...shapes);
}

/** The probability of each class for one digit, and of the best class of each for several. */
function drawBars(digits) {
  const [one, ...others] = digits;
  const rows = others.length
    ? digits.map(({ label, score, accepted }) => [label, score, accepted ? "best" : "rejected"])
    : taught.labels.map((label, i) => [label, one?.probabilities[i], label === one?.label ? "best" : ""]);
  const bars = element("bars");
  while (bars.children.length < rows.length) bars.append(bars.firstElementChild.cloneNode(true));
  while (bars.children.length > rows.length) bars.lastElementChild.remove();
  rows.forEach(([label, share, kind], i) => {
    const bar = bars.children[i];
    const [name, , value] = bar.children;
    bar.className = kind;
    bar.style.setProperty("--share", share ?? 0);
    name.textContent = name.title = label;
    value.textContent = share === undefined ? "" : percent(share);
  });
}

/** What the model is given, in its own pixels: one picture beside the other. */
function drawPixels(given) {
  const [, width] = model.shape;
  const canvas = element("pixels");
  canvas.width = width * Math.max(1, given.length); // and empties it
  given.forEach((pixels, index) => canvas.getContext("2d").putImageData(asImage(pixels), index * width, 0));
}

/** The model's pixels as a canvas takes them. */
function asImage(pixels) {
  const [height, width, channels = 1] = model.shape;
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (c % channels)];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// Teaching

/** Learn what the digits of the answer are; of several, one character for each. Returns what is wrong, if anything. */
function teach(text) {
  const labels = shown.length > 1 ? [...text] : [text];
  if (!text || labels.length !== shown.length) {
    return shown.length > 1 ? `Expected the ${shown.length} digits of the number, as they should be read.` : "Expected what it is.";
  }
  const told = shown.map(({ pixels, label }, i) => ({ label: labels[i], pixels, was: label }));
  return learn(plus(told.filter(({ label, was }) => told.length === 1 || label !== was)));
}

/** The examples with more of them, in the place of those with the same pixels. */
function plus(more) {
  const same = (one) => more.some(({ pixels }) => pixels.every((value, i) => value === one.pixels[i]));
  return [...examples.filter((one) => !same(one)), ...more.map(({ label, pixels }) => ({ label, pixels }))];
}

/** Answer by these examples from now on, and keep them in this browser. Returns what is wrong, if anything. */
function learn(next) {
  if (next.length > MOST_EXAMPLES) return `Expected up to ${MOST_EXAMPLES} examples.`;
  examples = next;
  taught = openTaught(model, examples, infer);
  element("bars").classList.toggle("long", taught.labels.some((label) => [...label].length > 3));
  element("taught").textContent = examples.length ? `${examples.length} taught, kept in this browser. Press one to forget it.` : "";
  element("examples").replaceChildren(...examples.map(drawExample));
  element("save").hidden = element("forget").hidden = !examples.length;
  try {
    const kept = examples.map(({ label, pixels }) => [label, Array.from(pixels, (value) => String.fromCharCode(value)).join("")]);
    if (examples.length) localStorage.setItem(KEPT, JSON.stringify(kept));
    else localStorage.removeItem(KEPT);
    return "";
  } catch {
    return "This browser keeps nothing: save the examples.";
  }
}

/** An example with its label, which is forgotten when it is pressed. */
function drawExample(example) {
  const [item, button, canvas] = ["li", "button", "canvas"].map((tag) => document.createElement(tag));
  [canvas.height, canvas.width] = model.shape;
  canvas.getContext("2d").putImageData(asImage(example.pixels), 0, 0);
  button.type = "button";
  button.title = `Forget this ${example.label}`;
  button.append(canvas, example.label);
  button.addEventListener("click", () => {
    object(learn(examples.filter((one) => one !== example)));
    readAgain();
  });
  item.append(button);
  return item;
}

/** The examples that this browser has kept; none if it keeps nothing, or something else. */
function recall() {
  const size = model.shape.reduce((a, b) => a * b);
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "[]").slice(-MOST_EXAMPLES);
    const fits = kept.every(([label, text]) => typeof label === "string" && label && text.length === size);
    return fits ? kept.map(([label, text]) => ({ label, pixels: Uint8Array.from(text, (letter) => letter.charCodeAt(0)) })) : [];
  } catch {
    return [];
  }
}

/** Read again what is on the sheet, after it has been taught. */
function readAgain() {
  if (!picture) return changed();
  const copy = blank(picture.width, picture.height);
  copy.drawImage(picture, 0, 0);
  tell(read(copy.getImageData(0, 0, picture.width, picture.height)));
}

function complain(words) {
  element("trouble").textContent = words;
}

/** Say what is wrong with what was taught, if anything. */
function object(words) {
  element("objection").textContent = words;
}

function setBusy(busy) {
  answer.setAttribute("aria-busy", String(busy));
}

// What people do

function at(event) {
  const { left, top, height } = sheet.getBoundingClientRect();
  return [(event.clientX - left) / height, (event.clientY - top) / height];
}

sheet.addEventListener("pointerdown", (event) => {
  if (event.button || !event.isPrimary) return;
  sheet.setPointerCapture(event.pointerId);
  begin(event.pointerId, at(event));
});
sheet.addEventListener("pointermove", (event) => {
  if (hand !== event.pointerId) return;
  const between = event.getCoalescedEvents?.() ?? []; // there only where the page came over HTTPS or from a file
  extend((between.length ? between : [event]).map(at));
});
for (const end of ["pointerup", "pointercancel"]) {
  sheet.addEventListener(end, (event) => hand === event.pointerId && lift());
}

sheet.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in MOVES) {
    const from = pen;
    pen = pen.map((place, axis) => Math.min(axis ? 1 : WIDE, Math.max(0, place + MOVES[event.key][axis])));
    // The middles of a staircase's steps are on a line: two keys by turns draw a slope.
    if (hand === "keys") extend([pen.map((place, axis) => (place + from[axis]) / 2)]);
    else paint();
  } else if (event.key === " " || event.key === "Enter") {
    if (hand === "keys") lift();
    else begin("keys", pen);
  } else if (event.key === "Escape") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
});
sheet.addEventListener("focus", paint);
sheet.addEventListener("blur", () => (hand === "keys" ? lift() : paint()));

element("clear").addEventListener("click", clear);
element("copy").addEventListener("click", async ({ target }) => {
  try {
    await navigator.clipboard.writeText(answer.dataset.label); // there only where the page came over HTTPS or from a file
    target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(element("label")); // to be copied by hand
  }
});
element("teach").addEventListener("submit", (event) => {
  event.preventDefault();
  const trouble = teach(element("truth").value.trim());
  object(trouble);
  if (trouble) return;
  element("truth").value = "";
  readAgain();
});
element("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([asNpz(examples, model.shape)]));
  link.download = "mine.npz";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});
element("load").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  try {
    object(learn(plus(await fromNpz(new Uint8Array(await file.arrayBuffer()), model.shape))));
  } catch {
    object(`${file.name}: expected examples for this model, as this page or digits-edge saves them.`);
  }
  target.value = "";
  readAgain();
});
element("forget").addEventListener("click", () => {
  object(learn([]));
  readAgain();
});
element("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) take(file);
  target.value = ""; // so that the same file can be chosen again
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping"); // it has left the window
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) take(file);
  else complain("What was dropped is no file.");
});
addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) take(file);
  else complain("There is no picture in the clipboard.");
});

new ResizeObserver(() => {
  sheet.width = Math.round(sheet.clientWidth * devicePixelRatio);
  sheet.height = Math.round(sheet.width / WIDE);
  paint();
}).observe(sheet);
element("lesson").hidden = !model.features;
if (model.features) learn(recall());
tell(null);
setBusy(false);

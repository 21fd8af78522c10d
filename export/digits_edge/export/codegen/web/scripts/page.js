// The page: a sheet to draw on or to show a picture on, and the answer to what is on it.

const PEN = 0.065; // of the sheet's side
const INK = "#1b2125";
const STEP = 0.025; // of an arrow key, likewise
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const READ_SIDE = 320; // pixels in which a drawing is read, so that the screen has no say in the answer
const LARGEST = 2 ** 24; // pixels of a canvas: iOS allows no more
const SHOWN = 2 ** 20; // pixels that are kept of a picture, to show it

const element = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)}%`;
const milliseconds = (time) => `${time.toFixed(1)} ms`;

const model = JSON.parse(element("model").textContent);
const classify = openEngine(model.engine);
const sheet = element("sheet");
const screen = sheet.getContext("2d");
const answer = element("answer");

let strokes = []; // of points [x, y] from 0 to 1
let hand = null; // who draws the last of them: a pointer's id, or "keys"; null between strokes
let pen = [0.5, 0.5]; // where the keys have it
let picture = null; // a canvas, where the sheet shows a picture in place of strokes
let frame = 0; // the animation frame that was asked for
let rested = 0; // when, within a stroke, it may be read again
let latest = 0; // counts what was given: a picture that took too long to decode is late

// Reading

/** The answer to RGBA pixels. Throws an Error with words for the user where they cannot be read. */
function read({ data, width, height }) {
  const start = performance.now();
  const { pixels, several } = prepare(fromImage(data, width, height), model.preprocess, model.shape);
  const finding = performance.now() - start;
  if (!pixels) return { pixels, finding, reason: "no ink" };
  const shares = probabilities(classify(pixels), model.output);
  const classifying = performance.now() - start - finding;
  return { pixels, shares, ...verdict(shares, several, model.thresholds), finding, classifying };
}

function readStrokes() {
  const paper = blank(READ_SIDE, READ_SIDE);
  paper.fillStyle = "#fff";
  paper.fillRect(0, 0, READ_SIDE, READ_SIDE);
  drawStrokes(paper, "#000");
  return read(paper.getImageData(0, 0, READ_SIDE, READ_SIDE));
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
  pen = [0.5, 0.5];
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
  const side = sheet.width;
  screen.clearRect(0, 0, side, side);
  if (picture) {
    const factor = side / Math.max(picture.width, picture.height);
    const [width, height] = [picture.width * factor, picture.height * factor];
    screen.imageSmoothingQuality = "high";
    screen.drawImage(picture, (side - width) / 2, (side - height) / 2, width, height);
  } else {
    drawStrokes(screen, INK);
  }
  if (sheet.matches(":focus-visible")) drawPen(side);
  sheet.classList.toggle("picture", picture !== null);
  sheet.classList.toggle("used", picture !== null || strokes.length > 0);
}

/** Curves from the middle between two points to that between the next two: a hand draws no corners. */
function drawStrokes(context, ink) {
  const side = context.canvas.width;
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
  const { pixels, shares, best, score, reason, finding, classifying } = result ?? {};
  const label = shares ? model.labels[best] : "";
  const accepted = shares ? String(reason === null) : "none";
  answer.dataset.label = label;
  answer.dataset.score = score ?? "";
  answer.dataset.accepted = accepted;
  answer.dataset.reason = reason ?? "";
  element("label").textContent = label || "–";
  element("label").classList.toggle("word", [...label].length > 2);
  element("score").textContent = shares ? percent(score) : "";
  element("verdict").textContent = { true: "✓ Accepted", false: "✗ Refused" }[accepted] ?? (result ? "No ink found" : "No ink yet");
  element("because").textContent = shares ? { several: "several figures" }[reason] ?? reason ?? "" : "";
  [...element("bars").children].forEach((bar, i) => {
    bar.classList.toggle("best", i === best);
    bar.style.setProperty("--share", shares ? shares[i] : 0);
    bar.lastElementChild.textContent = shares ? percent(shares[i]) : "";
  });
  drawPixels(pixels);
  const times = result ? `Found in ${milliseconds(finding)}` : "";
  element("times").textContent = shares ? `${times}, classified in ${milliseconds(classifying)}` : times;
}

/** What the model is given, in its own pixels. */
function drawPixels(pixels) {
  const [height, width, channels = 1] = model.shape;
  const context = element("pixels").getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!pixels) return;
  const image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + (c % channels)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function complain(words) {
  element("trouble").textContent = words;
}

function setBusy(busy) {
  answer.setAttribute("aria-busy", String(busy));
}

// What people do

function at(event) {
  const { left, top, width } = sheet.getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / width];
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
    pen = pen.map((place, axis) => Math.min(1, Math.max(0, place + MOVES[event.key][axis])));
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
  sheet.width = sheet.height = Math.round(sheet.clientWidth * devicePixelRatio);
  paint();
}).observe(sheet);
tell(null);
setBusy(false);

"use strict";

const element = (id) => document.getElementById(id);
const NONE = ""; // the label of what is none of the classes

let state; // what the server told, with the labels as they are now
let current = 0; // the number of the picture that is shown large
let sent = Promise.resolve(); // answers go one after the other
const undone = []; // the number and the label before, of each answer of this visit

async function post(place, content) {
  const response = await fetch(place, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
  const answer = await response.json().catch(() => ({})); // read, so that the connection is free for the next
  if (!response.ok) throw new Error(answer.error ?? `the server answered ${response.status}`);
}

function nameOf(label) {
  return label === NONE ? element("none-name").textContent : label;
}

/* The class that the model takes a picture for; null without ink, or for a class that is not asked for. */
function guessOf(picture) {
  return state.classes.some((one) => one.label === picture.label) ? picture.label : null;
}

/* Write the label of a picture, or null to take it away, and show it; if it cannot be written, as it was again. */
function write(number, label) {
  const picture = state.pictures[number];
  const before = picture.is;
  picture.is = label;
  show(number);
  count();
  sent = sent.then(() => post("label", { picture: number, label })).then(
    () => { element("trouble").textContent = ""; },
    (error) => {
      picture.is = before;
      show(number);
      count();
      select(number);
      element("trouble").textContent = `Not written: ${error.message}`;
    },
  );
}

function label(name) {
  if (!state) return;
  undone.push([current, state.pictures[current].is]);
  write(current, name);
  next();
}

function undo() {
  const last = undone.pop();
  if (last) {
    write(...last);
    select(last[0]);
  }
}

/* Go to the next picture without a label, from here on and then from the beginning. */
function next() {
  if (!state) return;
  const count = state.pictures.length;
  for (let step = 1; step <= count; step++) {
    const number = (current + step) % count;
    if (state.pictures[number].is === null) {
      select(number);
      return;
    }
  }
  select(current);
}

function select(number) {
  tile(current).removeAttribute("aria-current");
  current = number;
  tile(current).setAttribute("aria-current", "true");
  tile(current).scrollIntoView({ block: "nearest" });
  const picture = state.pictures[current];
  const large = element("large");
  large.src = `picture/${current}`;
  large.alt = picture.file;
  large.classList.toggle("small", picture.small);
  const guess = guessOf(picture);
  element("guess").textContent = guess === null ? "No guess" : `Guess: ${guess} (${(100 * picture.score).toFixed(0)} %)`;
  element("because").textContent = picture.accepted ? "" : picture.reason ?? "not accepted";
  element("answer").textContent = picture.is === null ? "" : `✓ ${nameOf(picture.is)}`;
  for (const button of element("classes").children) {
    button.classList.toggle("guessed", button.value === guess);
    button.setAttribute("aria-pressed", String(button.value === picture.is));
  }
  element("none").setAttribute("aria-pressed", String(picture.is === NONE));
  element("undo").disabled = undone.length === 0;
}

function tile(number) {
  return element("grid").children[number].firstChild;
}

/* Show the label of a picture on its tile. */
function show(number) {
  const picture = state.pictures[number];
  const labelled = picture.is !== null;
  const guess = guessOf(picture) ?? "–";
  tile(number).classList.toggle("labelled", labelled);
  tile(number).lastChild.textContent = !labelled ? `${guess}?` : picture.is === NONE ? "✗" : `✓ ${picture.is}`;
  tile(number).setAttribute("aria-label", `${picture.file}, ${labelled ? `labelled ${nameOf(picture.is)}` : `guess ${guess}`}`);
}

function count() {
  const done = state.pictures.filter((one) => one.is !== null).length;
  element("progress").value = done / state.pictures.length;
  element("count").textContent =
    done === state.pictures.length ? `All ${done} are labelled` : `${done} of ${state.pictures.length} labelled`;
}

/* What a button does. One that was pressed with a mouse or a finger gives up the focus, lest Enter press it again. */
function pressing(button, action) {
  button.addEventListener("click", (event) => {
    if (event.detail) button.blur();
    action();
  });
}

function build() {
  document.title = element("title").textContent = `Label ${state.folder}`;
  element("none-name").textContent = state.digits ? "Not a digit" : "None of these";
  element("classes").classList.toggle("words", state.classes.some((one) => one.label.length > 2));
  for (const { label: name, key } of state.classes) {
    const button = document.createElement("button");
    button.type = "button";
    button.value = name;
    button.textContent = name;
    if (key && key !== name) {
      const hint = document.createElement("kbd");
      hint.textContent = key;
      button.append(" ", hint);
    }
    pressing(button, () => label(name));
    element("classes").append(button);
  }
  const tiles = state.pictures.map((picture, number) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    const name = document.createElement("span");
    button.type = "button";
    button.tabIndex = -1; // the arrow keys lead here
    image.loading = "lazy";
    image.src = `picture/${number}`;
    image.alt = "";
    image.classList.toggle("small", picture.small);
    name.className = "name";
    button.append(image, name);
    pressing(button, () => select(number));
    item.append(button);
    return item;
  });
  element("grid").replaceChildren(...tiles);
  state.pictures.forEach((_, number) => show(number));
  count();
  const first = state.pictures.findIndex((picture) => picture.is === null);
  select(Math.max(first, 0));
}

function perRow() {
  const tiles = [...element("grid").children];
  const below = tiles.findIndex((one) => one.offsetTop > tiles[0].offsetTop);
  return below < 0 ? tiles.length : below;
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !state || element("grid").hidden) return;
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow(), ArrowDown: perRow() };
  const named = state.classes.find((one) => one.key === event.key) ?? state.classes.find((one) => one.key === event.key.toLowerCase());
  const guess = guessOf(state.pictures[current]);
  if (event.key in moves) {
    select(Math.min(Math.max(current + moves[event.key], 0), state.pictures.length - 1));
  } else if (event.key === "n") label(NONE);
  else if (event.key === "s") next();
  else if (event.key === "u") undo();
  else if (event.key === "Enter" && event.target.tagName !== "BUTTON" && guess !== null) label(guess);
  else if (named) label(named.label);
  else return;
  event.preventDefault();
}

async function finish() {
  await sent;
  try {
    await post("done", {});
  } catch (error) {
    element("trouble").textContent = `Not ended: ${error.message}`;
    return;
  }
  element("work").hidden = element("grid").hidden = element("done").hidden = true;
  element("end").hidden = false;
}

async function start() {
  const response = await fetch("pictures");
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  state = answer;
  build();
}

pressing(element("none"), () => label(NONE));
pressing(element("skip"), next);
pressing(element("undo"), undo);
pressing(element("done"), finish);
document.addEventListener("keydown", pressed);
start().catch((error) => { element("trouble").textContent = `The pictures cannot be shown: ${error.message}`; });

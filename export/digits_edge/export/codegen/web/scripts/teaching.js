// Learning from examples, as digits_edge.runtime.teaching does it, which explains it and the constants.

const REACH = 0.04;
const DOUBT_REACH = 8;
const ENOUGH = 0.3; // nearness from which on the network no longer counts
const FAINT = 0.2;
const COARSE = 14; // rows and columns in which pixels are compared, blurred by one of them
const TINIEST = 1e-7;
const MOST_EXAMPLES = 1000;
const LONGEST_LABEL = 100; // characters

/** What blends a network's answers with examples `{label, pixels}`: `{labels, blend}`. `infer` gives the network's own
 * `{shares, features}` of pixels; `usual` is the usual length of features. */
function openTaught(model, examples, infer) {
  const labels = [...new Set([...model.labels, ...examples.map(({ label }) => label)])];
  const grid = model.shape.slice(0, 2).map(coarse);
  const bias = FAINT * model.features.usual;
  const seen = (features) => unit([...features, bias]);
  const shape = (pixels) => unit(coarsened(pixels, model.shape, grid));
  const taught = examples.map(({ label, pixels }) => {
    const { shares, features } = infer(pixels);
    const place = labels.indexOf(label);
    return { place, against: against(shares, place), seen: seen(features), shape: shape(pixels) };
  });
  return { labels, blend };

  /** The probabilities of all labels, Float32Array, of pixels of which the network gives these. */
  function blend({ shares, features }, pixels) {
    const blended = Float32Array.from(labels, (_, place) => shares[place] ?? 0);
    if (!taught.length) return blended;
    const [ours, looks] = [seen(features), shape(pixels)];
    const weights = taught.map((example) => {
      const surer = Math.max(0, against(shares, example.place) - example.against) / DOUBT_REACH;
      const near = surer < 1 ? dot(ours, example.seen) - surer : 0;
      return near > 0 ? Math.max(0, near - (1 - dot(looks, example.shape)) / REACH) : 0;
    });
    const share = Math.min(1, Math.max(...weights) / ENOUGH);
    if (!share) return blended;
    const sum = weights.reduce((a, b) => a + b);
    const votes = new Float32Array(labels.length);
    taught.forEach(({ place }, i) => (votes[place] += weights[i] / sum));
    return blended.map((own, place) => (1 - share) * own + share * votes[place]);
  }
}

/** How sure a network is of another class than `place`, in log odds; of a class that it does not know, of any. */
function against(shares, place) {
  const best = Math.max(...shares);
  return Math.log(best / Math.max(place < shares.length ? shares[place] : 1 - best, TINIEST));
}

/** Weights [COARSE][side] that blur and shrink. */
function coarse(side) {
  return Array.from({ length: COARSE }, (_, row) => {
    const middle = ((row + 0.5) * side) / COARSE;
    const near = (place) => Math.exp(-((((place + 0.5 - middle) * COARSE) / side) ** 2) / 2);
    const weights = Array.from({ length: side }, (_, place) => near(place));
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  });
}

/** Pixels as COARSE x COARSE numbers. */
function coarsened(pixels, [height, width, channels = 1], [down, across]) {
  const grey = (place) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += pixels[place * channels + c];
    return sum / channels;
  };
  const rows = Array.from({ length: height }, (_, y) =>
    across.map((weights) => weights.reduce((sum, weight, x) => sum + weight * grey(y * width + x), 0)),
  );
  return down.flatMap((weights) => across.map((_, x) => weights.reduce((sum, weight, y) => sum + weight * rows[y][x], 0)));
}

function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

function unit(vector) {
  const length = Math.max(Math.sqrt(dot(vector, vector)), TINIEST);
  return Float64Array.from(vector, (value) => value / length);
}

/** Examples as the `.npz` that `Classifier.load(taught=...)` reads, in bytes. */
function asNpz(examples, shape) {
  const longest = Math.max(1, ...examples.map(({ label }) => [...label].length));
  const letters = new Uint32Array(examples.length * longest);
  examples.forEach(({ label }, i) => [...label].forEach((letter, j) => (letters[i * longest + j] = letter.codePointAt(0))));
  const words = new DataView(new ArrayBuffer(4 * letters.length));
  letters.forEach((letter, i) => words.setUint32(4 * i, letter, true));
  return zipped([
    ["labels.npy", npy(`<U${longest}`, [examples.length], [new Uint8Array(words.buffer)])],
    ["pixels.npy", npy("|u1", [examples.length, ...shape], examples.map(({ pixels }) => pixels))],
  ]);
}

/** The examples in an `.npz` that `asNpz` or `Classifier.save` wrote. Throws some error for anything else. */
async function fromNpz(bytes, shape) {
  const [labels, pixels] = await Promise.all(["labels", "pixels"].map((name) => unzipped(bytes, `${name}.npy`).then(fromNpy)));
  const [, longest] = /^<U(\d+)$/.exec(labels.kind);
  const [count, size] = [labels.shape[0], shape.reduce((a, b) => a * b)];
  if (pixels.kind !== "|u1" || String(pixels.shape) !== String([count, ...shape])) throw new RangeError("other pixels");
  const letters = new DataView(labels.data.buffer, labels.data.byteOffset, 4 * count * longest);
  return Array.from({ length: count }, (_, i) => {
    const codes = Array.from({ length: longest }, (_, j) => letters.getUint32(4 * (i * longest + j), true));
    const label = String.fromCodePoint(...codes.filter((code) => code));
    if (!label || [...label].length > LONGEST_LABEL) throw new RangeError("no label");
    return { label, pixels: pixels.data.slice(i * size, (i + 1) * size) };
  });
}

/** A file in a zip archive, which is stored or deflated. */
async function unzipped(bytes, name) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (start, length) => String.fromCharCode(...bytes.subarray(start, start + length));
  let entry = view.getUint32(bytes.length - 22 + 16, true); // by the end record, which numpy writes without a comment
  while (view.getUint32(entry, true) === 0x02014b50) {
    const [letters, extra, comment] = [28, 30, 32].map((place) => view.getUint16(entry + place, true));
    if (text(entry + 46, letters) === name) {
      const [packed, place] = [20, 42].map((at) => view.getUint32(entry + at, true));
      const start = place + 30 + view.getUint16(place + 26, true) + view.getUint16(place + 28, true);
      const data = bytes.subarray(start, start + packed);
      if (!view.getUint16(entry + 10, true)) return data;
      const plain = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
      return new Uint8Array(await new Response(plain).arrayBuffer());
    }
    entry += 46 + letters + extra + comment;
  }
  throw new RangeError(`no ${name}`);
}

/** An array that numpy wrote, version 1.0: its kind, shape and bytes. */
function fromNpy(bytes) {
  const begin = 10 + bytes[8] + 256 * bytes[9];
  const header = String.fromCharCode(...bytes.subarray(10, begin));
  const [, kind, sides] = /'descr': '([^']*)', 'fortran_order': False, 'shape': \(([\d, ]*)\)/.exec(header);
  return { kind, shape: sides.split(",").filter((side) => side.trim()).map(Number), data: bytes.subarray(begin) };
}

/** An array as numpy writes it, version 1.0. */
function npy(kind, shape, parts) {
  const text = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const letters = Array.from(header, (letter) => letter.charCodeAt(0));
  const begin = [0x93, ...Array.from("NUMPY", (letter) => letter.charCodeAt(0)), 1, 0, header.length & 255, header.length >> 8];
  return joined([Uint8Array.from([...begin, ...letters]), ...parts]);
}

/** A zip archive of files that are not compressed (PKWARE's APPNOTE, 4.3). */
function zipped(files) {
  const numbers = (sizes) => {
    const view = new DataView(new ArrayBuffer(sizes.reduce((sum, [bytes]) => sum + bytes, 0)));
    let place = 0;
    for (const [bytes, value] of sizes) {
      if (bytes === 2) view.setUint16(place, value, true);
      else view.setUint32(place, value, true);
      place += bytes;
    }
    return new Uint8Array(view.buffer);
  };
  const [bodies, entries] = [[], []];
  let offset = 0;
  for (const [name, data] of files) {
    const letters = Uint8Array.from(name, (letter) => letter.charCodeAt(0));
    // version, flags, method, time, date (1980-01-01), checksum, sizes, length of the name, no extra field
    const facts = [[2, 20], [2, 0], [2, 0], [2, 0], [2, 33], [4, crc32(data)], [4, data.length], [4, data.length], [2, letters.length], [2, 0]];
    const local = joined([numbers([[4, 0x04034b50], ...facts]), letters, data]);
    entries.push(joined([numbers([[4, 0x02014b50], [2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]]), letters]));
    bodies.push(local);
    offset += local.length;
  }
  const list = joined(entries);
  const end = [[4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, list.length], [4, offset], [2, 0]];
  return joined([...bodies, list, numbers(end)]);
}

function crc32(data) {
  let crc = -1;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

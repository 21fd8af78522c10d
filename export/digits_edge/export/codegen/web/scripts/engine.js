// The int8 network: the same layers and the same arithmetic as digits_edge.export.int8, which explains them. Values are
// uint8, TFLite's int8 plus 128, so that a pixel is its own value; a layer's values lie row by row, channels last.

// What classifies pixels (Uint8Array of H x W x channels): a function that gives their logits, an Int8Array. Its
// `features()` are then what the last layer read, less that layer's zero point.
function openEngine(engine) {
  const layers = engine.layers.map((layer) => ({
    ...layer,
    weights: layer.weights && new Int8Array(fromBase64(layer.weights).buffer),
  }));
  const last = layers.pop();
  const classify = (pixels) => {
    const read = layers.reduce((read, layer) => LAYERS[layer.kind](layer, read), pixels);
    classify.features = () => Float32Array.from(read, (value) => value - last.fill);
    return Int8Array.from(LAYERS[last.kind](last, read), (value) => value - 128);
  };
  return classify;
}

// The softmax of logits in their own scale.
function probabilities(logits, output) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - most) * output.scale));
  const sum = powers.reduce((a, b) => a + b);
  return Float32Array.from(powers, (power) => power / sum);
}

const LAYERS = {
  convolution(layer, read) {
    const { weights, bias } = layer;
    const { values, width } = framed(layer, read);
    const [height, across, channels] = layer.shape;
    const [down, wide] = layer.kernel;
    const row = width * layer.source[2];
    const along = wide * layer.source[2];
    const made = new Uint8Array(height * across * channels);
    for (let y = 0, out = 0; y < height; y++) {
      for (let x = 0; x < across; x++) {
        const first = y * layer.stride[0] * row + x * layer.stride[1] * layer.source[2];
        for (let channel = 0, w = 0; channel < channels; channel++) {
          let sum = bias[channel];
          for (let ky = 0, start = first; ky < down; ky++, start += row) {
            for (let i = start; i < start + along; i++) sum += values[i] * weights[w++];
          }
          made[out++] = scaledTo(layer, channel, sum);
        }
      }
    }
    return made;
  },

  max_pool(layer, read) {
    const { values, width } = framed(layer, read);
    const [height, across, channels] = layer.shape;
    const made = new Uint8Array(height * across * channels);
    for (let y = 0, out = 0; y < height; y++) {
      for (let x = 0; x < across; x++, out += channels) {
        for (let ky = 0; ky < layer.kernel[0]; ky++) {
          for (let kx = 0; kx < layer.kernel[1]; kx++) {
            const start = ((y * layer.stride[0] + ky) * width + x * layer.stride[1] + kx) * channels;
            for (let c = 0; c < channels; c++) made[out + c] = Math.max(made[out + c], values[start + c]);
          }
        }
      }
    }
    return made;
  },

  mean(layer, read) {
    const channels = layer.shape[2];
    const sums = new Array(channels).fill(layer.bias[0]);
    read.forEach((value, place) => (sums[place % channels] += value));
    return Uint8Array.from(sums, (sum) => scaledTo(layer, 0, sum));
  },

  table: (layer, read) => read.map((value) => layer.entries[value]),
};

// What a layer reads, with what it pads, and how wide that is.
function framed(layer, read) {
  const [height, width, channels] = layer.source;
  const [[above, below], [left, right]] = layer.padded;
  if (!(above + below + left + right)) return { values: read, width };
  const wider = left + width + right;
  const values = new Uint8Array((above + height + below) * wider * channels).fill(layer.fill);
  for (let y = 0; y < height; y++) {
    const row = read.subarray(y * width * channels, (y + 1) * width * channels);
    values.set(row, ((above + y) * wider + left) * channels);
  }
  return { values, width: wider };
}

// A sum times value / 2^shift, rounded half up. The product has more bits than a number here is exact in, so that the
// multiplier's upper and lower halves are taken one after the other.
function scaledTo(layer, channel, sum) {
  const [value, shift] = layer.multipliers[channel];
  const upper = sum * (value >> 16) + Math.floor((sum * (value & 0xffff)) / 2 ** 16);
  const rounded = Math.floor((Math.floor(upper / 2 ** (shift - 17)) + 1) / 2) + layer.zero;
  return Math.min(Math.max(rounded, layer.low), layer.high);
}

// The bytes of base64 without padding.
function fromBase64(text) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const value = new Map(Array.from(digits, (digit, place) => [digit, place]));
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  for (let i = 0, out = 0; i < text.length; i++) {
    bits = ((bits << 6) | value.get(text[i])) & 0xffffff;
    if (i % 4) bytes[out++] = bits >> (6 - 2 * (i % 4));
  }
  return bytes;
}

// Turn a picture so that slanted lines of writing become level: the same steps as digits_edge.runtime.numbers.tilt.

/** Turn ink about its middle by the angle of a slope, into a larger image; bilinear interpolation. */
function turned(strength, slope) {
  const [height, width] = turnedShape(strength, slope);
  const framed = padded(strength, 1);
  const [lowest, farthest] = [f32(framed.height - 1.001), f32(framed.width - 1.001)];
  const data = new Float32Array(height * width);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to++) {
      const [row, column] = toGiven(y, x, strength, slope);
      const [down, top] = fractionOf(Math.min(Math.max(f32(row + 1), 0), lowest));
      const [beside, left] = fractionOf(Math.min(Math.max(f32(column + 1), 0), farthest));
      const along = (start) =>
        f32(f32(framed.data[start] * f32(1 - beside)) + f32(framed.data[start + 1] * beside));
      const upper = along(top * framed.width + left);
      const lower = along((top + 1) * framed.width + left);
      data[to] = f32(upper * f32(1 - down)) + f32(lower * down);
    }
  }
  return { data, height, width };
}

/** The fraction of a number, and the whole number below it. */
function fractionOf(value) {
  const whole = Math.floor(value);
  return [value - whole, whole];
}

/** The place [row, column] in the given picture of a place in the turned one. */
function toGiven(row, column, given, slope) {
  const [height, width] = turnedShape(given, slope);
  const angle = Math.atan(slope);
  const [sine, cosine] = [f32(Math.sin(angle)), f32(Math.cos(angle))];
  const [y, x] = [f32(row - (height - 1) / 2), f32(column - (width - 1) / 2)];
  return [
    f32(f32(f32(y * cosine) + f32(x * sine)) + (given.height - 1) / 2),
    f32(f32(f32(x * cosine) - f32(y * sine)) + (given.width - 1) / 2),
  ];
}

function turnedShape({ height, width }, slope) {
  const [sine, cosine] = [Math.abs(Math.sin(Math.atan(slope))), Math.cos(Math.atan(slope))];
  return [Math.ceil(height * cosine + width * sine), Math.ceil(width * cosine + height * sine)];
}

"""Train the network that marks where one digit ends and the next begins, and write its int8 model.

python benchmarks/boundaries.py --data mnist-idx-folder [--strips 30000] [--epochs 12] [--out FOLDER]

It learns from strips of MNIST's training digits that are apart, touch, overlap or are joined by a stroke, and of a few
signs, written with pens of many widths, slanted, scanned at low resolution, broken. No digit is one of those that the
released models were validated with. `digits_edge.runtime` and the web page read with `seams.onnx`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from PIL import Image, ImageDraw
from scipy import ndimage

from digits_edge.common.progress import say
from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import LOGITS, wrap
from digits_edge.export.quantize.onnx_quantizer import quantize
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.runtime.numbers.seams import MARGIN, STEP, TALL, TILE
from digits_edge.runtime.picture.resize import resize
from digits_edge.trainer import read_dataset
from digits_edge.trainer.datasets.split import split

VALIDATION, SEED = 0.05, 0  # the split of the released models
FINE = 2  # strips are drawn with so many pixels for one of a tile
HELD_OUT = 2000  # strips for validation
CALIBRATION = 1000  # strips
BATCH, RATE = 64, 5e-3
# Polylines from left to right and top to bottom in the unit square: signs, and digits as they are written in Europe.
SIGNS = {
    "#": (((0.35, 0), (0.2, 1)), ((0.8, 0), (0.65, 1)), ((0, 0.33), (1, 0.3)), ((0, 0.68), (1, 0.65))),
    "-": (((0, 0.5), (0.6, 0.5)),),
    "=": (((0, 0.4), (0.6, 0.4)), ((0, 0.6), (0.6, 0.6))),
    "/": (((0.5, 0), (0, 1)),),
    ".": (((0, 0.97), (0.03, 1)),),
    ",": (((0.05, 0.9), (0, 1.1)),),
    "x": (((0, 0.4), (0.6, 1)), ((0.6, 0.4), (0, 1))),
    "1": (((0, 0.5), (0.4, 0), (0.4, 1)),),
    "7": (((0, 0), (0.6, 0), (0.2, 1)), ((0.1, 0.5), (0.6, 0.5))),
}


@dataclass(frozen=True)
class Hand:
    """How somebody writes; lengths in fine pixels."""

    tall: float  # height of a digit
    pen: float | None  # width of every stroke; None for as in MNIST
    edge: float  # ink of a pixel at the edge of MNIST's strokes: the less, the bolder
    slant: float
    tilt: float  # of the line


def hand(rng: np.random.Generator) -> Hand:
    tall = FINE * rng.uniform(0.65, 1.15) * TALL
    pen = tall * np.exp(rng.uniform(np.log(1 / 30), np.log(1 / 6))) if rng.random() < 0.5 else None
    slant = rng.uniform(-0.5, 0.5) if rng.random() < 0.3 else rng.uniform(-0.15, 0.15)
    return Hand(tall, pen, rng.uniform(0.2, 0.6), slant, rng.uniform(-0.06, 0.06))


def digit(pixels: np.ndarray, how: Hand, rng: np.random.Generator) -> np.ndarray:
    """A digit uint8[28, 28] in somebody's hand: float32[H, W], without paper around it."""
    rows, columns = (np.flatnonzero((pixels > 40).any(axis=axis)) for axis in (1, 0))
    drawn = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / np.float32(255)
    height = how.tall * rng.uniform(0.85, 1.15)
    zoom = np.array([height, height * rng.uniform(0.85, 1.15)]) / drawn.shape[0]
    sides = np.ceil(zoom * drawn.shape).astype(int)
    edge = int(0.12 * how.tall) + 2
    spread = int(np.ceil(abs(how.slant) * sides[0]))
    # output (y, x) is taken from input (y, x + slant * y), scaled
    matrix = np.array([[1 / zoom[0], 0], [how.slant / zoom[1], 1 / zoom[1]]])
    offset = -matrix @ [edge, edge] - [0, how.slant * sides[0] / zoom[1] if how.slant > 0 else 0]
    drawn = ndimage.affine_transform(drawn, matrix, offset, tuple(sides + 2 * edge + [0, spread]), order=1)
    if how.pen is None:
        ink = 4 * (drawn - how.edge) + 0.5
    else:
        depth = ndimage.distance_transform_edt(drawn > 0.4)
        middle = (depth > 0) & (depth > ndimage.maximum_filter(depth, 3) - 0.5)
        ink = how.pen / 2 + 0.5 - ndimage.distance_transform_edt(~middle)
    return cropped(np.asarray(ink.clip(0, 1), np.float32))


def sign(how: Hand, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A sign in somebody's hand, float32[H, W], and how far below the line's top it begins."""
    lines = SIGNS[rng.choice(list(SIGNS))]
    side, edge = how.tall * rng.uniform(0.8, 1.1), int(how.tall)
    image = Image.new("L", (3 * edge, 4 * edge))
    width = max(1, round(how.pen or how.tall / 9))
    bends = rng.normal(0, 0.04, 2)
    for line in lines:
        places = (np.array(line) + rng.normal(0, 0.03, (len(line), 2)) + bends) * side
        places[:, 0] -= how.slant * (places[:, 1] - side / 2)
        ImageDraw.Draw(image).line([tuple(place + edge) for place in places], fill=255, width=width, joint="curve")
    drawn = np.asarray(image, np.float32) / 255
    return cropped(drawn), float(np.flatnonzero(drawn.any(axis=1))[0] - edge)


def cropped(ink: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero((ink > 0.5).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else np.ones((1, 1), np.float32)


def strip(digits: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A tile of a strip of digits uint8[N, 28, 28]: its ink uint8[48, 128], and 255 where a boundary may run."""
    how = hand(rng)
    height, width = 2 * FINE * TILE[0], FINE * (TILE[1] + 2 * TALL)
    ink, runs = np.zeros((height, width), np.float32), np.zeros((height, width), bool)
    ends, x = None, int(rng.integers(0, FINE * TALL))  # right end of the last figure's ink in each row, or -1
    tight = rng.random()  # share of neighbours that touch
    for _ in range(rng.integers(3, 14)):
        if rng.random() < 0.08:
            figure, lower = sign(how, rng)
        else:
            figure, lower = digit(digits[rng.integers(len(digits))], how, rng), 0.0
            lower = (how.tall - figure.shape[0]) / 2
        top = int((height - how.tall) / 2 + lower + how.tilt * (x - width / 2) + rng.normal(0, 0.06) * how.tall)
        rows = slice(top, top + figure.shape[0])
        mask = figure > 0.5
        starts = np.full(height, -1)
        starts[rows] = np.where(mask.any(axis=1), mask.argmax(axis=1), -1)
        if ends is not None:
            x = _beside(ends, starts, how, touching=rng.random() < tight, rng=rng)
        if top < 0 or rows.stop > height or x + figure.shape[1] > width:
            break
        joint = ink[rows, x : x + figure.shape[1]]
        if ends is not None:
            starts[starts >= 0] += x
            runs |= _between(ends, starts, width)
            if rng.random() < 0.15:
                _join(ink, ends, starts, how, rng)
        np.maximum(joint, figure, out=joint)
        ends = np.full(height, -1)
        ends[rows] = np.where(mask.any(axis=1), x + figure.shape[1] - mask[:, ::-1].argmax(axis=1), -1)
    return _tile(ink, runs, how, rng)


def _beside(ends: np.ndarray, starts: np.ndarray, how: Hand, *, touching: bool, rng: np.random.Generator) -> int:
    """The column of a figure whose ink starts there in each row, next to the last one."""
    both = (ends >= 0) & (starts >= 0)
    contact = int((ends - starts)[both].max()) if both.any() else int(ends.max())
    pen = how.pen or how.tall / 9
    gap = rng.uniform(-1.2, 0.4) * pen if touching else rng.uniform(0.03, 0.5) * how.tall
    return max(0, contact + round(gap))


def _between(ends: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Where the boundary between two figures may run, bool[H, W]: in each row between the ink of both.

    In rows without ink, the ends are those of the nearest rows with ink; where the figures overlap, it may run anywhere
    in what both cover. It is at least two pixels of a tile wide.
    """
    every = np.arange(len(ends))
    last, first = (np.interp(every, every[side >= 0], side[side >= 0]) for side in (ends, starts))
    low, high = np.minimum(last, first), np.maximum(last, first)
    lacking = np.maximum(2 * FINE - (high - low), 0) / 2
    columns = np.arange(width) + 0.5
    return (columns >= (low - lacking)[:, None]) & (columns < (high + lacking)[:, None])


def _join(ink: np.ndarray, ends: np.ndarray, starts: np.ndarray, how: Hand, rng: np.random.Generator) -> None:
    """Draw a stroke from one figure into the next."""
    lefts, rights = np.flatnonzero(ends >= 0), np.flatnonzero(starts >= 0)
    left = rng.choice(lefts)
    right = rng.choice(rights[np.argsort(np.abs(rights - left))[: max(1, len(rights) // 2)]])
    pen = max(1, round(how.pen or how.tall / 9))
    stroke = Image.new("L", ink.shape[::-1])
    line = [(float(ends[left] - pen), float(left)), (float(starts[right] + pen), float(right))]
    ImageDraw.Draw(stroke).line(line, fill=255, width=pen)
    np.maximum(ink, np.asarray(stroke, np.float32) / 255, out=ink)


def _tile(ink: np.ndarray, runs: np.ndarray, how: Hand, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What a scanner and the runtime make of a strip: a tile of its ink, in the middle of its height."""
    rows, columns = (np.flatnonzero((ink > 0.5).any(axis=axis)) for axis in (1, 0))
    most = FINE * (TILE[0] - 2 * MARGIN)
    middle = int(rows[0] + rows[-1] + 1) // 2
    left = int(rng.integers(0, np.clip(columns[-1] - FINE * TALL, 1, ink.shape[1] - FINE * TILE[1])))
    inside = slice(middle - FINE * TILE[0] // 2, middle + FINE * TILE[0] // 2), slice(left, left + FINE * TILE[1])
    ink, runs = ink[inside].copy(), runs[inside]
    ink[: (len(ink) - most) // 2] = ink[(len(ink) + most) // 2 :] = 0
    if rng.random() < 0.15:
        _break(ink, how, rng)
    if rng.random() < 0.5:  # of low resolution
        small = rng.uniform(13, TALL) * FINE / how.tall
        ink = resize(ink, *(round(side * small) for side in TILE))
    if rng.random() < 0.3:
        ink = (ink > rng.uniform(0.3, 0.6)).astype(np.float32)
    ink = resize(ink, *TILE)
    if rng.random() < 0.3:
        ink = ndimage.gaussian_filter(ink, rng.uniform(0.3, 0.8))
    shade = resize(rng.normal(0, 1, (6, 16)).astype(np.float32), *TILE)
    noise = (ink > 0.1) * rng.normal(0, rng.uniform(0, 0.08), TILE)
    ink = (ink * (rng.uniform(0.7, 1.5) + rng.uniform(0, 0.15) * shade) + noise).clip(0, 1)
    return (255 * ink + 0.5).astype(np.uint8), (255 * resize(runs.astype(np.float32), *TILE) + 0.5).astype(np.uint8)


def _break(ink: np.ndarray, how: Hand, rng: np.random.Generator) -> None:
    """Take some thin lines out of the ink."""
    gaps = Image.new("L", ink.shape[::-1])
    for _ in range(rng.integers(1, 12)):
        start = rng.uniform(0, 1, 2) * gaps.size
        end = start + rng.normal(0, 0.4 * how.tall, 2)
        ImageDraw.Draw(gaps).line([*start, *end], fill=255, width=int(rng.integers(1, 2 + int(0.05 * how.tall))))
    ink[np.asarray(gaps) > 0] = 0


def strips(digits: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tiles and their boundaries, each uint8[count, 48, 128]."""
    rng = np.random.default_rng(seed)
    inks, runs = np.zeros((2, count, *TILE), np.uint8)
    for place in range(count):
        inks[place], runs[place] = strip(digits, rng)
    return inks, runs


def network() -> keras.Model:
    """From ink float32[N, 48, 128, 1], 0 to 1, to the logits of boundaries float32[N, 6144]: 4 x 4 pixels by pixels."""
    image = keras.Input((*TILE, 1))
    made = image
    for channels, kernel, stride in (
        (12, (5, 5), 2), (32, (3, 3), 2), (28, (3, 3), 1), (28, (1, 5), 1), (28, (5, 1), 1), (32, (3, 3), 1)
    ):  # fmt: skip
        made = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(made)
        made = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(made))
    return keras.Model(image, layers.Flatten()(layers.Conv2D(STEP * STEP, 1)(made)), name="seams")


def blocks(image: np.ndarray) -> np.ndarray:
    """Pixels [N, 48, 128] in the network's order, [N, 6144]."""
    rows, columns = (side // STEP for side in TILE)
    return image.reshape(-1, rows, STEP, columns, STEP).swapaxes(2, 3).reshape(len(image), -1)


def batches(inks: np.ndarray, runs: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of tiles in random order, each with its boundaries and weights as `loss` takes them.

    What runs through ink counts more than what runs through paper.
    """
    order = rng.permutation(len(inks))
    for start in range(0, len(inks) - BATCH + 1, BATCH):
        rows = np.sort(order[start : start + BATCH])
        ink, run = (part[rows].astype(np.float32) / 255 for part in (inks, runs))
        yield ink[..., None], np.stack([blocks(run), 1 + 3 * blocks(ink)], axis=-1)


def loss(wanted: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Binary cross-entropy of boundaries, weighted: `wanted` holds both, float32[N, 6144, 2]."""
    each = keras.ops.binary_crossentropy(wanted[..., 0], logits, from_logits=True)
    return keras.ops.sum(each * wanted[..., 1]) / keras.ops.sum(wanted[..., 1])


def trained(digits: np.ndarray, count: int, epochs: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    held_out, made = strips(digits, HELD_OUT, seed=2), strips(digits, count, seed=1)
    model, rng = network(), np.random.default_rng(0)
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * (count // BATCH))
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    for epoch in range(epochs):
        for tiles, wanted in batches(*made, rng):
            model.train_on_batch(tiles, wanted)
        model.reset_metrics()
        for tiles, wanted in batches(*held_out, np.random.default_rng(0)):
            mean = model.test_on_batch(tiles, wanted)  # of all batches since the reset
        say(f"epoch {epoch + 1}: loss {mean:.4f} on strips that were held out")
    return model


def write(model: KerasModelFile, calibration: np.ndarray, folder: Path) -> None:
    """Quantize to int8 with calibration tiles uint8[N, 48, 128], and write the model."""
    core = onnx.load_from_string(to_onnx_core(model))
    whole = wrap(quantize(core, calibration, Scheme(model, pictures=len(calibration))), TILE)
    whole.graph.node.pop()  # the softmax: each pixel is a question of its own
    whole.graph.output[0].name = LOGITS
    onnx.checker.check_model(whole, full_check=True)
    data = whole.SerializeToString(deterministic=True)
    (folder / "seams.onnx").write_bytes(data)
    say(f"{folder / 'seams.onnx'}: {len(data):,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST, or mnist")
    parser.add_argument("--strips", type=int, default=30_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path(), help="the folder that the models are written to")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts = split(read_dataset(options.data, part="train"), VALIDATION, SEED)
    digits = parts.dataset.pixels[parts.train]
    model = trained(digits, options.strips, options.epochs)
    path = options.out / "seams.keras"
    model.save(path)
    write(KerasModelFile(path), strips(digits, CALIBRATION, seed=3)[0], options.out)


if __name__ == "__main__":
    main()

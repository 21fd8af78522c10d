"""Draw numbers from single digits: apart, touching or overlapping, with signs between them, on made-up paper."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.picture.resize import resize

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

INKED = 90  # of 255: ink of a stroke
HEIGHTS = (18, 28, 45, 80)  # of the digits, in pixels
SIGNS = (".", ",", "-", "=", "#", "$", "*", "x")
# Strokes of each sign, as corners (right, down) in units of a digit's height; a dot is a stroke of one corner.
STROKES = {
    ".": [[(0.1, 1.0)]],
    ",": [[(0.12, 0.95), (0.05, 1.2)]],
    "-": [[(0.0, 0.55), (0.35, 0.5)]],
    "=": [[(0.0, 0.4), (0.4, 0.37)], [(0.0, 0.62), (0.4, 0.6)]],
    "#": [
        [(0.25, 0.1), (0.15, 0.95)],
        [(0.5, 0.08), (0.4, 0.93)],
        [(0.0, 0.4), (0.65, 0.35)],
        [(0, 0.7), (0.62, 0.66)],
    ],
    "$": [
        [(0.5, 0.15), (0.25, 0.1), (0.08, 0.25), (0.2, 0.45), (0.42, 0.6), (0.45, 0.8), (0.25, 0.95), (0.0, 0.85)],
        [(0.3, -0.1), (0.24, 1.12)],
    ],
    "*": [[(0.0, 0.3), (0.4, 0.6)], [(0.4, 0.3), (0.0, 0.6)], [(0.2, 0.2), (0.2, 0.68)]],
    "x": [[(0.0, 0.4), (0.45, 0.95)], [(0.45, 0.4), (0.0, 0.95)]],
}


@dataclass(frozen=True, eq=False)
class Digits:
    """Pictures of single digits, and what they show."""

    pixels: Pixels  # uint8[N, 28, 28]
    labels: list[str]


def number(
    rng: np.random.Generator, digits: Digits, length: int, gap: float, *, signs: float = 0, cheque: bool = False
) -> tuple[Pixels, str]:
    """A number on paper, uint8[H, W], and its text.

    `gap` is the distance of neighbours' strokes in units of a digit's height; digits overlap where it is negative. With
    a probability of `signs` each, signs are drawn before, between and behind the digits; the text does not hold them.
    `cheque` puts the number, small, on the printed waves of a cheque.
    """
    tall = int(rng.choice(HEIGHTS[:2] if cheque else HEIGHTS))
    chosen = rng.integers(len(digits.labels), size=length)
    shapes = [(_digit(rng, digits.pixels[index], tall), 0.0) for index in chosen]
    if signs:
        shapes = _with_signs(rng, shapes, tall, signs)
    text = "".join(digits.labels[index] for index in chosen)
    return on_paper(rng, _side_by_side(rng, shapes, tall, gap), waves=cheque), text


def on_paper(rng: np.random.Generator, ink: Floats, *, waves: bool = False) -> Pixels:
    """Ink float32[H, W] from 0 to 255 as a dark pen on light paper, in uneven light, with noise: uint8[H, W]."""
    height, width = ink.shape
    paper, pen = rng.uniform(170, 245), rng.uniform(20, 110)
    y, x = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
    light = 1 + rng.uniform(-0.1, 0.1) * x + rng.uniform(-0.1, 0.1) * y
    printed = _waves(rng, height, width) if waves else 0
    grey = (paper + (pen - paper) * np.maximum(ink / 255, printed)) * light + rng.normal(
        0, rng.uniform(0, 4), ink.shape
    )
    return grey.clip(0, 255).astype(np.uint8)


def _waves(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Thin printed waves, as on cheques, as a share of the pen's ink: float32[H, W]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    ink = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 4)):
        angle, apart = rng.uniform(-0.6, 0.6), rng.uniform(5, 12)
        bend = rng.uniform(0, 6) * np.sin(x / rng.uniform(8, 40) + rng.uniform(0, 6))
        away = np.abs((y + angle * x + bend) % apart - apart / 2)
        ink = np.maximum(ink, rng.uniform(0.05, 0.3) * (1.2 - away).clip(0, 1))
    return ink


def _digit(rng: np.random.Generator, pixels: Pixels, tall: int) -> Floats:
    """A digit about so many pixels high."""
    rows, columns = (np.flatnonzero((pixels > INKED).any(axis=axis)) for axis in (1, 0))
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = tall / max(12, cut.shape[0]) * rng.uniform(0.9, 1.1)
    return resize(cut, *(max(2, round(side * scale)) for side in cut.shape))


def _with_signs(
    rng: np.random.Generator, shapes: list[tuple[Floats, float]], tall: int, share: float
) -> list[tuple[Floats, float]]:
    """Digits with signs among them; each shape comes with the place of its top, in units of a digit's height."""
    drawn: list[tuple[Floats, float]] = []
    for place, shape in enumerate([*shapes, None]):
        if rng.random() < share:
            inside = 0 < place < len(shapes)
            sign = str(rng.choice(SIGNS[:2] if inside else SIGNS))
            drawn.append(_sign(rng, sign, tall))
        if shape is not None:
            drawn.append(shape)
    return drawn


def _sign(rng: np.random.Generator, sign: str, tall: int) -> tuple[Floats, float]:
    """A sign drawn with a round pen, and the place of its top."""
    pen = tall * rng.uniform(0.04, 0.08) + 0.5
    strokes = [np.array(stroke, np.float64) + rng.uniform(-0.04, 0.04, (len(stroke), 2)) for stroke in STROKES[sign]]
    corners = np.concatenate(strokes)
    left, top = corners.min(axis=0)
    width, height = ((corners.max(axis=0) - (left, top)) * tall + 2 * pen + 1).astype(int)
    y, x = np.mgrid[:height, :width]
    ink = np.zeros((height, width), np.float32)
    for stroke in strokes:
        places = (stroke - (left, top)) * tall + pen
        for first, second in zip(places, places[1:] if len(places) > 1 else places, strict=False):
            along = second - first
            share = (((x - first[0]) * along[0] + (y - first[1]) * along[1]) / max(1e-9, along @ along)).clip(0, 1)
            away = np.hypot(x - first[0] - share * along[0], y - first[1] - share * along[1])
            ink = np.maximum(ink, 255 * (pen - away + 0.5).clip(0, 1)).astype(np.float32)
    return ink, float(top)


def _side_by_side(rng: np.random.Generator, shapes: list[tuple[Floats, float]], tall: int, gap: float) -> Floats:
    """Shapes from left to right, each pushed towards the last until their strokes are `gap` apart: float32[H, W]."""
    height = 2 * tall
    ink = np.zeros((height, sum(shape.shape[1] for shape, _ in shapes) + (2 + len(shapes)) * tall), np.float32)
    ends = np.full(height, -1)  # the right end of what stands in each row
    left = tall // 2
    for shape, place in shapes:
        mask = shape > INKED
        centred = (height - tall) // 2 + place * tall if place else (height - len(shape)) / 2
        top = int(np.clip(centred + rng.uniform(-0.06, 0.06) * tall, 0, height - len(shape)))
        rows = slice(top, top + len(shape))
        if ends.max() >= 0:
            starts = np.where(mask.any(axis=1), mask.argmax(axis=1), 10**6)
            beside = (ends[rows] >= 0) & mask.any(axis=1)
            distance = round((gap + rng.uniform(-0.03, 0.03) * (gap > 0)) * tall)
            left = int(np.max((ends[rows] - starts)[beside])) if beside.any() else int(ends.max())
            left = max(1, left + distance)
        part = ink[rows, left : left + shape.shape[1]]
        np.maximum(part, shape, out=part)
        inked = ink > INKED
        ends = np.where(inked.any(axis=1), ink.shape[1] - inked[:, ::-1].argmax(axis=1), -1)
    return ink[:, : min(ink.shape[1], ends.max() + tall // 2)]

"""Make pictures that belong to no class, on which a network learns to be unsure.

The method is outlier exposure (Hendrycks, Mazeika, Dietterich 2019). Nothing is downloaded. The pictures are letters
and signs in the fonts that matplotlib ships, digits and letters of other scripts (`scripts.npz`) as a hand writes them,
pen strokes that turn and loop as writing does, scribbles, shapes, textures, and training pictures that are cut up,
turned or put side by side. Of the strokes, those that resemble a training picture are left out.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from digits_edge.runtime.picture.mnist_form import in_box
from digits_edge.runtime.picture.resize import resize

Pixels = npt.NDArray[np.uint8]  # one picture, [28, 28]
Ink = npt.NDArray[np.float32]  # one picture before it is normalised like a digit: any size, 0 is paper
Maker = Callable[[Pixels, Pixels, np.random.Generator], Pixels]  # makes an outlier from two training pictures

OUTLIERS: Final = 48_000  # pictures made for a training run
NEAREST: Final = 0.8  # an outlier with this cosine similarity to a training picture, or a higher one, is left out
BROAD: Final = 0.4  # a filled figure with a lower ratio of width to height may look like a 1
COMPARED: Final = 6_000  # training pictures that outliers are compared with
CANVAS: Final = 84  # side in pixels of the canvas for strokes and shapes, three times the side of the result
SCRIPTS: Final = Path(__file__).with_name("scripts.npz")  # benchmarks/scripts.py made it
SIDE: Final = 48  # of a sign in it, in pixels
STEPS: Final = 14  # points of each arc or line that a pen stroke is made of
FONTS: Final = (
    "DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic",
    "STIXGeneral", "STIXGeneralItalic", "cmr10", "cmmi10", "DejaVuSansDisplay",
)  # fmt: skip
# Unicode: Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic, N'Ko, Lao, Georgian, Canadian syllabics, currency signs,
# arrows, mathematics, shapes, Tifinagh.
BLOCKS: Final = (
    (0x21, 0x7E), (0xA1, 0x17F), (0x391, 0x3C9), (0x410, 0x451), (0x531, 0x587), (0x5D0, 0x5EA), (0x621, 0x64A),
    (0x7CA, 0x7E7), (0xE81, 0xEDD), (0x10D0, 0x10F0), (0x1401, 0x1676), (0x20A0, 0x20BF), (0x2190, 0x21FF),
    (0x2200, 0x22FF), (0x25A0, 0x26FF), (0x2701, 0x27BF), (0x2D30, 0x2D65),
)  # fmt: skip
OFTEN: Final = 8 * "ABCDEFGHJKLMNPQRTUVWXYadefhkmnprtuvwxy"  # letters that are met most and look like no digit


def outliers(pictures: npt.NDArray[np.uint8], count: int, seed: int) -> npt.NDArray[np.uint8]:
    """Make pictures that belong to no class, uint8[count, 28, 28], out of training pictures uint8[N, 28, 28]."""
    rng = np.random.default_rng(seed)
    known = _unit(pictures[rng.permutation(len(pictures))[:COMPARED]])
    kept = np.empty((0, 28, 28), np.uint8)
    strokes = (*[_letter] * 3, *[_written] * 6, *[_sign] * 6, _scribble, _scribble, _recut, _turned, _side_by_side)
    others = (_solid, _solid, _shape, _texture, _speckled)
    makers: tuple[Maker, ...] = (*strokes, *others)
    limits = np.resize([NEAREST] * len(strokes) + [np.inf] * len(others), count)
    while len(kept) < count:
        pairs = pictures[rng.integers(len(pictures), size=(count, 2))]
        made = np.stack([makers[i % len(makers)](one, other, rng) for i, (one, other) in enumerate(pairs)])
        kept = np.concatenate([kept, made[(_closeness(made, known) < limits) & made.any(axis=(1, 2))]])
    return kept[:count]


def _closeness(made: npt.NDArray[np.uint8], known: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The highest cosine similarity of each picture to known ones of unit length, float32[K, 784]: float32[M]."""
    parts = [(_unit(part) @ known.T).max(axis=1) for part in np.array_split(made, -(-len(made) // 1000))]
    return np.concatenate(parts)


def _unit(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Flatten pictures uint8[N, H, W] to vectors of unit length, float32[N, H * W]."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1), np.float32)


def _letter(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a letter or sign in one of the fonts: maybe bold or hollow, stretched, turned by up to 15 degrees."""
    font, signs = _fonts()[rng.integers(len(_fonts()))]
    image = Image.new("L", (2 * CANVAS, 2 * CANVAS))
    bold = int(rng.integers(1, 9)) if rng.random() < 0.4 else 0
    fill = 0 if bold and rng.random() < 0.3 else 255
    sign, where = signs[rng.integers(len(signs))], (CANVAS, CANVAS)
    ImageDraw.Draw(image).text(where, sign, fill, font, "mm", stroke_width=bold, stroke_fill=255)
    image = image.resize((2 * CANVAS, round(2 * CANVAS * math.exp(rng.normal(0, 0.25)))), Image.Resampling.BILINEAR)
    return in_box(np.asarray(image.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR, expand=True), np.float32))


def _sign(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a digit or letter of another script as a hand would: turned, slanted, stretched, bent, with some pen."""
    signs, digits = _scripts()
    chosen = rng.integers(digits) if rng.random() < 0.5 else rng.integers(len(signs))
    points = np.argwhere(np.unpackbits(signs[chosen], axis=1)) / SIDE
    angle, slant, stretch = rng.normal(0, 0.12), rng.normal(0.05, 0.2), math.exp(rng.normal(0, 0.15))
    cos, sin = math.cos(angle), math.sin(angle)
    points = points @ np.array([[stretch * cos, stretch * sin - slant], [-sin / stretch, cos / stretch]])
    waves, phases = rng.normal(0, 3, (2, 2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
    points += 0.03 * np.stack([np.sin(points @ waves[i] + phases[i]).sum(axis=1) for i in (0, 1)], axis=1)
    points -= points.min(axis=0)
    places, pen = 10 + (CANVAS - 20) * points / max(0.1, points.max()), (CANVAS - 20) * rng.uniform(0.03, 0.1)
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    for row, column in places:
        draw.ellipse((column - pen, row - pen, column + pen, row + pen), fill=255)
    return in_box(np.asarray(image, np.float32))


@lru_cache(maxsize=1)
def _scripts() -> tuple[npt.NDArray[np.uint8], int]:
    """The lines of other scripts' signs, one bit a pixel, uint8[K, SIDE, SIDE / 8]; so many, the first, are digits."""
    with np.load(SCRIPTS) as arrays:
        return arrays["signs"], int(arrays["digits"])


def _written(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw one to three pen strokes of arcs, loops, straight lines and corners, most of them joined."""
    strokes: list[npt.NDArray[np.float64]] = []
    place = np.zeros(2)
    for _stroke in range(rng.choice((1, 1, 1, 2, 2, 3))):
        pieces = int(rng.integers(1, 5))
        steps = np.repeat(rng.uniform(1, 4, pieces), STEPS)  # lengths
        bends = np.repeat(rng.uniform(0.6, 5.5, pieces) * rng.choice((0, 0.5, 1, -1, -1), pieces) / STEPS, STEPS)
        bends[::STEPS] += rng.choice((0, 0, 1), pieces) * rng.uniform(-3.6, 3.6, pieces)  # corners
        angles = rng.uniform(0, 2 * np.pi) + bends.cumsum()
        strokes.append(place + np.cumsum([steps * np.cos(angles), steps * np.sin(angles)], axis=1).T)
        place = rng.choice(np.concatenate(strokes)) + rng.normal(0, 8 if rng.random() < 0.4 else 0.5, 2)
    points = np.concatenate(strokes)
    corner, scale = points.min(axis=0), (CANVAS - 16) / max(1, float(np.ptp(points, axis=0).max()))
    image = Image.new("L", (CANVAS, CANVAS))
    draw, width = ImageDraw.Draw(image), int(rng.integers(4, 14))
    for stroke in strokes:
        draw.line([tuple(point) for point in 8 + scale * (stroke - corner)], fill=255, width=width, joint="curve")
    return in_box(np.asarray(image, np.float32))


@lru_cache(maxsize=1)
def _fonts() -> list[tuple[ImageFont.FreeTypeFont, list[str]]]:
    """Load each of `FONTS` with the signs of `BLOCKS` that it contains, leaving out our own digits."""
    import matplotlib

    wanted = [chr(code) for low, high in BLOCKS for code in range(low, high + 1)]
    wanted = [sign for sign in wanted if unicodedata.category(sign)[0] in "LPS" or (sign > "9" and sign.isdecimal())]
    wanted += OFTEN
    found = []
    for name in FONTS:
        path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
        small = ImageFont.truetype(path, 12)  # is drawn faster
        lacking = bytes(small.getmask("\U0010ffff"))
        signs = [sign for sign in wanted if bytes(mask := small.getmask(sign)) != lacking and mask.getbbox()]
        found.append((ImageFont.truetype(path, CANVAS), signs))
    return found


def _scribble(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw one to five pen strokes, straight or bent."""
    image = Image.new("L", (CANVAS, CANVAS))
    draw, width = ImageDraw.Draw(image), int(rng.integers(3, 13))
    for _stroke in range(rng.integers(1, 6)):
        start, bend, end = rng.uniform(6, CANVAS - 6, (3, 2))
        if rng.random() < 0.5:
            bend = (start + end) / 2
        t = np.linspace(0, 1, 20)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end  # quadratic Bézier curve
        draw.line([tuple(point) for point in curve], fill=255, width=width, joint="curve")
    return in_box(np.asarray(image, np.float32))


def _recut(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Join halves of two pictures, one above or beside the other, or shuffle the quarters of one picture."""
    if rng.random() < 0.3:
        quarters = [quarter for half in np.split(one, 2) for quarter in np.split(half, 2, axis=1)]
        a, b, c, d = (quarters[i] for i in rng.permutation(4))
        return np.block([[a, b], [c, d]])
    axis = 0 if rng.random() < 0.5 else 1
    return np.concatenate([np.split(one, 2, axis)[0], np.split(other, 2, axis)[1]], axis)


def _turned(one: Pixels, _: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn a picture by 90 or 270 degrees, or mirror it left to right or top to bottom."""
    return np.ascontiguousarray((np.rot90(one), np.rot90(one, 3), one[:, ::-1], one[::-1])[rng.integers(4)])


def _side_by_side(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Put two pictures side by side, overlapping by 4 to 18 pixels, and normalise them like one digit."""
    pair = np.zeros((28, 52), np.float32)
    apart = int(rng.integers(10, 25))
    pair[:, :28] = one
    pair[:, apart : apart + 28] = np.maximum(pair[:, apart : apart + 28], other)
    return in_box(pair)


def _shape(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw one to three filled ellipses, rectangles or polygons."""
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    for _part in range(rng.integers(1, 4)):
        corners = [tuple(point) for point in rng.uniform(0, CANVAS, (rng.integers(3, 7), 2))]
        boxed = draw.ellipse if rng.random() < 0.3 else draw.rectangle if rng.random() < 0.5 else None
        if boxed is None:
            draw.polygon(corners, fill=255)
        else:
            low, high = np.sort(rng.uniform(0, CANVAS, (2, 2)), axis=0)
            boxed([*low, *(high + 6)], fill=255)
    return _filled(np.asarray(np.asarray(image) / 255, np.float32), rng)


def _solid(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a filled figure between two bent profiles: symmetric or not, upright or lying, with or without a hole."""
    places, middle = np.arange(CANVAS), CANVAS / 2

    def profile(low: float, high: float) -> Ink:
        """Draw distances from the middle line to an outline, float32[CANVAS]."""
        knots = int(rng.integers(2, 7))
        return np.interp(places, np.linspace(0, CANVAS, knots), rng.uniform(low, high, knots)).astype(np.float32)

    right = profile(2, middle)
    left = right if rng.random() < 0.6 else profile(2, middle)
    across = places - middle
    figure = (across > -left[:, None]) & (across < right[:, None])
    if rng.random() < 0.4:
        opened = profile(-middle / 2, middle / 2)[:, None]
        figure &= np.abs(across) > opened
    low, high = np.sort(rng.integers(0, CANVAS, 2))
    if high - low > CANVAS / 3:
        figure[:low], figure[high:] = False, False
    return _filled((figure if rng.random() < 0.6 else figure.T).astype(np.float32), rng)


def _filled(figure: Ink, rng: np.random.Generator) -> Pixels:
    """Give a figure of 0 and 1 one grey or a texture, and resize it or, unless it is as narrow as a 1, box it."""
    if rng.random() < 0.5:
        figure *= np.float32(rng.uniform(0.1, 1)) * _smooth(CANVAS, rng) + np.float32(rng.uniform(0, 0.5))
    rows, columns = (int(figure.any(axis=axis).sum()) for axis in (1, 0))
    if rng.random() < 0.6 and columns >= BROAD * rows:
        return in_box(figure)
    return np.asarray((rng.uniform(80, 255) * resize(figure, 28, 28)).clip(0, 255), np.uint8)


def _texture(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Fill the picture with clouds, stripes or squares, in grey or in black and white."""
    kind = rng.random()
    rows, columns = np.mgrid[:28, :28]
    if kind < 0.6:
        texture = _smooth(28, rng)
    else:
        angle, period, phase = rng.uniform(0, np.pi), rng.uniform(2, 20), rng.uniform(0, 2 * np.pi)
        wave = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) * 2 * np.pi / period + phase)
        if kind > 0.8:
            wave = np.maximum(wave, np.sin((columns * np.cos(angle) - rows * np.sin(angle)) * 2 * np.pi / period))
        texture = (wave + 1) / 2
    if rng.random() < 0.5:
        texture = (texture > rng.uniform(0.3, 0.8)).astype(np.float32)
    return np.asarray(rng.uniform(80, 255) * texture, np.uint8)


def _speckled(_: Pixels, __: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw uniform noise, normal noise or specks, on the whole picture or only where a digit would be."""
    noise = (
        rng.random((28, 28)),
        (rng.uniform(0, 0.6) + rng.uniform(0.1, 0.5) * rng.standard_normal((28, 28))).clip(0, 1),
        (rng.random((28, 28)) < rng.uniform(0.02, 0.7)).astype(float),
    )[rng.integers(3)]
    if rng.random() < 0.4:
        return in_box(noise[4:24, 4:24].astype(np.float32))
    return np.asarray(255 * noise, np.uint8)


def _smooth(size: int, rng: np.random.Generator) -> Ink:
    """Draw noise in [0, 1] that is smooth over several pixels, float32[size, size]."""
    knots = int(rng.integers(3, 15))
    field = resize(rng.random((knots, knots)).astype(np.float32), size, size)
    return np.asarray((field - field.min()) / max(float(np.ptp(field)), 1e-6), np.float32)

"""Draw digits as hands write them that MNIST lacks, to train on beside it.

MNIST was written by Americans: its 1 is one stroke and its 7 has no bar. Here are ones with a flag and a foot, barred
sevens, open and closed fours, looped and pointed twos, and all digits with corners or without. Each is a few points
that a pen connects; the points are moved at random, corners are cut (Chaikin 1974), and the whole is slanted, stretched
and turned.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from digits_edge.runtime.picture.mnist_form import SIDE, in_box

Points = npt.NDArray[np.float64]  # of one stroke, [N, 2]: x to the right and y downwards, from 0 to 1

CANVAS: Final = 96  # side in pixels of the canvas, of which the digit takes a half to two thirds
SEED: Final = 1
UNSTEADY: Final = 0.03  # standard deviation of a point's place
# How often each digit is drawn: ones and sevens, which differ most from MNIST's, more often.
SHARES: Final = (1, 6, 2, 1, 3, 1, 1, 5, 1, 1)

ROUNDEST: Final = {4: 1}  # how often corners are cut at most, where a rounder digit would be another; else 3

# The strokes of each digit, one way of writing it after the other.
# fmt: off
WAYS: Final[dict[int, tuple[tuple[tuple[tuple[float, float], ...], ...], ...]]] = {
    0: (
        (((0.5, 0), (0.1, 0.15), (0.05, 0.5), (0.15, 0.9), (0.5, 1),
          (0.85, 0.9), (0.95, 0.5), (0.85, 0.1), (0.45, 0.02)),),
        (((0.6, 0.05), (0.2, 0.1), (0.1, 0.6), (0.4, 1), (0.8, 0.8), (0.85, 0.3), (0.55, 0), (0.3, 0.15)),),
    ),
    2: (
        (((0.1, 0.25), (0.3, 0), (0.8, 0), (0.9, 0.3), (0.5, 0.7), (0.05, 1), (0.95, 1)),),
        (((0.1, 0.2), (0.4, 0), (0.85, 0.05), (0.8, 0.45), (0.3, 0.95),
          (0.05, 0.95), (0.15, 0.75), (0.4, 0.85), (0.95, 1)),),
        (((0.05, 0.05), (0.9, 0), (0.05, 0.98), (0.95, 0.95)),),
    ),
    3: (
        (((0.1, 0.1), (0.5, 0), (0.9, 0.15), (0.8, 0.4),
          (0.4, 0.47), (0.9, 0.6), (0.95, 0.85), (0.5, 1), (0.05, 0.9)),),
        (((0.1, 0), (0.9, 0), (0.4, 0.4), (0.85, 0.5), (0.95, 0.8), (0.5, 1), (0.05, 0.9)),),
    ),
    4: (
        (((0.2, 0), (0.05, 0.6), (0.95, 0.6)), ((0.7, 0.2), (0.65, 1))),
        (((0.05, 0), (0.05, 0.5), (0.85, 0.5)), ((0.85, 0), (0.8, 1))),
        (((0.7, 1), (0.7, 0), (0.05, 0.65), (1, 0.65)),),
        (((0.65, 0), (0.05, 0.7), (0.95, 0.7)), ((0.65, 0.4), (0.6, 1))),
    ),
    5: (
        (((0.85, 0), (0.2, 0), (0.1, 0.45), (0.5, 0.38), (0.9, 0.5), (0.9, 0.85), (0.5, 1), (0.05, 0.92)),),
        (((0.2, 0), (0.15, 0.45), (0.6, 0.4), (0.9, 0.7), (0.6, 1), (0.05, 0.95)), ((0.18, 0), (0.9, 0.02))),
    ),
    6: (
        (((0.8, 0), (0.3, 0.3), (0.05, 0.75), (0.4, 1), (0.85, 0.9), (0.9, 0.6), (0.5, 0.5), (0.15, 0.7)),),
        (((0.5, 0), (0.15, 0.5), (0.1, 0.85), (0.5, 1), (0.9, 0.75), (0.5, 0.55), (0.15, 0.75)),),
    ),
    7: (
        (((0.05, 0.03), (0.9, 0), (0.45, 1)),),
        (((0.05, 0.12), (0.1, 0), (0.95, 0.02), (0.6, 0.45), (0.45, 1)),),
    ),
    8: (
        (((0.85, 0.15), (0.4, 0), (0.1, 0.2), (0.8, 0.65),
          (0.85, 0.9), (0.4, 1), (0.1, 0.8), (0.3, 0.6), (0.85, 0.15)),),
        (
            ((0.5, 0.45), (0.15, 0.3), (0.25, 0.03), (0.75, 0.03), (0.85, 0.3), (0.5, 0.45)),
            ((0.5, 0.45), (0.05, 0.65), (0.15, 0.97), (0.85, 0.97), (0.95, 0.65), (0.5, 0.45)),
        ),
    ),
    9: (
        (((0.9, 0.2), (0.5, 0), (0.1, 0.15), (0.15, 0.45),
          (0.6, 0.48), (0.9, 0.2), (0.85, 0.6), (0.75, 1)),),
        (((0.85, 0.2), (0.5, 0), (0.1, 0.2), (0.2, 0.48),
          (0.6, 0.47), (0.85, 0.2), (0.85, 0.75), (0.6, 1), (0.15, 0.92)),),
    ),
}
# fmt: on


def hands(count: int, labels: tuple[str, ...]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw digits in MNIST's form, uint8[count, 28, 28] with targets int64[count], the same at each call.

    They are of the classes "0" to "9" among the labels; without such classes there are none.
    """
    rng = np.random.default_rng(SEED)
    digits = {str(digit): digit for digit in range(10)}
    shares = np.array([SHARES[digits[label]] if label in digits else 0 for label in labels])
    if not shares.any():
        return np.empty((0, SIDE, SIDE), np.uint8), np.empty(0, np.int64)
    targets = rng.choice(len(labels), count, p=shares / shares.sum())
    return np.stack([_drawn(digits[labels[target]], rng) for target in targets]), targets


def _strokes(digit: int, rng: np.random.Generator) -> list[Points]:
    """Draw the points of a digit's strokes."""
    if digit == 1:
        strokes = _one(rng)
    else:
        ways = WAYS[digit]
        strokes = [np.array(stroke) for stroke in ways[rng.integers(len(ways))]]
    if digit == 7 and rng.random() < 0.75:  # a bar across the stem
        height, half, rise = rng.uniform(0.4, 0.62), rng.uniform(0.15, 0.35), rng.normal(0, 0.05)
        middle = 0.9 - 0.45 * height
        strokes.append(np.array([[middle - half, height + rise], [middle + half, height - rise]]))
    return [stroke + rng.normal(0, UNSTEADY, stroke.shape) for stroke in strokes]


def _one(rng: np.random.Generator) -> list[Points]:
    """Draw the points of a 1: a stem, mostly with a flag that falls steeper than a 7's, maybe with a foot."""
    stem = np.array([[0.5, 0.0], [0.5, 1.0]])
    strokes = [stem]
    if rng.random() < 0.85:
        angle, length = np.radians(rng.uniform(22, 50)), rng.uniform(0.2, 0.65)  # of the angle at the top
        tip = length * np.array([-np.sin(angle), np.cos(angle)])
        bend = tip / 2 + 0.06 * length * rng.normal() * np.array([np.cos(angle), np.sin(angle)])
        strokes = [np.concatenate([stem[0] + [tip, bend], stem])]
    if rng.random() < 0.3:
        half, shift = rng.uniform(0.12, 0.32), rng.normal(0, 0.05)
        strokes.append(np.array([[0.5 + shift - half, 1.0], [0.5 + shift + half, 1.0]]))
    return strokes


def _drawn(digit: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw a digit with a pen, as one hand would: uint8[28, 28]."""
    wide = rng.uniform(0.45, 0.9)
    slant, angle = rng.normal(0.08, 0.18), rng.normal(0, 0.06)
    cuts = int(rng.integers(ROUNDEST.get(digit, 3) + 1))
    size, pen = CANVAS * rng.uniform(0.5, 0.65), rng.uniform(0.025, 0.08) * CANVAS
    shape = np.array([[wide, 0], [-slant, 1]]) @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    for stroke in _strokes(digit, rng):
        points = (_rounded(stroke, cuts) - 0.5) @ shape * size + CANVAS / 2
        draw.line([tuple(point) for point in points], fill=255, width=max(1, round(pen)), joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)
    return in_box(np.asarray(image, np.float32))


def _rounded(stroke: Points, cuts: int) -> Points:
    """Cut the corners of a stroke, each time at a quarter of the lines that meet there."""
    for _ in range(cuts if len(stroke) > 2 else 0):
        start, end = stroke[:-1], stroke[1:]
        inner = np.stack([0.75 * start + 0.25 * end, 0.25 * start + 0.75 * end], axis=1).reshape(-1, 2)
        stroke = np.concatenate([stroke[:1], inner, stroke[-1:]])
    return stroke

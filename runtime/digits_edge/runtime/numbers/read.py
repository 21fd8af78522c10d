"""Read the numbers in a picture."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..metadata import Contract
from ..picture.background import find_ink, flat_ink
from ..picture.connected_components import components
from ..picture.decode import read_scaled
from ..picture.finder import without_margins
from ..picture.median import median
from ..picture.mnist_form import SIDE
from ..picture.ruled_lines import without_lines
from ..picture.shrink import ink_grey, mean_squares
from ..picture.stroke_width import widened
from .answer import View, Written, answer
from .frames import without_frames
from .lattice import best_path
from .lines import Line, find_lines
from .reading import Reading
from .seams import find_seams
from .tilt import turned

Floats = npt.NDArray[np.float32]
Classify = Callable[[npt.NDArray[np.uint8]], Floats]

MOST: Final = 50  # digits in a picture, if their number is given
WORKING: Final = 640  # pixels of the longer side, unless the digits are too small then
RESOLVED: Final = 26  # pixels; lower digits are looked at in a larger picture
FAINTEST: Final = 0.045  # share of the paper's light that ink takes at least
FROM_NOISE: Final = 4.0  # standard deviations of the paper's noise below which there is no ink
STRONG: Final = 80  # percentile of the ink that counts as a whole stroke's
LEVEL: Final = 0.12  # steeper lines are turned before they are read
STROKE: Final = 0.3  # share of a stroke's strength that counts as its edge
PAPER: Final = 0.2  # share of a stroke's strength that counts as paper


def read_numbers(picture: Any, classify: Classify, contract: Contract, digits: int | None) -> Reading:
    """Read the numbers in a picture; see `Classifier.read`. `classify` is its `predict_proba`."""
    if contract.preprocess != "digit" or contract.shape != (SIDE, SIDE):
        raise UsageError(
            f"{contract.name}: expected a model of {SIDE} x {SIDE} pixels that finds digits in pictures, "
            f"received one of {' x '.join(map(str, contract.shape))} for pictures as a whole"
        )
    if digits is not None and (isinstance(digits, bool) or not 1 <= operator.index(digits) <= MOST):
        raise UsageError(f"digits: expected a number from 1 to {MOST}, received {digits!r:.80}")
    pixels, scale = read_scaled(picture, grey=True)
    grey = ink_grey(pixels)
    factor = -(-max(grey.shape) // WORKING)
    strength, level = _strength(grey, factor)
    lines = find_lines(components(strength > level))
    usual = median(np.array([line.tall for line in lines])) if lines else RESOLVED
    if factor > 1 and usual < RESOLVED:
        factor = max(1, int(factor * usual / RESOLVED))
        strength, level = _strength(grey, factor)
        lines = find_lines(components(strength > level))
    slope = _slope(lines)
    view = View(strength.shape, slope if abs(slope) > LEVEL else 0.0, factor * scale)
    if view.slope:
        strength = turned(strength, slope)
        lines = find_lines(components(strength > level))
    inks = [_ink(strength, line) for line in lines]
    paths = [
        best_path(ink, line, find_seams(ink, line.tall), classify, digits)
        for ink, line in zip(inks, lines, strict=True)
    ]
    written = [Written(line, path, view) for line, path in zip(lines, paths, strict=True) if path is not None]
    if digits is not None and len(written) > 1:  # a field holds one number
        written = [max(written, key=lambda one: one.path.probability(0, len(one.path.segments)))]
    return answer(written, contract)


def _strength(grey: npt.NDArray[np.uint8], factor: int) -> tuple[Floats, float]:
    """The ink float32[H, W] of a picture that is shrunk by a whole number, without print, and the level of strokes."""
    small = without_margins(mean_squares(grey, factor))
    ink = flat_ink(small) or find_ink(small)
    faintest = max(FROM_NOISE * ink.noise, FAINTEST)
    inked = ink.strength[ink.strength > faintest]
    level = max(faintest, STROKE * float(np.percentile(inked, STRONG))) if inked.size else faintest
    strength = without_frames(ink.strength, components(ink.strength > level), level)
    return without_lines(strength, faintest), level


def _slope(lines: list[Line]) -> float:
    """The slope of the widest line."""
    return max(lines, key=lambda line: line.box[1].stop - line.box[1].start).slope if lines else 0.0


def _ink(strength: Floats, line: Line) -> Floats:
    """The line's ink float32[H, W] within its box, from 0 to 1."""
    ink = strength[line.box]
    strong = median(ink[line.mask])
    return ((ink / strong - PAPER) / (1 - PAPER)).clip(0, 1) * widened(line.mask)  # strokes fade into paper

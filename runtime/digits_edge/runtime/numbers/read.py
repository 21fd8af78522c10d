"""Read the numbers in a picture."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..metadata import Contract
from ..picture.background import find_ink, flat_ink
from ..picture.connected_components import components
from ..picture.decode import read_picture
from ..picture.finder import without_margins
from ..picture.mnist_form import SIDE
from ..picture.ruled_lines import without_lines
from ..picture.shrink import ink_grey, mean_squares
from ..picture.stroke_width import widened
from .frames import without_frames
from .lattice import Path, Segment, best_path
from .lines import Line, find_lines
from .reading import Box, Digit, Number, Reading
from .seams import find_seams
from .tilt import to_given, turned

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
APART: Final = 1.0  # of the line's height: gap between numbers, at least
LIKELY: Final = 0.5  # smallest score of an accepted number
FAR: Final = 2.2  # of the usual gap between digits: the same


def read_numbers(picture: Any, classify: Classify, contract: Contract, digits: int | None) -> Reading:
    """Read the numbers in a picture; see `Classifier.read`. `classify` is its `predict_proba`."""
    if contract.preprocess != "digit" or contract.shape != (SIDE, SIDE):
        raise UsageError(
            f"{contract.name}: expected a model of {SIDE} x {SIDE} pixels that finds digits in pictures, "
            f"received one of {' x '.join(map(str, contract.shape))} for pictures as a whole"
        )
    if digits is not None and (isinstance(digits, bool) or not 1 <= operator.index(digits) <= MOST):
        raise UsageError(f"digits: expected a number from 1 to {MOST}, received {digits!r:.80}")
    grey = ink_grey(read_picture(picture, grey=True))
    factor = -(-max(grey.shape) // WORKING)
    strength, level = _strength(grey, factor)
    lines = find_lines(components(strength > level))
    usual = float(np.median([line.tall for line in lines])) if lines else RESOLVED
    if factor > 1 and usual < RESOLVED:
        factor = max(1, int(factor * usual / RESOLVED))
        strength, level = _strength(grey, factor)
        lines = find_lines(components(strength > level))
    slope = _slope(lines)
    view = _View(strength.shape, slope if abs(slope) > LEVEL else 0.0, factor)
    if view.slope:
        strength = turned(strength, slope)
        lines = find_lines(components(strength > level))
    read = []
    for line in lines:
        ink = _ink(strength, line)
        path = best_path(ink, line, find_seams(ink, line.tall), classify, digits)
        if path is not None:
            read.append(_numbers(path, line, view, contract))
    if digits is not None and len(read) > 1:  # a field holds one number
        read = [max(read, key=lambda numbers: min(number.score for number in numbers))]
    return _reading(read)


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
    strong = float(np.median(strength[line.mask]))
    fringed = widened(line.mask)[line.box]  # strokes fade into paper
    return ((strength[line.box] / strong - PAPER) / (1 - PAPER)).clip(0, 1) * fringed


@dataclass(frozen=True)
class _View:
    """How the ink was made of the given picture."""

    shape: tuple[int, ...]  # of the ink before it was turned
    slope: float  # by which it was turned; 0 if it was not
    factor: int  # by which the picture was shrunk

    def box(self, line: Line, segment: Segment) -> Box:
        """The box of a part of a line, in the given picture."""
        rows, columns = (
            np.array([side.start, side.stop], np.float32) + whole.start
            for side, whole in zip(segment.box, line.box, strict=True)
        )
        if self.slope:
            y, x = np.meshgrid(rows - 0.5, columns - 0.5)
            rows, columns = (place + 0.5 for place in to_given(y, x, self.shape, self.slope))
        edges = [columns.min(), rows.min(), columns.max(), rows.max()]
        most = [self.shape[1], self.shape[0]] * 2
        return Box(
            *(round(self.factor * float(min(max(edge, 0), side))) for edge, side in zip(edges, most, strict=True))
        )


def _numbers(path: Path, line: Line, view: _View, contract: Contract) -> tuple[Number, ...]:
    """The digits of a line, divided into numbers where the gaps are wide."""
    places = [place for place, segment in enumerate(path.segments) if not segment.sign]
    columns = [path.segments[place].box[1] for place in places]
    gaps = np.array([after.start - before.stop for before, after in pairwise(columns)]) / line.tall
    usual = float(np.median(gaps)) if len(gaps) > 2 else 0.0
    parts = np.split(places, np.flatnonzero(gaps > max(APART, FAR * usual)) + 1) if places else []
    return tuple(
        Number(
            tuple(_digit(path.segments[place], line, view, contract) for place in part),
            path.probability(part[0], part[-1] + 1),
        )
        for part in parts
    )


def _digit(segment: Segment, line: Line, view: _View, contract: Contract) -> Digit:
    best = int(segment.probabilities.argmax())
    accepted = contract.rejection_reason(segment.probabilities) is None
    return Digit(contract.labels[best], float(segment.probabilities[best]), accepted, view.box(line, segment))


def _reading(lines: list[tuple[Number, ...]]) -> Reading:
    """The answer for these lines, without those that are mostly no digits, if others are."""
    kept = [line for line in lines if _is_likely(line)] or lines
    numbers = [number for line in kept for number in line]
    reason = None
    if not numbers:
        reason = "no ink"
    elif len(kept) < len(lines):
        reason = "unreadable part"
    elif not all(digit.accepted for number in numbers for digit in number.digits):
        reason = "not like training data"
    elif any(number.score < LIKELY for number in numbers):
        reason = "unsure"
    return Reading(tuple(kept), reason is None, reason)


def _is_likely(line: tuple[Number, ...]) -> bool:
    """Whether at least half of a line's figures are accepted as digits."""
    accepted = [digit.accepted for number in line for digit in number.digits]
    return 2 * sum(accepted) >= len(accepted)

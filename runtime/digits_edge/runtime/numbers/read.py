"""Read the numbers in a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from ..metadata import Contract
from ..picture.background import find_ink, flat_ink
from ..picture.connected_components import components
from ..picture.ruled_lines import without_lines
from ..picture.stroke_width import widened
from .frames import without_frames
from .lattice import Path, Segment, best_path
from .lines import Line, find_lines
from .reading import Box, Digit, Number, Reading
from .seams import find_seams
from .tilt import turned

Floats = npt.NDArray[np.float32]
Classify = Callable[[npt.NDArray[np.uint8]], Floats]

WORKING: Final = 640  # pixels of the longer side, unless the digits are too small then
RESOLVED: Final = 20  # pixels; lower digits are looked at in a larger picture
FAINTEST: Final = 0.045  # share of the paper's light that ink takes at least
FROM_NOISE: Final = 4.0  # standard deviations of the paper's noise below which there is no ink
STRONG: Final = 80  # percentile of the ink that counts as a whole stroke's
LEVEL: Final = 0.12  # steeper lines are turned before they are read
STROKE: Final = 0.3  # share of a stroke's strength that counts as its edge
PAPER: Final = 0.2  # share of a stroke's strength that counts as paper
APART: Final = 1.0  # of the line's height: gap between numbers, at least
FAR: Final = 2.2  # of the usual gap between digits: the same


def read_numbers(grey: npt.NDArray[np.uint8], classify: Classify, contract: Contract, digits: int | None) -> Reading:
    """Read the numbers in a picture uint8[H, W]; boxes are in its pixels."""
    factor = -(-max(grey.shape) // WORKING)
    strength, level = _strength(grey, factor)
    lines = find_lines(components(strength > level))
    usual = float(np.median([line.tall for line in lines])) if lines else RESOLVED
    if factor > 1 and usual < RESOLVED:
        factor = max(1, int(factor * usual / RESOLVED))
        strength, level = _strength(grey, factor)
        lines = find_lines(components(strength > level))
    slope = _slope(lines)
    if abs(slope) > LEVEL:
        strength = turned(strength, slope)
        lines = find_lines(components(strength > level))
    read = []
    for line in lines:
        ink = _ink(strength, line)
        path = best_path(ink, line.tall, find_seams(ink, line.tall), classify, digits)
        if path is not None:
            read.append(_numbers(path, line, factor, contract))
    if digits is not None and len(read) > 1:  # a field holds one number
        read = [max(read, key=lambda numbers: min(number.score for number in numbers))]
    return _reading(read)


def _strength(grey: npt.NDArray[np.uint8], factor: int) -> tuple[Floats, float]:
    """The ink float32[H, W] of a picture that is shrunk by a whole number, without print, and the level of strokes."""
    small = shrunken(grey, factor)
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


def _numbers(path: Path, line: Line, factor: int, contract: Contract) -> tuple[Number, ...]:
    """The digits of a line, divided into numbers where the gaps are wide."""
    digits = [_digit(segment, line, factor, contract) for segment in path.segments]
    lefts, rights = (np.array([edge(d.box) for d in digits]) for edge in (lambda b: b.left, lambda b: b.right))
    gaps = (lefts[1:] - rights[:-1]) / (line.tall * factor)
    usual = float(np.median(gaps)) if len(gaps) > 2 else 0.0
    cuts = np.flatnonzero(gaps > max(APART, FAR * usual)) + 1
    return tuple(
        Number(tuple(digits[first:after]), float(np.exp(sum(path.scores[first:after]))))
        for first, after in zip([0, *cuts], [*cuts, len(digits)], strict=True)
    )


def _digit(segment: Segment, line: Line, factor: int, contract: Contract) -> Digit:
    rows, columns = segment.box
    top, left = (side.start for side in line.box)
    best = int(segment.probabilities.argmax())
    return Digit(
        contract.labels[best],
        float(segment.probabilities[best]),
        contract.rejection_reason(segment.probabilities) is None,
        Box(
            factor * (left + columns.start),
            factor * (top + rows.start),
            factor * (left + columns.stop),
            factor * (top + rows.stop),
        ),
    )


def _reading(lines: list[tuple[Number, ...]]) -> Reading:
    """The answer for these lines, without those that are no digits, if others are."""
    def likely(line):
        digits = [digit for number in line for digit in number.digits]
        return 2 * sum(digit.accepted for digit in digits) >= len(digits)
    kept = [line for line in lines if likely(line)] or lines
    left_out = len(kept) < len(lines)
    digits = [d for line in kept for n in line for d in n.digits]
    if not digits:
        return Reading((), False, "no ink")
    reason = None
    if left_out: reason='unreadable part'
    elif not all(d.accepted for d in digits): reason='not like training data'
    elif any(n.score<.5 for line in kept for n in line): reason='unsure'
    return Reading(tuple(kept), reason is None, reason)


def shrunken(grey, factor):
    if factor <= 1: return grey.astype(np.float32)
    h, w = (side // factor for side in grey.shape)
    return grey[: h*factor, : w*factor].reshape(h, factor, w, factor).mean((1, 3), dtype=np.float32)

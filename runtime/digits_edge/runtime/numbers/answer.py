"""Make the answer of the paths through all lines: numbers, boxes in the given picture, and whether to rely on them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from ..metadata import Contract
from .lattice import Path, Segment
from .lines import Line
from .reading import Box, Digit, Number, Reading
from .tilt import to_given

APART: Final = 1.0  # of the line's height: gap between numbers, at least
FAR: Final = 2.2  # of the usual gap between digits: the same
LIKELY: Final = 0.8  # smallest score of an accepted number
CERTAIN: Final = 0.9  # probability with which something as large as a digit is a sign, in an accepted answer


@dataclass(frozen=True)
class View:
    """How the ink was made of the given picture."""

    shape: tuple[int, ...]  # of the ink before it was turned
    slope: float  # by which it was turned; 0 if it was not
    scale: float  # pixels of the given picture for each of its pixels, on a side

    def box(self, line: Line, part: tuple[slice, slice]) -> Box:
        """The box of some rows and columns of a line, in the given picture."""
        rows, columns = (
            np.array([side.start, side.stop], np.float32) + whole.start
            for side, whole in zip(part, line.box, strict=True)
        )
        if self.slope:
            y, x = np.meshgrid(rows - 0.5, columns - 0.5)
            rows, columns = (place + 0.5 for place in to_given(y, x, self.shape, self.slope))
        edges = [columns.min(), rows.min(), columns.max(), rows.max()]
        most = [self.shape[1], self.shape[0]] * 2
        return Box(*(round(self.scale * float(np.clip(edge, 0, side))) for edge, side in zip(edges, most, strict=True)))


@dataclass(frozen=True, eq=False)
class Written:
    """A line of writing and what was read in it."""

    line: Line
    path: Path
    view: View

    def numbers(self, contract: Contract) -> tuple[Number, ...]:
        """The digits, divided into numbers where the gaps are wide."""
        places = [place for place, segment in enumerate(self.path.segments) if not segment.sign]
        columns = [self.path.segments[place].box[1] for place in places]
        gaps = np.array([after.start - before.stop for before, after in pairwise(columns)]) / self.line.tall
        usual = float(np.median(gaps)) if len(gaps) > 2 else 0.0
        parts = np.split(places, np.flatnonzero(gaps > max(APART, FAR * usual)) + 1) if places else []
        return tuple(
            Number(
                tuple(self._digit(self.path.segments[place], contract) for place in part),
                self.path.probability(part[0], part[-1] + 1),
            )
            for part in parts
        )

    def _digit(self, segment: Segment, contract: Contract) -> Digit:
        best = int(segment.probabilities.argmax())
        accepted = contract.rejection_reason(segment.probabilities) is None
        box = self.view.box(self.line, segment.box)
        score = float(segment.probabilities[best])
        return Digit(contract.labels[best], score, accepted, box, segment.pixels.copy())  # of many that were drawn


def answer(lines: list[Written], contract: Contract) -> Reading:
    """The answer for lines from top to bottom, without those that are mostly no digits, if others are."""
    numbers = [line.numbers(contract) for line in lines]
    kept = [_is_likely(some) for some in numbers]
    if not any(kept):
        kept = [bool(some) for some in numbers]
    left_out = [
        (
            line.view.box(line.line, segment.box),
            not segment.is_as_large_as_digits or line.path.probability(place, place + 1) > CERTAIN,
        )
        for line, whole in zip(lines, kept, strict=True)
        for place, segment in enumerate(line.path.segments)
        if segment.sign or not whole
    ]
    signs = [line.view.box(line.line, sign) for line in lines for sign in line.line.signs]
    read = tuple(some for some, whole in zip(numbers, kept, strict=True) if whole)
    every = [number for some in read for number in some]
    reason = None
    if not every and not left_out:
        reason = "no ink"
    elif not every or not all(sure for _, sure in left_out):
        reason = "unreadable part"
    elif not all(digit.accepted for number in every for digit in number.digits):
        reason = "not like training data"
    elif any(number.score < LIKELY for number in every):
        reason = "unsure"
    return Reading(read, reason is None, reason, tuple(dict.fromkeys([*(box for box, _ in left_out), *signs])))


def _is_likely(numbers: tuple[Number, ...]) -> bool:
    """Whether at least half of a line's figures are accepted as digits."""
    accepted = [digit.accepted for number in numbers for digit in number.digits]
    return bool(accepted) and 2 * sum(accepted) >= len(accepted)

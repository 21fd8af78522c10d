"""Choose how a line is divided into digits: the best path through a lattice of its pieces.

Each run of up to seven neighbouring pieces may be one digit. The classifier that `predict` uses reads all of them. The
score of a path from the first piece to the last is the sum of the logarithms of the probabilities of its digits, of the
boundaries between them, and of the absence of boundaries within them: integrated segmentation and recognition (Liu,
Sako and Fujisawa 2004). A run may also be a sign or a letter: the model was trained to spread the probability of what
is no digit over all classes, so what lies outside the two most probable ones tells how likely that is. How sure a
number is follows from comparing all divisions that give its digits with all others (the forward-backward algorithm,
Rabiner 1989).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from ..metadata import familiarity
from ..picture.connected_components import components, extremes
from ..picture.mnist_form import in_box
from ..picture.stroke_width import evened, widened
from .lines import Line
from .seams import Seam

State = tuple[int, int]  # number of pieces up to here, number of digits up to here
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Box = tuple[slice, slice]  # rows and columns

LONGEST: Final = 7  # pieces in one digit
WIDEST: Final = 1.5  # of the larger of the line's and the digit's height
LOWEST: Final = 0.6  # of the line's height: digits are usually at least that high
LOW: Final = 0.12  # standard deviation of the height of those that are lower
FARTHEST: Final = 0.25  # of the line's height: usual distance of a digit's middle from the line's
FAR: Final = 0.1  # standard deviation of the distance of those that are farther
WHOLE: Final = 0.8  # a figure with this share of its pixels on one side of a boundary is not cut
LEAST: Final = 0.15  # of the line's height: longer side of a piece
INKED: Final = 0.3  # ink of a pixel that counts
LEAST_LIKELY: Final = 1e-3  # smallest probability of a digit or a sign
CERTAIN: Final = 0.95  # probability of a boundary that no digit crosses
SURE: Final = 0.01  # a boundary is never more sure than that, either way
WIDEST_SIGN: Final = 1.0  # of the line's height, of a sign as high as a digit
SIGN: Final = 0.4  # probability that something else than a digit is a sign, and no wrong division


@dataclass(frozen=True, eq=False)
class Segment:
    """A run of pieces taken for a digit or a sign."""

    first: int
    after: int  # the last piece plus 1
    box: Box  # in the line's ink
    pixels: npt.NDArray[np.uint8]  # uint8[28, 28], its ink in MNIST's form
    probabilities: Floats  # float32[C], of the classes
    sign: bool  # whether it is taken for a sign or a letter, which is left out
    shares: Floats  # float32[C], the same if it is a digit
    fits: float  # how well its height and place fit a digit of this line, from 0 to 1
    weight: float  # logarithm of the probability that it is one, with its boundaries

    @property
    def label(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    def as_class(self, label: int) -> float:
        """Logarithm of the probability that it is a digit of this class, with its boundaries."""
        return self.weight + float(np.log(max(self.shares[label], LEAST_LIKELY)))

    @property
    def cost(self) -> float:
        """Logarithm of the probability that it is what it looks most like, with its boundaries."""
        return self.weight if self.sign else self.as_class(self.label)

    @property
    def is_as_large_as_digits(self) -> bool:
        """Whether its height and place are those of a digit rather than of a comma or a dash."""
        return self.fits > 0.5


@dataclass(frozen=True, eq=False)
class Path:
    """The division of a line into digits and signs."""

    segments: tuple[Segment, ...]
    lattice: tuple[Segment, ...]  # all that the line could be divided into
    before: tuple[float, ...]  # logarithm of the probability of all ways to each segment's begin, and to the end
    behind: tuple[float, ...]  # the same from there to the end

    def probability(self, first: int, after: int) -> float:
        """Probability of the labels of the segments from `first` to before `after`, however they are divided."""
        labels = [segment.label for segment in self.segments[first:after] if not segment.sign]
        start, end = self.segments[first].first, self.segments[after - 1].after
        ways = {(start, 0): 0.0}
        for segment in self.lattice:
            for count in range(len(labels) + segment.sign):
                state, following = (segment.first, count), (segment.after, count + (not segment.sign))
                if state in ways and segment.after <= end:
                    step = ways[state] + (segment.weight if segment.sign else segment.as_class(labels[count]))
                    ways[following] = _either(ways.get(following, -np.inf), step)
        return float(np.exp(self.before[first] + ways[end, len(labels)] + self.behind[after] - self.behind[0]))


@dataclass(frozen=True, eq=False)
class Pieces:
    """A line of writing, cut at its boundaries."""

    ink: Floats  # float32[H, W] of the line, from 0 to 1
    owner: Ints  # int[H, W], the number of the piece of each pixel, from left to right
    top: list[int]  # P, as the other sides of the boxes of the pieces' ink
    bottom: list[int]  # exclusive
    left: list[int]
    right: list[int]  # exclusive
    boundaries: npt.NDArray[np.float64]  # float64[P - 1], the probability of the boundary behind each but the last

    def __len__(self) -> int:
        return len(self.top)

    def box(self, first: int, after: int) -> Box:
        """Rows and columns of the ink of some neighbours."""
        return (
            slice(min(self.top[first:after]), max(self.bottom[first:after])),
            slice(min(self.left[first:after]), max(self.right[first:after])),
        )

    def bounded(self, first: int, after: int) -> float:
        """Logarithm of the probability that a boundary is behind some neighbours, and none between them."""
        sure = np.clip(self.boundaries[first:after], SURE, 1 - SURE)
        inner = after - 1 - first
        return float(np.log(1 - sure[:inner]).sum() + np.log(sure[inner:]).sum())

    def is_alone(self, first: int, after: int) -> bool:
        """Whether some neighbours are certainly apart from all others."""
        ends = [*self.boundaries[max(0, first - 1) : first], *self.boundaries[after - 1 : after]]
        return bool(ends) and min(ends) > CERTAIN

    def drawn(self, first: int, after: int) -> npt.NDArray[np.uint8]:
        """The ink of some neighbours in MNIST's form, uint8[28, 28]."""
        box = self.box(first, after)
        owner = self.owner[box]
        return in_box(evened(self.ink[box] * ((first <= owner) & (owner < after)), narrow=True))


def best_path(
    ink: Floats, line: Line, seams: list[Seam], classify: Callable[[npt.NDArray[np.uint8]], Floats], digits: int | None
) -> Path | None:
    """Divide a line's ink float32[H, W] into `digits` digits, or as many as are likely; None if that is impossible."""
    pieces = _cut(ink, line.tall, seams)
    runs = _runs(pieces, line.tall)
    if not runs:
        return None
    drawn = np.stack([pieces.drawn(first, after) for first, after in runs])
    segments = [
        segment
        for run, pixels, probabilities in zip(runs, drawn, classify(drawn), strict=True)
        for segment in _meanings(pieces, run, pixels, probabilities, line)
    ]
    return _search(segments, len(pieces), digits)


def _cut(ink: Floats, tall: float, seams: list[Seam]) -> Pieces:
    """Cut a line at its boundaries, but no figure that is almost whole on one side of them."""
    height, width = ink.shape
    count = len(seams) + 1
    edges = np.maximum.accumulate([np.zeros(height), *(seam.columns for seam in seams)])[1:]
    passed = np.zeros((height, width + 1), np.intp)  # boundaries that end at the left of each pixel
    np.add.at(passed, (np.arange(height), np.searchsorted(np.arange(width) + 0.5, edges, "right")), 1)
    owner = np.cumsum(passed, axis=1)[:, :-1]
    mask = ink > INKED
    figures = components(mask)
    figure = figures.numbers()
    shares = np.bincount(figure[mask] * count + owner[mask], minlength=len(figures) * count).reshape(-1, count)
    whole = np.where(shares.max(axis=1) >= WHOLE * shares.sum(axis=1), shares.argmax(axis=1), -1)
    owners = np.append(whole, -1)[widened(figure)]  # with the ink beside it
    owner = np.where(owners >= 0, owners, owner)
    owned, inked = owner[mask], np.nonzero(mask)
    top, left = (extremes(np.minimum, owned, places, np.full(count, height + width)) for places in inked)
    bottom, right = (extremes(np.maximum, owned, places + 1, np.zeros(count, np.intp)) for places in inked)
    kept = np.maximum(bottom - top, right - left) >= LEAST * tall
    behind = np.append([seam.probability for seam in seams], 1.0)
    parts = np.flatnonzero(kept)
    boundaries = [behind[one:other].max() for one, other in pairwise(parts)]  # with nothing between two: one
    numbered = np.where(kept, np.cumsum(kept) - 1, -1)
    return Pieces(
        ink,
        numbered[owner],
        top[kept].tolist(),
        bottom[kept].tolist(),
        left[kept].tolist(),
        right[kept].tolist(),
        np.array(boundaries),
    )


def _runs(pieces: Pieces, tall: float) -> list[tuple[int, int]]:
    """First piece and last piece plus 1 of each run that is narrow enough for a digit."""
    runs = []
    for first in range(len(pieces)):
        for after in range(first + 1, min(len(pieces), first + LONGEST) + 1):
            height, width = (side.stop - side.start for side in pieces.box(first, after))
            crossed = pieces.boundaries[first : after - 1].max(initial=0)
            if width > WIDEST * max(tall, height) or crossed > CERTAIN:
                break
            runs.append((first, after))
    return runs


def _meanings(
    pieces: Pieces, run: tuple[int, int], pixels: npt.NDArray[np.uint8], probabilities: Floats, line: Line
) -> list[Segment]:
    """A run of pieces as a digit and as a sign."""
    first, after = run
    box = rows, columns = pieces.box(first, after)
    low = max(0.0, LOWEST - (rows.stop - rows.start) / line.tall) / LOW
    away = (rows.start + rows.stop) / 2 - line.middle - line.slope * (columns.start + columns.stop) / 2
    off = max(0.0, abs(away) / line.tall - FARTHEST) / FAR
    fits = float(np.exp(-(low * low + off * off) / 2))
    classes = len(probabilities)
    spread = (1 - float(familiarity(probabilities[None])[0])) * classes / max(1, classes - 2)
    bounded = pieces.bounded(first, after)
    prior = 1.0 if pieces.is_alone(first, after) else SIGN
    written = max(fits * (1 - spread), LEAST_LIKELY)
    other = max(prior * (1 - fits * (1 - spread)), LEAST_LIKELY)
    shares = (probabilities - spread / classes).clip(min=LEAST_LIKELY)
    shares /= shares.sum()
    digit, sign = (
        Segment(first, after, box, pixels, probabilities, kind, shares, fits, bounded + float(np.log(weight)))
        for kind, weight in ((False, written), (True, other))
    )
    if digit.is_as_large_as_digits and columns.stop - columns.start > WIDEST_SIGN * line.tall:
        return [digit]
    return [digit, sign]


def _search(segments: list[Segment], pieces: int, digits: int | None) -> Path | None:
    """The most probable path, by dynamic programming over the pieces (and the number of digits, where it is given)."""
    start, end = (0, 0), (pieces, digits or 0)
    best: dict[State, tuple[float, tuple[Segment, ...], tuple[State, ...]]] = {start: (0.0, (), (start,))}
    before = {start: 0.0}
    steps = [(segment, count) for segment in segments for count in range((digits or 0) + 1)]
    for segment, count in steps:
        state, following = (segment.first, count), _following(segment, count, digits)
        if state in before and following[1] <= end[1]:
            before[following] = _either(before.get(following, -np.inf), before[state] + segment.weight)
            cost, way, states = best[state]
            if following not in best or cost + segment.cost > best[following][0]:
                best[following] = cost + segment.cost, (*way, segment), (*states, following)
    behind = {end: 0.0}
    for segment, count in reversed(steps):
        state, following = (segment.first, count), _following(segment, count, digits)
        if following in behind:
            behind[state] = _either(behind.get(state, -np.inf), behind[following] + segment.weight)
    if end not in best:
        return None
    _, way, states = best[end]
    return Path(
        way, tuple(segments), tuple(before[state] for state in states), tuple(behind[state] for state in states)
    )


def _following(segment: Segment, count: int, digits: int | None) -> State:
    """The place behind a segment, and the number of digits up to there, which is 0 if it does not matter."""
    return segment.after, 0 if digits is None else count + (not segment.sign)


def _either(one: float, other: float) -> float:
    """Logarithm of the sum of two probabilities, given their logarithms; several times as fast as np.logaddexp."""
    return max(one, other) + math.log1p(math.exp(-abs(one - other)))

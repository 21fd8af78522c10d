"""Choose how a line is divided into digits: the best path through a lattice of its pieces.

Each run of up to four neighbouring pieces may be one digit. The classifier that `predict` uses reads all of them. The
score of a path from the first piece to the last is the sum of the logarithms of the probabilities of its digits, of the
boundaries between them, and of the absence of boundaries within them: integrated segmentation and recognition (Liu,
Sako and Fujisawa 2004).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..picture.connected_components import components
from ..picture.mnist_form import bounding_box, in_box
from ..picture.stroke_width import evened, widened
from .seams import Seam

Floats = npt.NDArray[np.float32]

LONGEST: Final = 4  # pieces in one digit
WIDEST: Final = 1.5  # of the larger of the line's and the digit's height
LOWEST: Final = 0.5  # of the line's height, of a digit that costs nothing extra
LOW: Final = 1.0  # cost of a digit that is lower
WHOLE: Final = 0.8  # a figure with this share of its pixels on one side of a boundary is not cut
LEAST: Final = 0.006  # of the square of the line's height: pixels of a piece
INKED: Final = 0.3  # ink of a pixel that counts
SURE: Final = 0.01  # a boundary is never more sure than that, either way


@dataclass(frozen=True, eq=False)
class Segment:
    """A run of pieces that may be a digit."""

    first: int
    after: int  # the last piece plus 1
    box: tuple[slice, slice]  # in the line's ink
    probabilities: Floats  # float32[C], of the classes


@dataclass(frozen=True, eq=False)
class Path:
    """A division of a line into digits."""

    segments: tuple[Segment, ...]
    scores: tuple[float, ...]  # of each segment, the logarithm of its probability with its boundaries

    @property
    def score(self) -> float:
        """Logarithm of its probability."""
        return sum(self.scores)


def best_path(
    ink: Floats, tall: float, seams: list[Seam], classify: Callable[[npt.NDArray[np.uint8]], Floats], digits: int | None
) -> Path | None:
    """Divide a line's ink float32[H, W] into `digits` digits, or as many as are likely; None if that is impossible."""
    pieces, boundaries = _cut(ink, tall, seams)
    runs = _runs(pieces, tall)
    if not runs:
        return None
    drawn = [
        in_box(evened(np.maximum.reduce([pieces[i][box] for i in range(first, after)]), narrow=True))
        for first, after, box in runs
    ]
    answers = classify(np.stack(drawn))
    segments = [Segment(*run, answer) for run, answer in zip(runs, answers, strict=True)]
    return _search(segments, len(pieces), boundaries, tall, digits)


def _cut(ink: Floats, tall: float, seams: list[Seam]) -> tuple[list[Floats], list[float]]:
    """The pieces of a line, each float32[H, W], and the probability of the boundary behind each but the last."""
    columns = np.arange(ink.shape[1]) + 0.5
    edges = np.maximum.accumulate([seam.columns for seam in seams]) if seams else np.zeros((0, len(ink)))
    owner = (columns > edges[:, :, None]).sum(axis=0)  # the number of the piece of each pixel
    figures = components(ink > INKED)
    for index in range(len(figures)):
        mask = figures.mask(np.arange(len(figures)) == index)
        shares = np.bincount(owner[mask])
        if WHOLE * shares.sum() <= shares.max() < shares.sum():
            owner[widened(mask)] = shares.argmax()
    pieces: list[Floats] = []
    boundaries: list[float] = []
    for number, probability in enumerate([*(seam.probability for seam in seams), 1.0]):
        piece = ink * (owner == number)
        if (piece > INKED).sum() < LEAST * tall * tall:
            if boundaries:  # two boundaries with nothing between: one
                boundaries[-1] = max(boundaries[-1], probability)
            continue
        pieces.append(piece)
        boundaries.append(probability)
    return pieces, boundaries[:-1]


def _runs(pieces: list[Floats], tall: float) -> list[tuple[int, int, tuple[slice, slice]]]:
    """First piece, last piece plus 1, and box of each run of pieces that is narrow enough for a digit."""
    boxes = [bounding_box(piece > INKED) for piece in pieces]
    runs = []
    for first in range(len(pieces)):
        for after in range(first + 1, min(len(pieces), first + LONGEST) + 1):
            some = boxes[first:after]
            rows, columns = (
                slice(min(box[axis].start for box in some), max(box[axis].stop for box in some)) for axis in (0, 1)
            )
            box = rows, columns
            height, width = (side.stop - side.start for side in box)
            if width > WIDEST * max(tall, height):
                break
            runs.append((first, after, box))
    return runs


def _search(
    segments: list[Segment], pieces: int, boundaries: list[float], tall: float, digits: int | None
) -> Path | None:
    """The most probable path, by dynamic programming over the pieces (and the number of digits, where it is given)."""
    sure = np.clip(boundaries, SURE, 1 - SURE)
    ends, inner = np.log(np.append(sure, 1.0)), np.log(1 - sure)
    best: list[dict[int, Path]] = [{} for _ in range(pieces + 1)]
    best[0][0] = Path((), ())
    for segment in segments:
        height = segment.box[0].stop - segment.box[0].start
        cost = (
            float(np.log(max(segment.probabilities.max(), 1e-3)))
            - LOW * (height < LOWEST * tall)
            + float(inner[segment.first : segment.after - 1].sum() + ends[segment.after - 1])
        )
        for count, path in best[segment.first].items():
            key = 0 if digits is None else count + 1
            old = best[segment.after].get(key)
            if (old is None or path.score + cost > old.score) and key <= (digits or 0):
                best[segment.after][key] = Path((*path.segments, segment), (*path.scores, cost))
    return best[pieces].get(digits or 0)

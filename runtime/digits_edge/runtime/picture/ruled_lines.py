"""Find and remove the printed lines of ruled and squared paper."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

SLOPES: Final = 17
STEEPEST: Final = 0.14  # rise over run, 8 degrees from level or upright
COVERED: Final = 0.85  # smallest share of a line's way across the picture that has ink
LEAST: Final = 2  # lines, since a single one may be a stroke of the digit
STRIP: Final = 2.0  # a picture that is so many times as wide as high is a strip, and no stroke runs along it
MOST: Final = 24  # lines in one direction
HALF: Final = 2  # pixels examined on each side of a line's middle
ABOVE: Final = 1.5  # pixels stronger than this times the line's median ink are kept
THICK: Final = 0.5  # a line with ink beside more than this share of it is a stroke or a shadow
CROSSING: Final = 0.6  # a stroke crosses where the ink beside the line exceeds this share of the line's own


class Line(NamedTuple):
    """A printed line: flat indices int[columns, 5] of its pixels that nothing crosses, and its strongest ink."""

    band: Ints
    highest: float


def without_lines(strength: Floats, level: float) -> Floats:
    """Remove straight lines that run from side to side from ink float32[H, W]; there is none below `level`.

    Lines are peaks of projections along nearly horizontal and nearly vertical directions (the Radon transform at few
    angles). Two or more of them count as print, and one along a strip. Strokes that cross them are kept where they are
    stronger.
    """
    across = _level_lines(strength, level)
    cleared = _taken_off(strength, across)  # except where vertical lines cross
    down = _level_lines(cleared.T, level)
    if len(across) + len(down) >= LEAST:
        return _taken_off(cleared.T, down).T
    return cleared if strength.shape[1] > STRIP * strength.shape[0] else strength


def _level_lines(strength: Floats, level: float) -> list[Line]:
    """The nearly horizontal lines, strongest first, without those as thick as a stroke."""
    height, width = strength.shape
    shifts, lengths = _courses(height, width)
    inked = strength > level
    inked[1:-1] |= inked[:-2] | inked[2:]
    if np.count_nonzero(inked.any(axis=0)) < COVERED * width / 2:
        return []
    places = np.flatnonzero(inked.T)  # column by column, since counting the same row again and again is slow
    x = places // height
    above = int(shifts.max())
    y = places - x * height + above
    counts = np.stack([np.bincount(y - shift[x], minlength=above + height)[above : above + height] for shift in shifts])
    cover = counts / np.maximum(lengths, width / 2)  # (slopes, H)
    flat, ink = strength.ravel(), np.zeros(cover.shape, np.float32)
    for slope, row in zip(*np.nonzero(cover >= COVERED), strict=True):
        ink[slope, row] = flat[_course(shifts[slope], int(row), height)].sum()  # largest at the right slope
    lines: list[Line] = []
    while len(lines) < MOST and ink.max() > 0:
        slope, row = np.unravel_index(int(np.argmax(ink)), ink.shape)
        middle = _course(shifts[slope], int(row), height)
        ink[:, max(0, row - 2 * HALF) : row + 2 * HALF + 1] = 0
        band = _rows_around(middle, width, range(-HALF, HALF + 1), flat.size)
        printed = float(np.median(flat[band].max(axis=1)))
        beyond = flat[_rows_around(middle, width, (-HALF - 2, -HALF - 1, HALF + 1, HALF + 2), flat.size)]
        crossed = beyond.max(axis=1) > CROSSING * printed
        if crossed.mean() < THICK:
            lines.append(Line(band[~crossed], ABOVE * printed))
    return lines


def _taken_off(strength: Floats, lines: list[Line]) -> Floats:
    flat = strength.flatten()
    for line in lines:
        flat[line.band[flat[line.band] <= line.highest]] = 0
    return flat.reshape(strength.shape)


def _rows_around(line: Ints, width: int, rows: Sequence[int], size: int) -> Ints:
    """Flat indices int[columns, rows] at these distances from a line; the line's own where they are outside."""
    places = line[:, None] + width * np.array(rows)
    return np.where((places >= 0) & (places < size), places, line[:, None])


@lru_cache(maxsize=64)
def _courses(height: int, width: int) -> tuple[Ints, Ints]:
    """By how much lines of each slope fall, int[slopes, W], and how many pixels they have, int[slopes, H]."""
    slopes = np.linspace(-STEEPEST, STEEPEST, SLOPES)
    shifts = np.rint(slopes[:, None] * (np.arange(width) - width / 2)).astype(np.intp)
    rows = np.arange(height)
    lengths = [
        np.searchsorted(some, height - rows, "left") - np.searchsorted(some, -rows, "left")
        for some in np.sort(shifts, axis=1)
    ]
    return shifts, np.stack(lengths)


def _course(shifts: Ints, row: int, height: int) -> Ints:
    """Flat indices of a line's pixels from left to right, by its middle row and by how much it falls."""
    rows = row + shifts
    inside = (rows >= 0) & (rows < height)
    return (rows * len(shifts) + np.arange(len(shifts)))[inside]

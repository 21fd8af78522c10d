"""Find the lines of writing in a picture: which figures are writing, and which of them stand side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..picture.connected_components import Components
from ..picture.median import median
from ..picture.mnist_form import bounding_box

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MOST: Final = 200  # figures as high as digits; the highest, if there are more
MOST_LINES: Final = 50  # the longest, if there are more
SMALLEST: Final = 6  # pixels of the longer side; anything smaller is a speck
SPECK: Final = 0.25  # of the usual height; smaller figures are no parts of digits
SMALL: Final = 0.45  # of the usual height; smaller figures are parts of digits or signs, and start no line
TALL: Final = 2.2  # of the usual height; taller figures are drawings, tables or margins
THIN: Final = 0.12  # a figure along the border whose one side is this share of the other is a margin or a line
BELOW: Final = 0.4  # of the height of a line: how far below its middle the middle of a sign is
COMMA: Final = 0.7  # of the height of a line: highest sign that stands partly below it
OVERLAP: Final = 0.35  # of the lower of two neighbours' heights, that their heights have in common in one line
BESIDE: Final = 1.0  # of the line's height: largest distance of a sign from the digits it stands beside
NEAR: Final = 0.12  # of the line's height: largest distance of a part from its digit


@dataclass(frozen=True, eq=False)
class Line:
    """A line of writing."""

    box: tuple[slice, slice]  # rows and columns in the picture
    mask: Mask  # its pixels in the box, bool[H, W]
    tall: float  # the usual height of its figures, in pixels
    middle: float  # of its figures, in pixels below the top of the box, at the box's left side
    slope: float  # by which it falls to the right; 0 for a single figure
    signs: tuple[tuple[slice, slice], ...]  # rows and columns, from the box's corner, of what is too low for a digit


def find_lines(figures: Components) -> list[Line]:
    """Group figures to lines of writing, from top to bottom."""
    writing = np.flatnonzero((figures.longer >= SMALLEST) & ~_is_margin(figures))
    if not len(writing):
        return []
    heights = figures.height[writing]
    usual = median(heights[heights >= 0.4 * heights.max()])
    sized = (figures.height < TALL * usual) & (figures.longer >= SPECK * usual)
    writing = writing[sized[writing]]
    high = figures.height[writing] >= SMALL * usual
    main, small = writing[high], writing[~high]
    main = main[np.argsort(-figures.height[main], kind="stable")[:MOST]]
    lines = _chained(figures, main)
    signs = _are_signs(figures, lines)
    small = np.concatenate([small, *(line for line, sign in zip(lines, signs, strict=True) if sign)]).astype(np.intp)
    lines = [line for line, sign in zip(lines, signs, strict=True) if not sign]
    lines = sorted(lines, key=len)[-MOST_LINES:]
    lines.sort(key=lambda line: float(np.mean(figures.top[line] + figures.bottom[line])))
    return [_line(figures, line, small) for line in lines]


def _is_margin(figures: Components) -> Mask:
    """Which figures at the border are a dark margin, a table's edge or a printed line."""
    height, width = figures.shape
    along = (figures.height < THIN * figures.width) | (
        (figures.width < THIN * figures.height) & (figures.height > 0.8 * height)
    )
    corner = (figures.sides >= 2) & (figures.longer > 0.6 * max(height, width))
    return np.asarray((figures.sides > 0) & (along | corner))


def _chained(figures: Components, main: Ints) -> list[list[int]]:
    """Chain figures from left to right: each follows the nearest line whose last figure is at its height."""
    lines: list[list[int]] = []
    for figure in main[np.argsort(figures.left[main], kind="stable")]:
        ends = np.array([line[-1] for line in lines], np.intp)
        common = np.minimum(figures.bottom[ends], figures.bottom[figure]) - np.maximum(
            figures.top[ends], figures.top[figure]
        )
        beside = common > OVERLAP * np.minimum(figures.height[ends], figures.height[figure])
        if beside.any():
            nearest = int(np.argmax(np.where(beside, figures.right[ends], -1)))
            lines[nearest].append(int(figure))
        else:
            lines.append([int(figure)])
    return lines


def _are_signs(figures: Components, lines: list[list[int]]) -> Mask:
    """Which lines bool[L] are low and stand partly at the height of a longer one, as commas do."""
    count = np.array([len(line) for line in lines])
    tall = np.array([figures.height[line].max() for line in lines])
    usual = np.array([median(figures.height[line]) for line in lines])
    top = np.array([figures.top[line].min() for line in lines])
    bottom = np.array([figures.bottom[line].max() for line in lines])
    common = np.minimum(bottom[:, None], bottom) > np.maximum(top[:, None], top)
    return np.asarray((common & (count[:, None] < count) & (tall[:, None] < COMMA * usual)).any(axis=1))


def _line(figures: Components, members: list[int], small: Ints) -> Line:
    tall = median(figures.height[members])
    y, x = (figures.top + figures.bottom) / 2, (figures.left + figures.right) / 2
    across, down = x[members] - x[members].mean(), y[members] - y[members].mean()
    slope = float((across * down).sum() / (across * across).sum()) if np.ptp(across) > tall else 0.0
    level = y - slope * x  # of each figure, in the column 0
    middle = median(level[members])
    apart = _distances(figures, small, np.array(members))
    every = np.array([*members, *small[apart < NEAR * tall]])
    below = (level[every] > middle + BELOW * tall) & (figures.height[every] < COMMA * tall)
    mask = figures.mask(np.isin(np.arange(len(figures)), every[~below]))
    box = rows, columns = bounding_box(mask)
    signs = tuple(
        (
            slice(int(figures.top[one]) - rows.start, int(figures.bottom[one]) - rows.start),
            slice(int(figures.left[one]) - columns.start, int(figures.right[one]) - columns.start),
        )
        for one in [*every[below], *small[(NEAR * tall <= apart) & (apart < BESIDE * tall)]]
    )
    return Line(box, mask[box], tall, middle + slope * columns.start - rows.start, slope, signs)


def _distances(figures: Components, some: Ints, others: Ints) -> npt.NDArray[np.float64]:
    """The least distance of each figure's box from those of others, in pixels, float64[some]."""
    left, right, top, bottom = (
        side[some][:, None] for side in (figures.left, figures.right, figures.top, figures.bottom)
    )
    beside = np.maximum(figures.left[others] - right, left - figures.right[others])
    below = np.maximum(figures.top[others] - bottom, top - figures.bottom[others])
    return np.asarray(np.hypot(beside.clip(min=0), below.clip(min=0)).min(axis=1))

"""Find the connected components of a mask, with numpy alone and without a loop over pixels.

Rows are split into runs. Runs that touch in neighbouring rows are joined by a parallel union-find: the root of each
pair's higher label is attached to the lower one, then labels are compressed (after Shiloach and Vishkin 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Components:
    """K connected components of a mask, with 8-connectivity."""

    shape: tuple[int, int]  # of the mask
    top: Ints  # int[K], as the other sides of the bounding boxes and the areas
    bottom: Ints  # exclusive
    left: Ints
    right: Ints  # exclusive
    area: Ints  # in pixels
    sides: Ints  # number of sides of the mask that each touches
    border: Ints  # pixels on the mask's border
    sums: tuple[npt.NDArray[np.float64], ...]  # float64[K] for each image: the sum over each component's pixels
    _starts: Ints  # of the runs, in the mask with two empty columns behind each row, flattened
    _ends: Ints
    _labels: Ints

    def __len__(self) -> int:
        return len(self.area)

    @property
    def height(self) -> Ints:
        """Heights of the boxes, int[K]."""
        return self.bottom - self.top

    @property
    def width(self) -> Ints:
        """Widths of the boxes, int[K]."""
        return self.right - self.left

    @property
    def longer(self) -> Ints:
        """Longer sides of the boxes, int[K]."""
        return np.maximum(self.height, self.width)

    def mask(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """The pixels bool[H, W] of the chosen components bool[K]."""
        height, width = self.shape
        runs = chosen[self._labels]
        changes = np.stack([self._starts[runs], self._ends[runs]], axis=1).ravel()
        lengths = np.diff(changes, prepend=0, append=height * (width + 2))
        return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width + 2)[:, :width]

    def numbers(self) -> Ints:
        """The number of the component at each pixel, int[H, W]; -1 where there is none."""
        height, width = self.shape
        steps = np.zeros(height * (width + 2) + 1, np.intp)
        steps[self._starts] = self._labels + 1
        steps[self._ends] = -self._labels - 1
        return np.cumsum(steps[:-1]).reshape(height, width + 2)[:, :width] - 1


def components(mask: npt.NDArray[np.bool_], *images: npt.NDArray[Any]) -> Components:
    """Find the connected components of a mask bool[H, W], and sum images [H, W] over each of them."""
    height, width = mask.shape
    stride = width + 2
    padded = np.zeros(1 + height * stride, np.bool_)
    padded[1:].reshape(height, stride)[:, :width] = mask
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = changes[::2], changes[1::2]
    # the runs of the next row that touch a run are consecutive in the order of all runs
    first = np.searchsorted(ends - stride, starts, "left")
    beyond = np.searchsorted(starts - stride, ends, "right")
    touching = np.maximum(beyond - first, 0)
    upper = np.repeat(np.arange(len(starts)), touching)
    lower = np.arange(len(upper)) + np.repeat(first + touching - np.cumsum(touching), touching)
    labels = _joined(len(starts), upper, lower)
    first_runs = labels == np.arange(len(labels))
    labels = (np.cumsum(first_runs) - 1)[labels]
    count = np.count_nonzero(first_runs)
    rows, left = np.divmod(starts, stride)
    lengths = ends - starts
    inked, behind = np.flatnonzero(mask), np.cumsum(lengths)
    sums: list[npt.NDArray[np.float64]] = []
    for image in images:
        values = image.ravel()[inked].astype(np.float32, copy=False)
        along = np.add.reduceat(values, behind - lengths) if count else behind
        sums.append(np.bincount(labels, along, count).astype(np.float64))
    ends_at = left + lengths
    level = (rows == 0) | (rows == height - 1)
    on_border = np.where(level, lengths, (left == 0).astype(np.intp) + (ends_at == width))
    top = extremes(np.minimum, labels, rows, np.full(count, height))
    bottom = extremes(np.maximum, labels, rows + 1, np.zeros(count, np.intp))
    leftmost = extremes(np.minimum, labels, left, np.full(count, width))
    right = extremes(np.maximum, labels, ends_at, np.zeros(count, np.intp))
    return Components(
        mask.shape,
        top=top,
        bottom=bottom,
        left=leftmost,
        right=right,
        area=np.bincount(labels, lengths, count).astype(np.intp),
        sides=(top == 0).astype(np.intp) + (bottom == height) + (leftmost == 0) + (right == width),
        border=np.bincount(labels, on_border, count).astype(np.intp),
        sums=tuple(sums),
        _starts=starts,
        _ends=ends,
        _labels=labels,
    )


def _joined(count: int, one: Ints, other: Ints) -> Ints:
    """For each run, the lowest number of the runs that the pairs (one, other) join it with, int[count]."""
    labels = np.arange(count)
    while True:
        a, b = labels[one], labels[other]
        if (a == b).all():
            return labels
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while (labels != (compressed := labels[labels])).any():
            labels = compressed


def extremes(of: np.ufunc, labels: Ints, values: Ints, start: Ints) -> Ints:
    """The least or greatest of `start` int[K] and the values int[N] of each label int[N]."""
    of.at(start, labels, values)
    return start

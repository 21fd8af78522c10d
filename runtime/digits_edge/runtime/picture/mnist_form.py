"""Bring a digit to the form in which MNIST stores digits.

The method is MNIST's own (LeCun, Cortes, Burges: "The MNIST database of handwritten digits"). The ink's bounding box is
scaled to fit 20 x 20 pixels with its proportions kept, and placed in 28 x 28 with its centre of mass in the middle.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .resize import resize

SIDE: Final = 28
BOX: Final = 20


def in_box(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Bring ink float32[H, W], 0 on paper, to MNIST's form uint8[28, 28], the strongest ink 255; all 0 without ink."""
    if not ink.any():
        return np.zeros((SIDE, SIDE), np.uint8)
    box = ink[bounding_box(ink)]
    scale = BOX / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    small = resize(box, height, width)
    return _centre(small * (255 / small.max())).astype(np.uint8)


def bounding_box(ink: npt.NDArray[Any]) -> tuple[slice, slice]:
    """The rows and columns of an image [H, W] outside of which it is 0 everywhere."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def is_normalised(grey: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture already has MNIST's form: 28 x 28, ink on black in a box of 20, centred by mass."""
    if grey.shape != (SIDE, SIDE) or grey.max() < 128:
        return False
    ink = np.argwhere(grey > 0)
    if (ink.max(axis=0) - ink.min(axis=0) >= BOX).any():
        return False
    return bool((np.abs(_centre_of_mass(grey.astype(np.float32)) - (SIDE - 1) / 2) <= 1).all())


def _centre_of_mass(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Centre of mass (row, column), in pixels."""
    total = image.sum()
    return np.array([(image.sum(axis=1 - axis) * np.arange(image.shape[axis])).sum() / total for axis in (0, 1)])


def _centre(small: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Place at most 20 x 20 pixels in 28 x 28, with the centre of mass as near to the middle as there is room."""
    row, column = (
        min(max(0, round((SIDE - 1) / 2 - place)), SIDE - side)
        for place, side in zip(_centre_of_mass(small), small.shape, strict=True)
    )
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[row : row + small.shape[0], column : column + small.shape[1]] = small
    return canvas

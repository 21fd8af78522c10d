"""Turn a picture so that slanted lines of writing become level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[Any]


def turned(strength: Floats, slope: float) -> Floats:
    """Turn ink float32[H, W] about its middle by the angle of a slope, into a larger image; bilinear interpolation."""
    height, width = _turned_shape(strength.shape, slope)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rows, columns = to_given(y, x, strength.shape, slope)
    framed = np.pad(strength, 1)
    rows, columns = (rows + 1).clip(0, framed.shape[0] - 1.001), (columns + 1).clip(0, framed.shape[1] - 1.001)
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, beside = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    upper = framed[top, left] * (1 - beside) + framed[top, left + 1] * beside
    lower = framed[top + 1, left] * (1 - beside) + framed[top + 1, left + 1] * beside
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def to_given(rows: Places, columns: Places, shape: tuple[int, ...], slope: float) -> tuple[Places, Places]:
    """The places in the given picture, of this shape, of places in the turned one."""
    height, width = _turned_shape(shape, slope)
    angle = math.atan(slope)
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    return (
        y * math.cos(angle) + x * math.sin(angle) + (shape[0] - 1) / 2,
        x * math.cos(angle) - y * math.sin(angle) + (shape[1] - 1) / 2,
    )


def _turned_shape(shape: tuple[int, ...], slope: float) -> tuple[int, int]:
    sine, cosine = abs(math.sin(math.atan(slope))), math.cos(math.atan(slope))
    return math.ceil(shape[0] * cosine + shape[1] * sine), math.ceil(shape[1] * cosine + shape[0] * sine)

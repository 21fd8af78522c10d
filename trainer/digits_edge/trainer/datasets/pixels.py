"""Bring arrays of pictures and classes, in whichever form they were saved, to the one form of a dataset."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.batch.csv_header import picture_shape
from digits_edge.runtime.errors import DatasetError

# Ranges in which people save pixels, by their black and white; one that holds all values is taken, the narrowest first.
RANGES: Final = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
BEYOND: Final = 0.2  # how far values of the range 0 to 1 may be beyond it, as after interpolation
LARGEST: Final = 2**53  # a class


class Labelled(NamedTuple):
    """Pictures with their classes, as they are read."""

    pixels: npt.NDArray[np.uint8]  # [N, H, W] or [N, H, W, 3]
    classes: npt.NDArray[Any]  # int64[N] or str[N]


def labelled(x: Any, y: Any, where: str, shape: tuple[int, ...] | None = None, *, by_columns: bool = False) -> Labelled:
    """Bring pictures and classes from a file to the form of a dataset.

    Args:
        x: Pictures: [N, H, W], [N, H, W, 1 or 3], [N, 1 or 3, H, W], [H, W, ..., N], or flat [N, H*W].
        y: Classes: [N], [N, 1] or one-hot [N, C]; whole numbers, names, or bytes.
        where: Name of the file and of its arrays, in messages.
        shape: Shape of a picture, or None to tell it by the array.
        by_columns: Whether flat pictures are stored column after column, as MATLAB does.

    Raises:
        DatasetError: The arrays are not pictures and their classes.
    """
    classes = to_classes(y, where)
    pictures = _to_pictures(np.asarray(x), len(classes), where, shape, by_columns)
    try:
        return Labelled(np.ascontiguousarray(to_bytes(pictures, where)), classes)
    except ValueError as error:
        raise DatasetError(f"{where}: {error}") from None


def to_bytes(values: npt.NDArray[Any], where: str, *, whole: bool = False) -> npt.NDArray[np.uint8]:
    """Bring pixels to uint8 from 0 to 255, and say which range they were in if it was another.

    If they must be `whole` numbers, fractions are allowed from 0 to 1 and from -1 to 1 only.

    Raises:
        ValueError: The values are no pixels.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers as pixels, found {values.dtype}")
    if not values.size:
        return values.astype(np.uint8)
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind != "f":
        if not 0 <= low <= high <= 255:
            raise ValueError(f"expected whole numbers from 0 to 255, found {low:g} to {high:g}")
        return values.astype(np.uint8, copy=False)
    margin = BEYOND if low < 0 < high else 0.0
    for black, white in RANGES:
        slack = margin if (black, white) == (0, 1) else 0
        if black - slack <= low and high <= white + slack:
            break
    else:  # also for values that are no numbers
        raise ValueError(f"expected whole numbers from 0 to 255, or pixels from 0 to 1, found {low:g} to {high:g}")
    if white == 255:
        if not np.array_equal(values, np.rint(values)):
            if whole:
                raise ValueError("expected whole numbers from 0 to 255")
            say(f"{where}: pixels with fractions are rounded")
        return np.asarray(np.rint(values), np.uint8)
    say(f"{where}: pixels from {low:g} to {high:g} are read as {black:g} for black to {white:g} for white")
    scaled = (values.astype(np.float32) - np.float32(black)) * np.float32(255 / (white - black))
    return np.asarray(np.rint(scaled.clip(0, 255)), np.uint8)


def to_classes(classes: Any, where: str) -> npt.NDArray[Any]:
    """Bring classes to int64[N] or str[N] from [N], [N, 1] or one-hot [N, C], of numbers, names or bytes."""
    y: npt.NDArray[Any] = np.asarray(classes)
    if y.ndim == 2 and 1 in y.shape:
        y = y.reshape(-1)
    if y.dtype.kind == "O" and all(isinstance(one, str | bytes) for one in y.flat):
        y = np.array([one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in y.flat], np.str_)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    if y.ndim == 2 and y.dtype.kind in "biuf" and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    if y.dtype.kind == "f" and np.array_equal(y, np.rint(y)) and np.abs(y).max(initial=0) < LARGEST:
        y = y.astype(np.int64)
    if y.ndim != 1 or y.dtype.kind not in "biuU":
        raise DatasetError(
            f"{where}: expected one class for each picture, as a whole number, a name or one-hot, "
            f"received {y.dtype}{list(y.shape)}"
        )
    if y.dtype.kind == "U":
        return y
    if len(y) and not 0 <= y.min() <= y.max() < LARGEST:
        raise DatasetError(f"{where}: expected classes from 0 up, received {y.min()} to {y.max()}")
    return y.astype(np.int64)


def _to_pictures(
    x: npt.NDArray[Any], count: int, where: str, shape: tuple[int, ...] | None, by_columns: bool
) -> npt.NDArray[Any]:
    """Bring pictures to [N, H, W] or [N, H, W, 3]."""
    received = f"{x.dtype}{list(x.shape)}"
    if x.ndim > 1 and len(x) != count and x.shape[-1] == count:  # as MATLAB has it
        x = np.moveaxis(x, -1, 0)
    if x.ndim > 1 and len(x) != count:
        raise DatasetError(f"{where}: expected as many classes as pictures, found {count:,} classes for {received}")
    if x.ndim == 2 and (size := picture_shape(x.shape[1], shape)):
        if by_columns:
            say(f"{where}: flat pictures of a MATLAB file are read column after column")
            return x.reshape(-1, *reversed(size)).transpose(0, *range(len(size), 0, -1))
        if len(size) == 3 and _is_planar(x, size):
            say(f"{where}: the values of a picture are read as three planes, red, green and blue")
            return np.moveaxis(x.reshape(-1, 3, *size[:2]), 1, -1)
        x = x.reshape(-1, *size)
    if x.ndim == 4 and x.shape[3] not in (1, 3) and x.shape[1] in (1, 3):
        x = np.moveaxis(x, 1, -1)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim not in (3, 4) or x.shape[3:] not in ((), (3,)):
        raise DatasetError(
            f"{where}: expected pictures [N, H, W], [N, H, W, 3] or flat [N, H*W], for example uint8[N, 28, 28], "
            f"received {received}"
        )
    return x


def _is_planar(flat: npt.NDArray[Any], size: tuple[int, ...]) -> bool:
    """Whether flat RGB pictures [N, H*W*3] are planes one after the other: neighbours in planes differ less."""
    some = flat[:: max(1, len(flat) // 200)].astype(np.float32)
    height, width, _ = size
    mixed, planes = some.reshape(-1, height, width, 3), np.moveaxis(some.reshape(-1, 3, height, width), 1, -1)
    rough = [float(np.abs(np.diff(layout, axis=1)).mean()) for layout in (mixed, planes)]
    return rough[1] < rough[0]

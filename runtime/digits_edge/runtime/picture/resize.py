"""Antialiased resizing with numpy alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def resize(image: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Resize float32[H, W] or float32[H, W, C] with a triangle filter that is widened when shrinking, to skip no pixel.

    The filter is that of Pillow's BILINEAR (Graphics Gems III, "Filtered Image Rescaling", Schumacher 1992). The result
    is within the range of `image`.
    """
    return _along_rows(_along_rows(image, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _along_rows(image: npt.NDArray[np.float32], out: int) -> npt.NDArray[np.float32]:
    """Resize the first axis, without a matrix product, which would start the threads of numpy's BLAS."""
    places, shares = _taps(len(image), out)
    image = np.ascontiguousarray(image)
    rows = image[places]  # (taps, out, ...)
    rows *= shares.reshape(*shares.shape, *[1] * (image.ndim - 1))
    return np.asarray(sum(rows) if rows[0].size == 1 else rows.sum(axis=0))  # which adds single pixels in another order


@lru_cache(maxsize=256)
def _taps(size: int, out: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """The input rows of each output row, int[taps, out], and their weights, float32[taps, out], which add up to 1."""
    scale = size / out
    support = max(scale, 1.0)
    centres = (np.arange(out) + 0.5) * scale
    first = np.floor(centres - support).astype(np.intp)
    places = first + np.arange(int(np.ceil(2 * support)) + 1)[:, None]  # (taps, out)
    inside = places.clip(0, size - 1)
    shares = np.maximum(1 - np.abs(places + 0.5 - centres) / support, 0) * (places == inside)
    return inside, np.asarray(shares / shares.sum(axis=0), np.float32)

"""Antialiased resizing with numpy alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt


def resize(image: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Resize by a separable triangle filter, widened when shrinking so that no pixel is skipped.

    The filter is that of Pillow's BILINEAR (Graphics Gems III, "Filtered Image Rescaling", Schumacher 1992).

    Args:
        image: float32[H, W] or float32[H, W, C], any range.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        float32[height, width] or float32[height, width, C], within the range of `image`.
    """
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    if image.ndim == 2:
        return np.asarray(rows @ image @ columns.T, np.float32)
    return np.asarray(np.einsum("hi,ijc,wj->hwc", rows, image, columns, optimize=True), np.float32)


@lru_cache(maxsize=64)
def _weights(size: int, out: int) -> npt.NDArray[np.float32]:
    """float32[out, size]: the share of each input pixel in each output pixel; rows add up to 1."""
    scale = size / out
    support = max(scale, 1.0)
    centres = (np.arange(out, dtype=np.float32)[:, None] + 0.5) * scale  # (out, 1)
    distance = np.abs(np.arange(size, dtype=np.float32)[None, :] + 0.5 - centres) / support  # (out, size)
    weights = np.maximum(1 - distance, 0)
    shares = np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
    shares.setflags(write=False)
    return shares

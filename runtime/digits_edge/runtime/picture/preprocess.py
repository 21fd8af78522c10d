"""Bring a picture to a model's form. Prediction and training from picture folders both use this code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..metadata import Preprocess
from .decode import to_grey
from .finder import Finding, find_digit
from .resize import resize


def prepare(picture: npt.NDArray[np.uint8], preprocess: Preprocess, shape: tuple[int, ...]) -> Finding:
    """Bring a picture to a model's form.

    Args:
        picture: uint8[H, W] or uint8[H, W, 3].
        preprocess: `digit` (find, box and centre one digit, 28 x 28) or `resize` (the whole picture, polarity kept).
        shape: Shape of the result, (H, W) or (H, W, 3).

    Returns:
        The finding, with pixels uint8 of that shape, or None if `digit` finds no ink.
    """
    if preprocess == "digit":
        found = find_digit(to_grey(picture))
        if found.pixels is None or found.pixels.shape == shape:
            return found
        return replace(found, pixels=_resize(found.pixels, shape))
    if len(shape) == 2:
        picture = to_grey(picture)
    elif picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    return Finding(picture if picture.shape == shape else _resize(picture, shape))


def _resize(picture: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return np.clip(np.rint(resize(picture.astype(np.float32), shape[0], shape[1])), 0, 255).astype(np.uint8)

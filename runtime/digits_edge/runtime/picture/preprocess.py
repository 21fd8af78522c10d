"""Bring a picture to a model's form. Prediction and training from picture folders both use this code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..metadata import Preprocess
from .finder import Finding, find_digit
from .resize import resize
from .shrink import ink_grey, to_grey


def prepare(picture: npt.NDArray[np.uint8], preprocess: Preprocess, shape: tuple[int, ...]) -> Finding:
    """Bring a picture uint8[H, W] or uint8[H, W, 3] to a model's form: a finding with pixels uint8 of that shape.

    `digit` finds, boxes and centres one digit, and has no pixels without ink; `resize` keeps the whole picture and its
    polarity.
    """
    if preprocess == "digit":
        found = find_digit(ink_grey(picture))
        if found.pixels is None or found.pixels.shape == shape:
            return found
        return replace(found, pixels=_resize(found.pixels, shape))
    if len(shape) == 2:
        picture = to_grey(picture)
    elif picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    return Finding(picture if picture.shape == shape else _resize(picture, shape))


def _resize(picture: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if picture.ndim == 3:  # colour by colour, which takes a third of the memory
        return np.stack([_resize(picture[..., colour], shape) for colour in range(picture.shape[2])], axis=-1)
    return np.clip(np.rint(resize(picture.astype(np.float32), shape[0], shape[1])), 0, 255).astype(np.uint8)

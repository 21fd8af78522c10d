"""Random affine changes, a batch at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from keras import ops

from .recipes import Augmentation


def augment(
    pictures: npt.NDArray[np.float32], augmentation: Augmentation, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Change each picture by a random affine map of its own.

    Args:
        pictures: float32[N, H, W, 1].
        augmentation: the ranges to draw from.
        rng: where the draws come from.

    Returns:
        float32[N, H, W, 1], bilinearly interpolated.
    """
    if augmentation == Augmentation():
        return pictures
    maps = affine_maps(augmentation, len(pictures), pictures.shape[1:3], rng)
    changed = ops.image.affine_transform(pictures, maps, interpolation="bilinear", fill_mode=augmentation.fill)
    return np.asarray(ops.convert_to_numpy(changed))


def affine_maps(
    augmentation: Augmentation, count: int, size: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw maps from output to input coordinates about the picture's centre.

    Their composition, rotation · shear · zoom, and their centre are those of Keras's `ImageDataGenerator`.

    Returns:
        float32[count, 8], rows (a0, a1, a2, b0, b1, b2, 0, 0) with x' = a0 x + a1 y + a2, y' = b0 x + b1 y + b2.
    """
    rotation = np.deg2rad(rng.uniform(-augmentation.rotation, augmentation.rotation, count))
    shear = np.deg2rad(rng.uniform(-augmentation.shear, augmentation.shear, count))
    zoom_x, zoom_y = rng.uniform(*augmentation.zoom, (2, count))
    shift_x, shift_y = rng.uniform(-augmentation.shift, augmentation.shift, (2, count))
    cos, sin = np.cos(rotation), np.sin(rotation)
    # over (x, y): rotation [[cos, -sin], [sin, cos]] · shear [[1, -sin s], [0, cos s]] · zoom
    xx, xy = cos * zoom_x, (-cos * np.sin(shear) - sin * np.cos(shear)) * zoom_y
    yx, yy = sin * zoom_x, (-sin * np.sin(shear) + cos * np.cos(shear)) * zoom_y
    centre_x, centre_y = (size[1] - 1) / 2, (size[0] - 1) / 2
    offset_x = centre_x - xx * centre_x - xy * centre_y + shift_x
    offset_y = centre_y - yx * centre_x - yy * centre_y + shift_y
    zero = np.zeros(count)
    return np.stack([xx, xy, offset_x, yx, yy, offset_y, zero, zero], axis=1).astype(np.float32)

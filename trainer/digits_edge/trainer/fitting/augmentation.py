"""Random changes to training pictures, a batch at a time, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Final, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from ..recipes import Augmentation

Tensor: TypeAlias = Any  # of Keras's backend
Matrix: TypeAlias = npt.NDArray[np.float32]

THICKER: Final = 0.8  # of the way to the strokes' dilation by 3 x 3, and from there by another 3 x 3
THINNER: Final = 0.7  # of the way to their erosion by 2 x 2
FADED: Final = 0.6
NOISIEST: Final = 0.25  # standard deviation
ERASED: Final = (2, 10)  # pixels
KNOTS: Final = 7  # of the elastic displacement, along each side


def augment(pictures: Tensor, augmentation: Augmentation, seed: keras.random.SeedGenerator) -> Tensor:
    """Change each picture in a random way of its own.

    Args:
        pictures: float32[N, H, W, 1] in [0, 1].
        augmentation: the ranges to draw from.
        seed: where the draws come from; a bare number would make every draw the same.

    Returns:
        float32[N, H, W, 1] in [0, 1].
    """
    pictures = _warp(pictures, augmentation, seed)
    if augmentation.thickness:
        pictures = _change_thickness(pictures, augmentation.thickness, seed)
    if augmentation.blur:
        strength = _sometimes(augmentation.blur, pictures, seed)
        pictures += strength * (_filtered(pictures, _binomial) - pictures)
    if augmentation.low_resolution:
        coarse, between = _reduced(pictures, 2), _draw(0, 1, pictures, seed)
        coarse += between * (_reduced(pictures, 4) - coarse)
        pictures += _chosen(augmentation.low_resolution, pictures, seed) * (coarse - pictures)
    if augmentation.contrast:
        pictures *= 1 - FADED * _sometimes(augmentation.contrast, pictures, seed)
    if augmentation.erasing:
        pictures *= 1 - _chosen(augmentation.erasing, pictures, seed) * _rectangles(pictures, seed)
    if augmentation.line:
        across = _chosen(augmentation.line, pictures, seed) * _draw(0.3, 1, pictures, seed) * _lines(pictures, seed)
        pictures = ops.maximum(pictures, across)
    if augmentation.noise:
        strength = NOISIEST * _sometimes(augmentation.noise, pictures, seed)
        noise = keras.random.normal(ops.shape(pictures), seed=seed)
        pictures = ops.clip(pictures + strength * noise, 0, 1)
    return pictures


def affine(draws: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Where in the input each output pixel is taken from, by an affine map about the picture's centre.

    The composition, rotation · shear · zoom, and the centre are those of Keras's `ImageDataGenerator`.

    Args:
        draws: rotation and shear in radians, zoom of x and y, shift of x and y in pixels; each float32[N, 1, 1].
        size: (H, W).

    Returns:
        x and y, float32[N, H, W], in pixels.
    """
    rotation, shear, zoom_x, zoom_y, shift_x, shift_y = draws
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    y, x = (a.astype(np.float32) for a in np.mgrid[: size[0], : size[1]])
    y, x = zoom_y * (y - centre_y), zoom_x * (x - centre_x)
    x, y = x - ops.sin(shear) * y, ops.cos(shear) * y
    cos, sin = ops.cos(rotation), ops.sin(rotation)
    return cos * x - sin * y + centre_x + shift_x, sin * x + cos * y + centre_y + shift_y


def sample(pictures: Tensor, x: Tensor, y: Tensor, fill: str) -> Tensor:
    """Bilinear values of pictures float32[N, H, W, 1] at x and y, float32[N, H, W]; outside is what `fill` says."""
    height, width = pictures.shape[1:3]
    if fill == "nearest":
        x, y = ops.clip(x, 0, width - 1), ops.clip(y, 0, height - 1)
    x, y = ops.clip(x, -1, width) + 1, ops.clip(y, -1, height) + 1  # in the picture with a black border of one pixel
    left, top = ops.minimum(ops.floor(x), width), ops.minimum(ops.floor(y), height)
    right_part, lower_part = x - left, y - top
    wide = width + 2
    first = ops.arange(ops.shape(pictures)[0], dtype="int32")[:, None, None] * ((height + 2) * wide)
    corner = first + ops.cast(top, "int32") * wide + ops.cast(left, "int32")
    flat = ops.reshape(ops.pad(pictures[..., 0], ((0, 0), (1, 1), (1, 1))), (-1,))
    upper = (1 - right_part) * ops.take(flat, corner) + right_part * ops.take(flat, corner + 1)
    lower = (1 - right_part) * ops.take(flat, corner + wide) + right_part * ops.take(flat, corner + wide + 1)
    return ((1 - lower_part) * upper + lower_part * lower)[..., None]


def _warp(pictures: Tensor, augmentation: Augmentation, seed: keras.random.SeedGenerator) -> Tensor:
    still = Augmentation()
    if all(getattr(augmentation, k) == getattr(still, k) for k in ("rotation", "zoom", "shift", "shear", "elastic")):
        return pictures
    turn, slant, shift = np.deg2rad(augmentation.rotation), np.deg2rad(augmentation.shear), augmentation.shift
    ranges = ((-turn, turn), (-slant, slant), *[augmentation.zoom] * 2, *[(-shift, shift)] * 2)
    x, y = affine([_draw(low, high, pictures, seed)[..., 0] for low, high in ranges], pictures.shape[1:3])
    if augmentation.elastic:
        strength = _draw(0, 2 * augmentation.elastic, pictures, seed)[:, 0]  # (N, 1, 1)
        dx, dy = (strength * _smooth_field(pictures, seed) for _ in range(2))
        x, y = x + dx, y + dy
    return sample(pictures, x, y, augmentation.fill)


def _smooth_field(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Normal noise on a coarse grid, spread by Gaussians: float32[N, H, W] (Simard et al. 2003, elastic)."""
    spread_y, spread_x = (_gaussians(size) for size in pictures.shape[1:3])
    noise = keras.random.normal((ops.shape(pictures)[0], KNOTS, KNOTS), seed=seed)
    return ops.matmul(ops.matmul(spread_y, noise), spread_x.T)


def _gaussians(size: int) -> npt.NDArray[np.float32]:
    apart = (size - 1) / (KNOTS - 1)
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - apart * np.arange(KNOTS)) / (0.6 * apart)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _change_thickness(pictures: Tensor, chance: float, seed: keras.random.SeedGenerator) -> Tensor:
    change = _chosen(chance, pictures, seed) * _draw(-1, 1, pictures, seed)
    once = _highest(pictures, 3)
    twice = _highest(once, 3)
    eroded = -_highest(-pictures, 2)
    thicker = 2 * ops.relu(change) ** 2  # mostly less than a pixel on each side
    return (
        pictures
        + THICKER * (ops.minimum(thicker, 1) * (once - pictures) + ops.relu(thicker - 1) * (twice - once))
        - THINNER * ops.relu(-change) * (pictures - eroded)
    )


def _highest(pictures: Tensor, side: int) -> Tensor:
    """Return the highest value in the square around each pixel.

    The result is that of `ops.max_pool` with stride 1, which takes longer on a CPU.
    """
    height, width = pictures.shape[1:3]
    around = ((side - 1) // 2, side // 2)
    padded = ops.pad(pictures, ((0, 0), around, around, (0, 0)), constant_values=-np.inf)
    rows = reduce(ops.maximum, (padded[:, i : i + height] for i in range(side)))
    return reduce(ops.maximum, (rows[:, :, i : i + width] for i in range(side)))


def _filtered(pictures: Tensor, matrix: Callable[[int], Matrix]) -> Tensor:
    """Apply a linear filter, a matrix for a given length, to the columns and rows of each picture.

    With one channel this is much faster on a CPU than a convolution.
    """
    rows, columns = (matrix(size) for size in pictures.shape[1:3])
    return ops.matmul(ops.matmul(rows, pictures[..., 0]), columns.T)[..., None]


def _binomial(size: int) -> Matrix:
    """Return the matrix that blurs a line of pixels with the weights 1, 4, 6, 4, 1."""
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return np.asarray(np.pad([6, 4, 1], (0, size))[apart] / 16, np.float32)


def _reduced(pictures: Tensor, factor: int) -> Tensor:
    """Average squares of `factor` pixels, then enlarge the result again by bilinear interpolation."""
    return _filtered(pictures, partial(_reduction, factor=factor))


def _reduction(size: int, factor: int) -> npt.NDArray[np.float32]:
    small = -(-size // factor)
    down = (np.arange(small)[:, None] == np.arange(size) // factor).astype(float)
    down /= down.sum(axis=1, keepdims=True)
    centres = down @ np.arange(size)
    up = np.stack([np.interp(np.arange(size), centres, unit) for unit in np.eye(small)], axis=1)
    return np.asarray(up @ down, np.float32)


def _rectangles(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    inside: Any = 1.0
    for axis in (1, 2):
        size = pictures.shape[axis]
        centre, side = _draw(0, size, pictures, seed), _draw(*ERASED, pictures, seed)
        places = np.arange(size, dtype=np.float32).reshape([-1 if axis == a else 1 for a in range(4)])
        inside *= ops.cast(ops.abs(places - centre) * 2 < side, "float32")
    return inside


def _lines(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """A straight line about a pixel wide through each picture, at any angle and place."""
    height, width = pictures.shape[1:3]
    y, x = (a.astype(np.float32)[None, :, :, None] for a in np.mgrid[:height, :width])
    angle = _draw(0, np.pi, pictures, seed)
    through_y, through_x = _draw(0, height, pictures, seed), _draw(0, width, pictures, seed)
    distance = ops.abs((y - through_y) * ops.cos(angle) - (x - through_x) * ops.sin(angle))
    return ops.clip(_draw(0.8, 1.5, pictures, seed) - distance, 0, 1)


def _draw(low: float, high: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """A number for each picture, float32[N, 1, 1, 1]; one for all where there is no choice, which takes no time."""
    if low == high:
        return np.full((1, 1, 1, 1), low, np.float32)
    return keras.random.uniform((ops.shape(pictures)[0], 1, 1, 1), low, high, seed=seed)


def _chosen(chance: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    return ops.cast(_draw(0, 1, pictures, seed) < chance, "float32")


def _sometimes(chance: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Nought, or with this chance a number up to one."""
    return _chosen(chance, pictures, seed) * _draw(0, 1, pictures, seed)

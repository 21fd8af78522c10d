"""Change training pictures at random, a batch at a time, inside the compiled training step.

Keras 3.15 has layers and operations for some of these changes. None of them replaces ours on both TensorFlow and JAX
(benchmarks/augmentation.py has the times on a CPU):

- Rotation, shear, zoom, shift: each layer resamples the picture again, which blurs strokes, and takes more than twice
  as long on JAX. RandomShear keeps the corner in place, not the centre.
- Elastic: RandomElasticTransform does not compile on JAX, draws one strength for a batch and moves pixels along the
  diagonal only.
- Bilinear sampling: `ops.image.map_coordinates` takes several times as long on TensorFlow.
- Blur: RandomGaussianBlur draws one strength for a batch and takes longer.
- Low resolution: `ops.average_pool` and `ops.image.resize` give the same pixels but take longer on TensorFlow.
- Contrast: RandomContrast scales about the mean and RandomBrightness adds, so neither fades ink in proportion.
- Erasing: RandomErasing draws larger rectangles, keeps them off the border and takes longer on TensorFlow.
- Noise: GaussianNoise has one strength for all pictures and leaves the range [0, 1].
- Thickness, line: Keras has no such layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, Final, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from ..recipes import Augmentation

Tensor: TypeAlias = Any  # a tensor of Keras's backend
Matrix: TypeAlias = npt.NDArray[np.float32]

DILATION: Final = 0.8  # the largest weight of the strokes dilated by 3 x 3, and of those dilated by 3 x 3 again
EROSION: Final = 0.7  # the largest weight of the strokes eroded by 2 x 2
FADING: Final = 0.6  # the largest share of the ink that is taken away
NOISE: Final = 0.25  # the largest standard deviation
ERASED: Final = (2, 10)  # the shortest and longest side of a rectangle, in pixels
INKED: Final = 0.2  # the least ink of a pixel that belongs to the digit
KNOTS: Final = 7  # grid points of the elastic displacement along each side


def augment(pictures: Tensor, augmentation: Augmentation, seed: keras.random.SeedGenerator) -> Tensor:
    """Change each picture at random, independently of the others: float32[N, H, W, 1 or 3] in [0, 1], before and after.

    The seed is a generator of all random draws: with an integer, every batch would get the same draws.
    """
    pictures = _warp(pictures, augmentation, seed)
    if augmentation.thickness:
        pictures = _change_thickness(pictures, augmentation.thickness, seed)
    if augmentation.blur:
        strength = _strength(augmentation.blur, pictures, seed)
        pictures += strength * (_filtered(pictures, _binomial) - pictures)
    if augmentation.low_resolution:
        coarse, weight = _reduced(pictures, 2), _draw(0, 1, pictures, seed)
        coarse += weight * (_reduced(pictures, 4) - coarse)
        pictures += _chosen(augmentation.low_resolution, pictures, seed) * (coarse - pictures)
    if augmentation.contrast:
        pictures *= 1 - FADING * _strength(augmentation.contrast, pictures, seed)
    if augmentation.erasing:
        pictures *= 1 - _chosen(augmentation.erasing, pictures, seed) * _rectangles(pictures, seed)
    if augmentation.line:
        lines = _chosen(augmentation.line, pictures, seed) * _draw(0.3, 1, pictures, seed) * _lines(pictures, seed)
        pictures = ops.maximum(pictures, lines)
    if augmentation.noise:
        strength = NOISE * _strength(augmentation.noise, pictures, seed)
        noise = keras.random.normal(ops.shape(pictures), seed=seed)
        pictures = ops.clip(pictures + strength * noise, 0, 1)
    return pictures


def scaled(pixels: Tensor) -> Tensor:
    """Scale pixels as `numerics.scale` does, on the backend: float32[N, H, W, 1 or 3] in [0, 1]."""
    pictures = ops.cast(pixels, "float32")
    return (pictures[..., None] if len(pixels.shape) == 3 else pictures) / 255


def affine(draws: Tensor, size: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Compute where in the input each output pixel comes from, under an affine map about the picture's centre.

    The map is rotation · shear · zoom about the same centre as in Keras's `ImageDataGenerator`. The draws are rotation
    and shear in radians, zoom of x and y, shift of x and y in pixels, each float32[N, 1, 1]; the result is x and y in
    pixels, each float32[N, H, W].
    """
    rotation, shear, zoom_x, zoom_y, shift_x, shift_y = draws
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    y, x = (a.astype(np.float32) for a in np.mgrid[: size[0], : size[1]])
    y, x = zoom_y * (y - centre_y), zoom_x * (x - centre_x)
    x, y = x - ops.sin(shear) * y, ops.cos(shear) * y
    cos, sin = ops.cos(rotation), ops.sin(rotation)
    return cos * x - sin * y + centre_x + shift_x, sin * x + cos * y + centre_y + shift_y


def sample(pictures: Tensor, x: Tensor, y: Tensor, fill: str) -> Tensor:
    """Sample pictures at fractional columns x and rows y, float32[N, H, W], by bilinear interpolation."""
    if pictures.shape[3] > 1:
        return _by_channel(pictures, lambda one: sample(one, x, y, fill))
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
    """Apply the affine map and the elastic displacement in one resampling."""
    moved = augmentation.rotation or augmentation.shear or augmentation.shift or augmentation.elastic
    if not moved and not augmentation.stretch and augmentation.zoom == (1.0, 1.0):
        return pictures
    turn, slant, shift = np.deg2rad(augmentation.rotation), np.deg2rad(augmentation.shear), augmentation.shift
    ranges = ((-turn, turn), (-slant, slant), *[augmentation.zoom] * 2, *[(-shift, shift)] * 2)
    drawn = [_draw(low, high, pictures, seed)[..., 0] for low, high in ranges]
    if augmentation.stretch:
        widened = _strength(augmentation.stretch, pictures, seed)[..., 0]
        drawn[2] /= 1 + widened * (ops.maximum(_extent(pictures, 1) / _extent(pictures, 2), 1) - 1)
    if not (augmentation.rotation or augmentation.shear or augmentation.elastic):  # takes a third of the time
        (height, width), (zooms, shifts) = pictures.shape[1:3], (drawn[2:4], drawn[4:])
        columns, rows = map(partial(_line, fill=augmentation.fill), (width, height), zooms, shifts)
        return _combined(pictures, rows, columns)
    x, y = affine(drawn, pictures.shape[1:3])
    if augmentation.elastic:
        strength = _draw(0, 2 * augmentation.elastic, pictures, seed)[:, 0]  # (N, 1, 1)
        dx, dy = (strength * _smooth_field(pictures, seed) for _ in range(2))
        x, y = x + dx, y + dy
    return sample(pictures, x, y, augmentation.fill)


def _line(size: int, zoom: Tensor, shift: Tensor, fill: str) -> Tensor:
    """Return the weights of a line's pixels where it is zoomed and shifted, float32[N, size, size], as `sample`'s."""
    pixels = np.arange(size, dtype=np.float32)
    places = zoom * (pixels[:, None] - (size - 1) / 2) + (size - 1) / 2 + shift  # (N, size, 1)
    if fill == "nearest":
        places = ops.clip(places, 0, size - 1)
    return ops.relu(1 - ops.abs(places - pixels))


def _extent(pictures: Tensor, axis: int) -> Tensor:
    """Count the pixels along an axis from the first that has ink to the last, float32[N, 1, 1]; 1 without ink."""
    inked = ops.any(pictures > INKED, axis=(3 - axis, 3))  # of each place along the axis, [N, H or W]
    places = ops.arange(1, pictures.shape[axis] + 1, dtype="float32")
    last = ops.max(ops.where(inked, places, 0), axis=1)
    first = ops.min(ops.where(inked, places, places.shape[0]), axis=1)
    return ops.maximum(last - first + 1, 1)[:, None, None]


def _smooth_field(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw smooth noise, float32[N, H, W]: a grid of normal draws, interpolated with Gaussian weights.

    The elastic distortion follows Simard et al. 2003.
    """
    noise = keras.random.normal((ops.shape(pictures)[0], KNOTS, KNOTS), seed=seed)
    rows, columns = (_gaussians(size) for size in pictures.shape[1:3])
    return ops.matmul(ops.matmul(rows, noise), columns.T)


def _gaussians(size: int) -> Matrix:
    """Return each pixel's weights of the grid points, float32[size, KNOTS]."""
    spacing = (size - 1) / (KNOTS - 1)
    weights = np.exp(-0.5 * ((np.arange(size)[:, None] - spacing * np.arange(KNOTS)) / (0.6 * spacing)) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _change_thickness(pictures: Tensor, chance: float, seed: keras.random.SeedGenerator) -> Tensor:
    """Mix the chosen pictures with their dilation or their erosion."""
    change = _chosen(chance, pictures, seed) * _draw(-1, 1, pictures, seed)
    once = _highest(pictures, 3)
    twice = _highest(once, 3)
    eroded = -_highest(-pictures, 2)
    thicker = 2 * ops.relu(change) ** 2  # mostly less than a pixel on each side
    return (
        pictures
        + DILATION * (ops.minimum(thicker, 1) * (once - pictures) + ops.relu(thicker - 1) * (twice - once))
        - EROSION * ops.relu(-change) * (pictures - eroded)
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
    return _combined(pictures, rows, columns)


def _combined(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Weigh the rows and the columns of pictures by matrices, the same for each picture or one for each."""
    if pictures.shape[3] > 1:
        return _by_channel(pictures, lambda one: _combined(one, rows, columns))
    return ops.matmul(ops.matmul(rows, pictures[..., 0]), ops.swapaxes(columns, -1, -2))[..., None]


def _by_channel(pictures: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change each channel of pictures like a grey picture."""
    return ops.concatenate([change(pictures[..., i : i + 1]) for i in range(pictures.shape[3])], axis=3)


def _binomial(size: int) -> Matrix:
    """Return the matrix that blurs a line of pixels with the weights 1, 4, 6, 4, 1."""
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return np.asarray(np.pad([6, 4, 1], (0, size))[apart] / 16, np.float32)


def _reduced(pictures: Tensor, factor: int) -> Tensor:
    """Average squares of `factor` pixels, then enlarge the result again by bilinear interpolation."""
    return _filtered(pictures, partial(_reduction, factor=factor))


def _reduction(size: int, factor: int) -> Matrix:
    """Return the matrix that averages a line of pixels by `factor` and enlarges it again, float32[size, size]."""
    small = -(-size // factor)
    down = (np.arange(small)[:, None] == np.arange(size) // factor).astype(float)
    down /= down.sum(axis=1, keepdims=True)
    centres = down @ np.arange(size)
    up = np.stack([np.interp(np.arange(size), centres, unit) for unit in np.eye(small)], axis=1)
    return np.asarray(up @ down, np.float32)


def _rectangles(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw a rectangle in each picture: 1 inside, 0 outside, float32[N, H, W, 1]."""
    inside: Any = 1.0
    for axis in (1, 2):
        size = pictures.shape[axis]
        centre, side = _draw(0, size, pictures, seed), _draw(*ERASED, pictures, seed)
        places = np.arange(size, dtype=np.float32).reshape([-1 if axis == a else 1 for a in range(4)])
        inside *= ops.cast(ops.abs(places - centre) * 2 < side, "float32")
    return inside


def _lines(pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw a straight line across each picture, about a pixel wide, at any angle and place: float32[N, H, W, 1]."""
    height, width = pictures.shape[1:3]
    y, x = (a.astype(np.float32)[None, :, :, None] for a in np.mgrid[:height, :width])
    angle = _draw(0, np.pi, pictures, seed)
    through_y, through_x = _draw(0, height, pictures, seed), _draw(0, width, pictures, seed)
    distance = ops.abs((y - through_y) * ops.cos(angle) - (x - through_x) * ops.sin(angle))
    return ops.clip(_draw(0.8, 1.5, pictures, seed) - distance, 0, 1)


def _draw(low: float, high: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw a number for each picture, float32[N, 1, 1, 1]; where low is high, return that number for all of them."""
    if low == high:
        return np.full((1, 1, 1, 1), low, np.float32)
    return keras.random.uniform((ops.shape(pictures)[0], 1, 1, 1), low, high, seed=seed)


def _chosen(chance: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw 1 with the given chance, else 0, for each picture."""
    return ops.cast(_draw(0, 1, pictures, seed) < chance, "float32")


def _strength(chance: float, pictures: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw a number in [0, 1] with the given chance, else 0, for each picture."""
    return _chosen(chance, pictures, seed) * _draw(0, 1, pictures, seed)

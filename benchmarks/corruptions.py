"""Ten ways to make a digit harder to read, in the manner of MNIST-C (Mu and Gilmer 2019), each at one severity.

Kinds and severities were fixed before a model was measured by them. `jpeg` and `blots` are held out: no recipe trains
with anything of the kind. The other eight are seen in training in some form, mostly milder. (`noise` and `line` were
held out at first, and the first `compact` read 55 % and 77 % of them: since then it is trained against both, and the
two that are held out now took their place, unseen.)
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Picture = npt.NDArray[np.float64]  # [28, 28], 0 to 255


def thick(picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    """Strokes a pixel wider on each side."""
    return ndimage.grey_dilation(picture, size=(3, 3))


def thin(picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    """Strokes a pixel narrower."""
    return ndimage.grey_erosion(picture, size=(2, 2))


def blur(picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    """A Gaussian of 1.5 pixels."""
    return ndimage.gaussian_filter(picture, 1.5)


def slant(picture: Picture, rng: np.random.Generator) -> Picture:
    """Sheared by 25 degrees, to one side or the other."""
    shear = rng.choice((-1, 1)) * np.tan(np.deg2rad(25))
    return ndimage.affine_transform(picture, [[1, 0], [shear, 1]], offset=(0, -13.5 * shear), order=1)


def off_centre(picture: Picture, rng: np.random.Generator) -> Picture:
    """Moved by 4 pixels, in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    return ndimage.shift(picture, (4 * np.sin(angle), 4 * np.cos(angle)), order=1)


def low_resolution(picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    """Reduced to 10 x 10 and enlarged again."""
    small = ndimage.zoom(ndimage.gaussian_filter(picture, 1), 10 / 28, order=1, grid_mode=True, mode="grid-constant")
    return ndimage.zoom(small, 28 / 10, order=1, grid_mode=True, mode="grid-constant")


def noise(picture: Picture, rng: np.random.Generator) -> Picture:
    """Gaussian noise with a standard deviation of a fifth of full ink on every pixel."""
    return picture + rng.normal(0, 255 / 5, picture.shape)


def line(picture: Picture, rng: np.random.Generator) -> Picture:
    """A straight line a pixel wide, from edge to edge through the middle third."""
    angle, (y, x) = rng.uniform(0, np.pi), rng.uniform(28 / 3, 56 / 3, 2)
    rows, columns = np.mgrid[:28, :28]
    distance = np.abs((rows - y) * np.cos(angle) - (columns - x) * np.sin(angle))
    return np.maximum(picture, 255 * np.clip(1 - distance, 0, 1))


def jpeg(picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    """Through JPEG at quality 10. Held out of training."""
    file = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(file, "JPEG", quality=10)
    return np.asarray(Image.open(file), np.float64)


def blots(picture: Picture, rng: np.random.Generator) -> Picture:
    """Five round blots of ink, 3 pixels wide, anywhere. Held out of training."""
    rows, columns = np.mgrid[:28, :28]
    for y, x in rng.uniform(0, 28, (5, 2)):
        distance = np.hypot(rows - y, columns - x)
        picture = np.maximum(picture, 255 * np.clip(2 - distance, 0, 1))
    return picture


HELD_OUT: Final = ("jpeg", "blots")
CORRUPTIONS: Final[dict[str, Callable[[Picture, np.random.Generator], Picture]]] = {
    f.__name__: f for f in (thick, thin, blur, slant, off_centre, low_resolution, noise, line, jpeg, blots)
}


def corrupt(pixels: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.uint8]:
    """Pixels uint8[N, 28, 28], each corrupted in its own way; the same each time."""
    rng = np.random.default_rng(0)
    changed = [CORRUPTIONS[name](picture.astype(np.float64), rng) for picture in pixels]
    return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)

"""How far each pixel is from the paper around it, towards the ink's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FEW: Final = 40  # pixels a side, up to which paper is taken for one shade
SAME: Final = 3  # grey levels from a shade that are still that shade
FLAT: Final = 0.6  # share of the paper that has its shade, where it has only one
FAINTEST: Final = 32  # grey levels between paper and ink, under which there may be none
ROUNDS: Final = 3  # of finding paper and leaving out what is not
GLOBAL: Final = 4  # of the same with the shade of the whole picture
LEAST_LIGHT: Final = 24.0  # grey levels added to the paper's before dividing by them: what is nearly black has none
FROM_NOISE: Final = 2.5  # standard deviations from the paper beyond which a pixel is not taken for paper
RIDGE: Final = 1e-3  # so that a picture of few rows has a shade, too
TRUSTED: Final = 0.05  # share of a window that has to be paper


@dataclass(frozen=True, eq=False)
class Ink:
    """Ink on a picture.

    Attributes:
        strength: float32[H, W], 0 on paper, 1 where nothing of the paper's light is left.
        noise: of `strength` on paper, its standard deviation.
        dark: whether it is dark ink on light paper.
    """

    strength: Floats
    noise: float
    dark: bool


def find_ink(grey: Floats) -> Ink:
    """Estimate the paper under a picture, and with it the ink.

    The shade of the whole is a surface of second degree, fitted again and again to what is near to it; what changes
    more locally, such as a shadow's edge, is a mean over windows of what was taken for paper (normalized convolution,
    Knutsson and Westin 1993). Ink is told as a share of the paper's light, so that it counts as much in the shade.

    Args:
        grey: float32[H, W], from 0 to 255.
    """
    shade = _shade(grey)
    residual = grey - shade
    dark = _is_dark(grey)
    if not dark:
        grey, shade, residual = 255 - grey, 255 - shade, -residual
    window = max(4, max(grey.shape) // 8)
    noise = _spread(residual)
    paper = shade
    for _ in range(ROUNDS):
        keep = (np.abs(residual) < FROM_NOISE * noise + 2).astype(np.float32)
        share = box_mean(keep, window)
        local = box_mean((grey - shade) * keep, window) / np.maximum(share, 1e-3)
        paper = shade + np.where(share > TRUSTED, local, 0)
        residual = grey - paper
        noise = _spread(residual)
    strength = (-residual / (np.maximum(paper, 0) + LEAST_LIGHT)).clip(min=0)
    level = float(np.median(paper))
    return Ink(np.asarray(strength, np.float32), noise / (level + LEAST_LIGHT), dark)


def box_mean(image: Floats, radius: int) -> Floats:
    """Means over squares of 2 radius + 1 pixels a side, cut off at the border: float32[H, W]."""
    for axis in (0, 1):
        size = image.shape[axis]
        sums = np.zeros((size + 1, image.shape[1 - axis]))
        np.cumsum(image if axis == 0 else image.T, axis=0, out=sums[1:])
        places = np.arange(size)
        low, high = np.maximum(places - radius, 0), np.minimum(places + radius + 1, size)
        means = (sums[high] - sums[low]) / (high - low)[:, None]
        image = means if axis == 0 else means.T
    return np.asarray(image, np.float32)


def _shade(grey: Floats) -> Floats:
    """A surface of second degree through the greater part of the picture: float32[H, W]."""
    height, width = grey.shape
    step = max(1, max(height, width) // 48)
    y = np.linspace(-1, 1, height, dtype=np.float32)
    x = np.linspace(-1, 1, width, dtype=np.float32)

    def terms(y: Floats, x: Floats) -> Floats:
        y, x = y[:, None], x[None, :]
        return np.stack(np.broadcast_arrays(np.float32(1), y, x, y * x, y * y, x * x), axis=-1)

    sampled = terms(y[::step], x[::step]).reshape(-1, 6).astype(np.float64)
    values = grey[::step, ::step].ravel()
    near = np.ones(len(values), bool)
    for _ in range(GLOBAL):
        chosen = sampled[near]
        normal = np.einsum("ki,kj->ij", chosen, chosen)  # not by BLAS, which would wake its threads
        fit = np.linalg.solve(normal + RIDGE * np.eye(6), np.einsum("ki,k->i", chosen, values[near]))
        distance = np.abs(values - sampled @ fit)
        near = distance <= max(FROM_NOISE * 1.4826 * float(np.median(distance)), 2.0)
    return np.asarray(terms(y, x) @ fit, np.float32)


def _spread(residual: Floats) -> float:
    """The standard deviation of the greater part, from the median of distances."""
    return 1.4826 * float(np.median(np.abs(residual)))


def _is_dark(grey: Floats) -> bool:
    """Whether the ink is the dark side: of what stands out from its surroundings, the fewer pixels that do so more."""
    local = grey - box_mean(grey, max(4, max(grey.shape) // 16))
    return float(np.mean(local * local * local)) < 0  # the third power takes numpy far longer


def flat_ink(grey: Floats) -> Ink | None:
    """Ink on paper of one shade, as of scans, drawings and pictures of few pixels; None where it has more than one.

    The picture is parted in dark and light (Otsu 1979). Paper is the side that more of the picture, of its border and
    of its corners is on: a digit that fills its picture may have most of one of them.

    Args:
        grey: float32[H, W], from 0 to 255.
    """
    light = grey > 255 * otsu(grey / np.float32(255))
    border = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    dark = bool(light.mean() + border.mean() + light[:: len(light) - 1, :: light.shape[1] - 1].mean() > 1.5)
    if light.all() or not light.any():
        return None
    paper, ink = float(np.median(grey[light == dark])), float(np.median(grey[light != dark]))
    if max(grey.shape) > FEW and float(np.mean(np.abs(grey[light == dark] - paper) <= SAME)) < FLAT:
        return None
    if abs(paper - ink) < FAINTEST:
        return None
    strength = (paper - grey if dark else grey - paper) / 255
    return Ink(np.asarray(strength.clip(min=0), np.float32), 0.0, dark)


def otsu(values: Floats) -> float:
    """The threshold that parts values from 0 to 1 in two groups best (Otsu 1979), over 256 bins."""
    counts, edges = np.histogram(values, bins=256, range=(0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts, dtype=np.float64)  # (256,)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    means_below = sums / np.maximum(below, 1)
    means_above = (sums[-1] - sums) / np.maximum(above, 1)
    return float(edges[1 + int(np.argmax(below * above * (means_below - means_above) ** 2))])

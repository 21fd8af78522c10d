"""Estimate the paper under a picture, and how much ink each pixel has on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FEW: Final = 40  # pixels a side; smaller pictures are assumed to have paper of one shade
SAME: Final = 3  # largest difference in grey levels within one shade
FLAT: Final = 0.6  # smallest share of the paper that has its shade, on paper of one shade
FAINTEST: Final = 32  # smallest difference in grey levels between paper and ink
ROUNDS: Final = 3  # of estimating the paper and leaving out what is not paper
GLOBAL: Final = 4  # rounds of fitting the shade of the whole picture
LEAST_LIGHT: Final = 24.0  # grey levels added to the paper's before dividing by them, for paper that is nearly black
FROM_NOISE: Final = 2.5  # standard deviations from the paper beyond which a pixel does not count as paper
RIDGE: Final = 1e-3  # regularization, so that pictures of few rows can be fitted
TRUSTED: Final = 0.05  # smallest share of paper in a window whose mean is used


@dataclass(frozen=True, eq=False)
class Ink:
    """Ink on a picture."""

    strength: Floats  # float32[H, W], 0 on paper, 1 where no light of the paper is left
    noise: float  # standard deviation of `strength` on paper
    dark: bool  # on light paper


def find_ink(grey: Floats) -> Ink:
    """Estimate the paper under a picture float32[H, W] from 0 to 255, and from it the ink.

    The overall shade is a quadratic surface, fitted repeatedly to the pixels near it. Local changes, such as the edge
    of a shadow, are means over windows of the pixels that count as paper (normalized convolution, Knutsson and Westin
    1993). Ink is measured as a share of the paper's light, so that it counts the same in a shadow.
    """
    window = max(4, max(grey.shape) // 8)
    local = grey - box_mean(grey, window)
    dark = float(np.mean(local * local * local)) < 0  # ink differs more than paper; numpy's third power is far slower
    if not dark:
        grey, local = 255 - grey, -local
    shade = paper_shade(grey, local >= 0)
    residual = grey - shade
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
    """Means over squares of 2 radius + 1 pixels a side, cropped at the border, float32[H, W]."""
    for axis in (0, 1):
        size = image.shape[axis]
        sums = np.zeros((size + 1, image.shape[1 - axis]))
        np.cumsum(image if axis == 0 else image.T, axis=0, out=sums[1:])
        places = np.arange(size)
        low, high = np.maximum(places - radius, 0), np.minimum(places + radius + 1, size)
        means = (sums[high] - sums[low]) / (high - low)[:, None]
        image = means if axis == 0 else means.T
    return np.asarray(image, np.float32)


def paper_shade(grey: Floats, first: Mask) -> Floats:
    """Fit a quadratic surface to the paper, float32[H, W], beginning with the pixels `first` bool[H, W]."""
    height, width = grey.shape
    step = max(1, max(height, width) // 48)
    y = np.linspace(-1, 1, height, dtype=np.float32)
    x = np.linspace(-1, 1, width, dtype=np.float32)

    def terms(y: Floats, x: Floats) -> Floats:
        y, x = y[:, None], x[None, :]
        return np.stack(np.broadcast_arrays(np.float32(1), y, x, y * x, y * y, x * x), axis=-1)

    sampled = terms(y[::step], x[::step]).reshape(-1, 6).astype(np.float64)
    values = grey[::step, ::step].ravel()
    near = first[::step, ::step].ravel()
    for _ in range(GLOBAL):
        chosen = sampled[near]
        normal = np.einsum("ki,kj->ij", chosen, chosen)  # not by BLAS, which would start its threads
        fit = np.linalg.solve(normal + RIDGE * np.eye(6), np.einsum("ki,k->i", chosen, values[near]))
        distance = np.abs(values - sampled @ fit)
        near = distance <= max(FROM_NOISE * 1.4826 * float(np.median(distance)), 2.0)
    return np.asarray(terms(y, x) @ fit, np.float32)


def _spread(residual: Floats) -> float:
    """Standard deviation of the paper, estimated from the median of what is lighter; ink is not."""
    lighter = residual[residual > 0]
    return 1.4826 * float(np.median(lighter)) if lighter.size else 0.0


def flat_ink(grey: Floats) -> Ink | None:
    """Find ink on paper of one shade, as in scans, drawings and small pictures; None if the paper has several shades.

    The picture float32[H, W] from 0 to 255 is split into dark and light (Otsu 1979). The paper is the side with the
    larger share of the picture, its border and its corners together, because a digit that fills the picture can cover
    most of one of them.
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
    """The threshold that separates values from 0 to 1 best into two groups (Otsu 1979), over 256 bins."""
    counts, edges = np.histogram(values, bins=256, range=(0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts, dtype=np.float64)  # (256,)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    means_below = sums / np.maximum(below, 1)
    means_above = (sums[-1] - sums) / np.maximum(above, 1)
    return float(edges[1 + int(np.argmax(below * above * (means_below - means_above) ** 2))])

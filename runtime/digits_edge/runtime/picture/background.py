"""Estimate the paper under a picture, and how much ink each pixel has on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .median import median

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
    above = residual = grey - shade
    noise = _spread(residual)
    for _ in range(ROUNDS):
        keep = (np.abs(residual) < FROM_NOISE * noise + 2).astype(np.float32)
        share = box_mean(keep, window)
        local = box_mean(above * keep, window) / np.maximum(share, 1e-3)
        local *= share > TRUSTED
        paper = shade + local
        residual = grey - paper
        noise = _spread(residual)
    strength = np.maximum(-residual / (np.maximum(paper, 0) + LEAST_LIGHT), 0)
    return Ink(strength, noise / (median(paper.ravel()) + LEAST_LIGHT), dark)


def box_mean(image: Floats, radius: int) -> Floats:
    """Means over squares of 2 radius + 1 pixels a side, cropped at the border, float32[H, W]."""
    means: npt.NDArray[Any] = image
    for size, other in (image.shape, image.shape[::-1]):
        sums = np.zeros((size + 1, other + other % 2))
        sums[1:, :other] = means
        pairs = sums.view(np.complex128)  # two columns, which take as long as one
        np.cumsum(pairs, axis=0, out=pairs)
        places = np.arange(size)
        low, high = np.maximum(places - radius, 0), np.minimum(places + radius + 1, size)
        means = ((sums[high] - sums[low]) / (high - low)[:, None].astype(np.float64)).T[:other]
    return np.ascontiguousarray(means, np.float32)


def paper_shade(grey: Floats, first: Mask) -> Floats:
    """Fit a quadratic surface to the paper, float32[H, W], beginning with the pixels `first` bool[H, W]."""
    step = max(1, max(grey.shape) // 48)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in grey.shape)

    def terms(y: Floats, x: Floats) -> list[Floats]:
        y = y[:, None]
        return [np.ones_like(y), y, x, y * x, y * y, x * x]

    values = grey[::step, ::step].ravel()
    near = first[::step, ::step].ravel()
    sampled = np.empty((6, *grey[::step, ::step].shape))
    for plane, term in zip(sampled, terms(y[::step], x[::step]), strict=True):
        plane[:] = term
    sampled = sampled.reshape(6, -1)
    for _ in range(GLOBAL):
        chosen = sampled * near
        normal = np.einsum("ik,jk->ij", chosen, sampled)  # not by BLAS, which would start its threads
        fit = np.linalg.solve(normal + RIDGE * np.eye(6), np.einsum("ik,k->i", chosen, values))
        distance = np.abs(values - np.einsum("i,ik->k", fit, sampled))
        near = distance <= max(FROM_NOISE * 1.4826 * median(distance), 2.0)
    return np.asarray(sum(share * term for share, term in zip(fit, terms(y, x), strict=True)), np.float32)


def _spread(residual: npt.NDArray[np.floating]) -> float:
    """Standard deviation of the paper, estimated from the median of what is lighter; ink is not."""
    lighter = residual[residual > 0]
    return 1.4826 * median(lighter) if lighter.size else 0.0


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
    sheet = grey[light == dark]
    paper = median(sheet)
    if max(grey.shape) > FEW and np.count_nonzero(np.abs(sheet - paper) <= SAME) / len(sheet) < FLAT:
        return None
    if abs(paper - median(grey[light != dark])) < FAINTEST:
        return None
    strength = (paper - grey if dark else grey - paper) / 255
    return Ink(np.maximum(strength, 0), 0.0, dark)


def otsu(values: Floats) -> float:
    """The threshold that separates values from 0 to 1 best into two groups (Otsu 1979), over 256 bins."""
    counts = np.bincount(np.minimum(values.ravel() * 256, 255).astype(np.uint8), minlength=256)
    centres = (np.arange(256) + 0.5) / 256
    below = np.cumsum(counts, dtype=np.float64)  # (256,)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    means_below = sums / np.maximum(below, 1)
    means_above = (sums[-1] - sums) / np.maximum(above, 1)
    return (1 + int(np.argmax(below * above * (means_below - means_above) ** 2))) / 256

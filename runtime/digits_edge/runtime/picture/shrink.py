"""Shrink pictures to at most about 2,000 pixels a side, strip by strip, without large copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

MIN_SIDE: Final = 8
WORKING_SIDE: Final = 1024  # larger pictures are shrunk by whole numbers
STRIP: Final = 2**18  # pixels of a strip
SAMPLED: Final = 80  # pixels of the longer side looked at for colour
APART: Final = 4  # of them between the two pixels of a difference
GRAIN: Final = 8  # grey levels by which paper differs from itself
STANDS_OUT: Final = 4  # times as much contrast as luma has: twice the difference in grey levels
LUMA: Final = np.array([19595, 38470, 7471], np.uint32)  # 0.299, 0.587 and 0.114 of 2^16, as Pillow has them


def to_grey(pixels: Pixels) -> Pixels:
    """Convert uint8[H, W] or uint8[H, W, 3] to grey, uint8[H, W], by the luma of ITU-R BT.601."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[..., channel] * share for channel, share in enumerate(LUMA))
    return np.asarray((red + green + blue + np.uint32(2**15)) >> 16, np.uint8)


def ink_grey(pixels: Pixels) -> Pixels:
    """Convert uint8[H, W] or uint8[H, W, 3] to grey, uint8[H, W], in which ink stands out from paper."""
    channel = inked_channel(pixels) if pixels.ndim == 3 else None
    return to_grey(pixels) if channel is None else pixels[..., channel]


def inked_channel(pixels: Pixels) -> int | None:
    """The channel of uint8[H, W, 3] in which ink stands out far more than by luma, as yellow does in blue, if any."""
    step = max(1, max(pixels.shape) // SAMPLED)
    some = pixels[::step, ::step]
    contrasts = [_contrast(some[..., channel]) for channel in range(3)]
    best = int(np.argmax(contrasts))
    return best if contrasts[best] > STANDS_OUT * _contrast(to_grey(some)) else None


def _contrast(grey: Pixels) -> int:
    """The sum of squared differences between pixels a stroke's width apart."""
    values = grey.astype(np.int32)
    differences = values[APART:] - values[:-APART], values[:, APART:] - values[:, :-APART]
    return sum(int((np.maximum(np.abs(some) - GRAIN, 0) ** 2).sum()) for some in differences)


def mean_squares(grey: Pixels, factor: int) -> npt.NDArray[np.float32]:
    """Shrink uint8[H, W] to means over whole squares of `factor` pixels a side, float32."""
    if factor == 1:
        return grey.astype(np.float32)
    height, width = (side // factor for side in grey.shape)
    whole = grey[: height * factor, : width * factor]
    rows = np.zeros((height, width * factor), np.uint16 if factor <= 257 else np.uint32)  # 257 times 255 is 2^16 - 1
    squares = np.zeros((height, width), np.uint32)
    for first in range(factor):  # several times as fast as one sum over such a short axis
        rows += whole[first::factor]
    for first in range(factor):
        squares += rows[:, first::factor]
    return np.asarray(squares / factor**2, np.float32)


def spans(height: int, width: int) -> tuple[int, list[slice]]:
    """By how much a picture is shrunk, and the rows of each strip: whole multiples of that."""
    factor = max(1, min(max(height, width) // WORKING_SIDE, min(height, width) // MIN_SIDE))
    step = max(1, STRIP // (width * factor)) * factor
    return factor, [slice(top, min(top + step, height)) for top in range(0, height, step)]


def shrunk(height: int, width: int, cut: Callable[[slice], Pixels]) -> Pixels:
    """Shrink a picture to uint8[H, W] or uint8[H, W, 3], with transparent pixels white, or black behind light ink.

    `cut` returns some of its rows, uint8[rows, W], uint8[rows, W, 3] or uint8[rows, W, 4].
    """
    factor, rows = spans(height, width)
    strips = [_reduced(cut(some), factor) for some in rows]
    if strips[0].shape[2:] == (4,):
        paper = _paper(strips)
        strips = [_on_paper(strip, paper) for strip in strips]
    return np.concatenate(strips) if len(strips) > 1 else strips[0]


def _reduced(strip: Pixels, factor: int) -> Pixels:
    """Shrink as Pillow's `Image.reduce` does; colours count by their opacity."""
    if factor == 1 or strip.shape[2:] != (4,):
        return strip if factor == 1 else _mean(strip, factor)
    premultiplied = strip.astype(np.uint16)
    for channel in range(3):  # several times as fast as one product with such a short axis
        product = premultiplied[..., channel] * strip[..., 3] + np.uint16(128)
        premultiplied[..., channel] = ((product >> 8) + product) >> 8  # a rounded division by 255
    means = _mean(premultiplied, factor)
    opacity = np.maximum(means[..., 3:], 1).astype(np.uint16)
    means[..., :3] = np.minimum(means[..., :3] * np.uint16(255) // opacity, 255)
    return means


def _mean(strip: npt.NDArray[Any], factor: int) -> Pixels:
    """Means over squares, smaller ones at the right and lower edges."""
    down, across = (np.minimum(factor, side - np.arange(0, side, factor)) for side in strip.shape[:2])
    rows = np.zeros((len(down), *strip.shape[1:]), np.uint32)
    sums = np.zeros((len(down), len(across), *strip.shape[2:]), np.uint32)
    for first in range(factor):  # several times as fast as one sum over such a short axis
        some = strip[first::factor]
        rows[: len(some)] += some
    for first in range(factor):
        columns = rows[:, first::factor]
        sums[:, : columns.shape[1]] += columns
    counts = np.multiply.outer(down, across).astype(np.uint32).reshape(*sums.shape[:2], *[1] * (strip.ndim - 2))
    return np.asarray((sums + counts // 2) * (2**24 // counts) >> 24, np.uint8)


def _paper(strips: list[Pixels]) -> int:
    """The grey of the paper under uint8[H, W, 4]: white, or black if the opaque part is light."""
    light = sum(float((to_grey(strip[..., :3]) * (strip[..., 3] / np.float32(255))).sum()) for strip in strips)
    opaque = sum(float(strip[..., 3].sum()) for strip in strips)
    return 0 if light > opaque / 2 and min(strip[..., 3].min() for strip in strips) < 255 else 255


def _on_paper(rgba: Pixels, paper: int) -> Pixels:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * alpha + paper * (1 - alpha) + 0.5).astype(np.uint8)

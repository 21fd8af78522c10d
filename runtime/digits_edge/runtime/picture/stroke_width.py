"""Bring strokes of a fine pen or a thick marker nearer to the width of MNIST's strokes."""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from .resize import resize

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
T = TypeVar("T", np.bool_, np.float32, np.intp)

DRAWN: Final = 80  # pixels of the longer side while strokes are widened or narrowed
FINE: Final = 0.125  # strokes finer than this share of the longer side are widened
THICK: Final = 0.2  # strokes thicker than this share are narrowed
MOST_ADDED: Final = 0.06  # largest widening on each side of a stroke, as such a share
MOST_TAKEN: Final = 0.04  # largest narrowing on each side


def evened(ink: Floats, narrow: bool) -> Floats:
    """Widen fine strokes of a digit float32[H, W] from 0 to 1 in its bounding box, and narrow thick ones.

    The width of a stroke is twice its area over the length of its outline, as for a long ribbon. Strokes are dilated or
    eroded with a disk (Serra 1982), the last step in part. What is changed has a longer side of about 80 pixels plus a
    margin. Without `narrow` thick strokes stay: those that are a pixel or two wide would lose their detail.
    """
    scale = DRAWN / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    margin = round(MOST_ADDED * DRAWN) + 2
    drawn = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
    drawn[margin:-margin, margin:-margin] = resize(ink, height, width)
    drawn = (drawn * 2 - 0.5).clip(0, 1)  # edges a pixel or two wide
    stroke = stroke_width(drawn > 0.5) / DRAWN
    if stroke < FINE:
        return _dilated(drawn, DRAWN * min((FINE - stroke) / 2, MOST_ADDED))
    if stroke > THICK and narrow:
        return 1 - _dilated(1 - drawn, DRAWN * min((stroke - THICK) / 2, MOST_TAKEN))
    return ink


def _dilated(drawn: Floats, by: float) -> Floats:
    """Grow strokes by this many pixels on each side."""
    for step in range(int(np.ceil(by))):
        wider = _cross(drawn) if step % 2 else widened(drawn)  # alternating, they make an octagon
        drawn = drawn + np.float32(min(1.0, by - step)) * (wider - drawn)
    return drawn


def stroke_width(mask: Mask) -> float:
    """Mean width of the strokes in a mask bool[H, W], in pixels; 0 without strokes."""
    return 2 * int(np.count_nonzero(mask)) / max(1, int(np.count_nonzero(outline(mask))))


def outline(mask: Mask) -> Mask:
    """The pixels of a mask that have a neighbour outside of it, bool[H, W]; the border counts as outside."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner


def widened(image: npt.NDArray[T]) -> npt.NDArray[T]:
    """The largest of each pixel [H, W] and its eight neighbours: strokes get one pixel wider on each side."""
    return _with_both_sides(_with_both_sides(image).T).T


def _cross(image: Floats) -> Floats:
    return np.maximum(_with_both_sides(image), _with_both_sides(image.T).T)


def _with_both_sides(image: npt.NDArray[T]) -> npt.NDArray[T]:
    """The largest of each pixel and those above and below it."""
    largest = image.copy("K")
    np.maximum(largest[1:], image[:-1], out=largest[1:])
    np.maximum(largest[:-1], image[1:], out=largest[:-1])
    return largest

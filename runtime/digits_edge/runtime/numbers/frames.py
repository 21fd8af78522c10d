"""Take printed boxes and combs of forms off the ink."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ..picture.connected_components import Components
from ..picture.ruled_lines import without_lines
from ..picture.stroke_width import widened

Floats = npt.NDArray[np.float32]

SMALLEST: Final = 14  # pixels a side
HOLLOW: Final = 0.45  # largest share of its box that a frame's lines cover
BAND: Final = 0.1  # of the shorter side: how far from its box's side a line of the frame may be
COVERED: Final = 0.85  # smallest share of a side that a line covers
SIDES: Final = 3  # of the four; combs are open at the top
MARGIN: Final = 5  # pixels of paper around a frame, so that its outer lines have paper on both sides
FRINGE: Final = 0.6  # of a line's ink: what is weaker beside a line belongs to it


def without_frames(strength: Floats, figures: Components, level: float) -> Floats:
    """Remove the lines of figures that are frames from ink float32[H, W], and keep what stands on them."""
    hollow = figures.area < HOLLOW * figures.width * figures.height
    large = np.minimum(figures.width, figures.height) >= SMALLEST
    cleared = strength
    for index in np.flatnonzero(hollow & large):
        box = slice(figures.top[index], figures.bottom[index]), slice(figures.left[index], figures.right[index])
        mask = figures.mask(np.arange(len(figures)) == index)[box]
        if _is_frame(mask):
            if cleared is strength:
                cleared = strength.copy()
            part = cleared[box] * mask
            left = without_lines(np.pad(part, MARGIN), level)[MARGIN:-MARGIN, MARGIN:-MARGIN]
            lines = mask & (left == 0)
            fringe = widened(lines) & (part < FRINGE * np.median(part[mask]))
            cleared[box] *= ~(lines | fringe)
    return cleared


def _is_frame(mask: npt.NDArray[np.bool_]) -> bool:
    """Whether lines run along at least three sides of a figure bool[H, W]."""
    band = max(2, round(BAND * min(mask.shape)))
    sides = (mask[:band], mask[-band:], mask[:, :band].T, mask[:, -band:].T)
    return sum(bool(side.any(axis=0).mean() >= COVERED) for side in sides) >= SIDES

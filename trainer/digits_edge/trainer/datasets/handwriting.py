"""Tell by their pixels whether pictures are digits or other characters to be found, or pictures to be resized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.runtime.picture.mnist_form import bounding_box, is_normalised
from digits_edge.runtime.picture.shrink import to_grey
from digits_edge.runtime.picture.stroke_width import outline

SAMPLE: Final = 200  # pictures that are looked at
MOST: Final = 0.75  # share of the pictures that must be written characters; in MNIST's form it is more:
NEARLY_ALL: Final = 0.9
INK: Final = 0.15  # share of the paper's light that ink takes away
COVERED: Final = 0.27  # largest share of a picture that is ink; in MNIST it is 0.1 to 0.25, of clothes 0.2 to 0.6
THICK: Final = 0.17  # largest stroke width, as a share of a character's diagonal; in MNIST it is 0.1 to 0.16


def guess_preprocess(pictures: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8], *, found: bool) -> Preprocess:
    """`digit` if pictures uint8[H, W] or uint8[H, W, 3] are single characters in MNIST's form, else `resize`.

    Args:
        pictures: The pictures; only some of them are looked at.
        found: Whether characters that are still to be found, on any paper, are `digit`, too.
    """
    some = [to_grey(picture) for picture in pictures[:: max(1, len(pictures) // SAMPLE)]]
    if np.mean([is_normalised(grey) for grey in some]) >= NEARLY_ALL:
        return "digit"
    return "digit" if found and np.mean([_is_written(grey) for grey in some]) >= MOST else "resize"


def _is_written(grey: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture is one character of thin strokes on paper that is mostly empty."""
    finding = find_digit(grey)
    steps = {step.name: step.image for step in finding.steps}
    if finding.pixels is None or finding.several or "digit" not in steps:
        return is_normalised(grey)
    strokes = steps["digit"] > 0.5
    if not strokes.any():
        return False
    height, width = (side.stop - side.start for side in bounding_box(strokes))
    thickness = 2 * strokes.sum() / outline(strokes).sum() / np.hypot(height, width)
    return bool((steps["ink"] > INK).mean() <= COVERED and thickness <= THICK)

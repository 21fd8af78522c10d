"""Draw how a digit was found, step by step, from the picture to the answer. Needs pillow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import MissingExtra
from ..prediction import Prediction
from .finder import Finding, Step

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

PANEL: Final = 220  # pixels a side
GAP: Final = 16
TITLE: Final = 26
TEXT: Final = 15  # the font's size
PAGE, DARK, QUIET, GOOD, BAD = "white", "#222222", "#8a8a8a", "#2b7a3d", "#b3261e"


def explain(found: Finding, prediction: Prediction, labels: Sequence[str]) -> Image.Image:
    """Draw the steps that `Classifier.find` returned side by side, with the prediction for it at the right end."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingExtra("pillow", "image", "drawing how a digit was found") from None
    count = len(found.steps) + 1
    page = Image.new("RGB", (count * (PANEL + GAP) + GAP, TITLE + PANEL + 2 * GAP), PAGE)
    draw = ImageDraw.Draw(page)
    for index, step in enumerate(found.steps):
        left = GAP + index * (PANEL + GAP)
        draw.text((left, GAP // 2), f"{index + 1}. {step.name}", DARK, font_size=TEXT)
        page.paste(_panel(step), (left, TITLE + GAP // 2))
    _bars(draw, GAP + (count - 1) * (PANEL + GAP), prediction, labels)
    return page


def _panel(step: Step) -> Image.Image:
    """Scale a step's image to the panel, without smoothing."""
    from PIL import Image

    image = step.image.astype(np.float32)
    if step.image.dtype != np.uint8:
        image *= 255 / max(float(np.quantile(image, 0.999)), 0.1)  # makes faint ink visible
    shown = Image.fromarray(image.clip(0, 255).astype(np.uint8))
    scale = PANEL / max(shown.size)
    size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
    return shown.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)


def _bars(draw: ImageDraw.ImageDraw, left: int, prediction: Prediction, labels: Sequence[str]) -> None:
    """Draw the verdict, and at most ten of the most probable classes."""
    verdict = "accepted" if prediction.accepted else f"rejected: {prediction.reason}"
    colour = GOOD if prediction.accepted else BAD
    draw.text((left, GAP // 2), f"{prediction.label or 'nothing'}, {verdict}", colour, font_size=TEXT)
    best = sorted(np.argsort(-prediction.probabilities, kind="stable")[:10])
    row = PANEL / 10
    for place, index in enumerate(best):
        top = TITLE + GAP // 2 + place * row
        share = float(prediction.probabilities[index])
        draw.text((left, top), labels[index][:6], DARK, font_size=TEXT)
        draw.rectangle((left + 50, top + 3, left + 50 + 110 * share, top + row - 4), fill=DARK)
        draw.text((left + 168, top), f"{share:.3f}", QUIET if share < 0.01 else DARK, font_size=TEXT)

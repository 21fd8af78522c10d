"""How a pen goes when it writes digits, for what is drawn in a browser and on a touch panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

Point = tuple[float, float]
Stroke = Sequence[Point]


def arc(x: float, y: float, width: float, height: float, start: int, end: int) -> list[Point]:
    """Points of an ellipse, from one angle to another, in degrees clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 12))
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


# How a pen goes, on a square of 1 x 1.
STROKES: Final[dict[str, list[Stroke]]] = {
    "0": [arc(0.5, 0.5, 0.2, 0.3, -90, 270)],
    "1": [[(0.5, 0.2), (0.5, 0.8)]],
    "2": [[*arc(0.5, 0.35, 0.18, 0.16, -170, 40), (0.3, 0.8), (0.72, 0.8)]],
    "3": [[*arc(0.48, 0.34, 0.17, 0.15, -150, 90), *arc(0.48, 0.65, 0.2, 0.17, -90, 150)]],
    "4": [[(0.4, 0.2), (0.3, 0.55), (0.72, 0.55)], [(0.6, 0.2), (0.6, 0.82)]],
    "5": [[(0.68, 0.2), (0.38, 0.2), (0.36, 0.45), *arc(0.48, 0.62, 0.2, 0.18, -110, 140)]],
    "6": [[(0.6, 0.18), (0.42, 0.4), *arc(0.5, 0.64, 0.16, 0.17, -180, 180)]],
    "7": [[(0.28, 0.22), (0.7, 0.22), (0.45, 0.82)]],
    "8": [[*arc(0.5, 0.34, 0.15, 0.15, 90, -270), *arc(0.5, 0.66, 0.18, 0.17, -90, 270)]],
    "9": [[*arc(0.5, 0.36, 0.16, 0.16, 0, -360), (0.62, 0.82)]],
}

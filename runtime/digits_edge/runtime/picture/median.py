"""The median, several times as fast as numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def median(values: npt.NDArray[Any]) -> float:
    """The median of at least one number [N]; numpy's partition is fast for one place, and `np.median` asks for two."""
    middle = len(values) // 2
    halves = np.partition(values, middle)
    upper = halves[middle]
    return float(upper if len(values) % 2 else (halves[:middle].max() + upper) / 2)

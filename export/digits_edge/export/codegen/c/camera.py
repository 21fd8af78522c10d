"""What the C of a camera needs to know of a model: its thresholds, and the softmax of its int8 logits."""

from __future__ import annotations

import math
from typing import Any, Final

from digits_edge.runtime.metadata import Contract

MNIST: Final = (28, 28, 1)  # the form that the C brings digits to
WHOLE: Final = 65535  # what stands for 1 in the table
STEPS: Final = 256  # of an int8 logit


def camera_values(contract: Contract, step: float) -> dict[str, Any]:
    """Values for the templates; `step` is the scale of the logits."""
    shares = [round(WHOLE * math.exp(-below * step)) for below in range(STEPS)]
    return {
        "min_score": math.ceil(contract.min_score * 2**16),
        "min_familiarity": math.ceil(contract.min_familiarity * 2**16),
        "exponentials": [share for share in shares if share],
    }

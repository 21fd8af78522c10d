"""What the classifier answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import PictureError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model makes of one picture.

    Attributes:
        label: the most probable class, also when not accepted; None where there is no ink or the picture failed.
        score: its probability, 0 where there is no label.
        accepted: whether the answer is to be relied on: there is one figure, and the model knows its like and is sure.
        probabilities: float32[C] in the order of `Classifier.labels`; zeros where there is no label.
        reason: why it was not accepted: `no ink`, `several` figures, `not like training data`, `unsure`, or what is
            wrong with the picture; else None.
        error: in `predict_many`, what `predict` would have raised; else None.
    """

    label: str | None
    score: float
    accepted: bool
    probabilities: npt.NDArray[np.float32]
    reason: str | None = None
    error: PictureError | None = None


@dataclass(frozen=True)
class SelfTest:
    """How this device's answers compare with those of the machine that made the model.

    Attributes:
        passed: every label is the same and no probability differs by more than 0.05.
        pictures: how many golden vectors there are.
        mismatches: how many got another label.
        largest_difference: in probability, over all pictures and classes.
    """

    passed: bool
    pictures: int
    mismatches: int
    largest_difference: float

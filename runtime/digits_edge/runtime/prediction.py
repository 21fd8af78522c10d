"""The classifier's answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import PictureError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one picture.

    Attributes:
        label: The most probable class, also of a rejected picture; None if the picture has no ink or cannot be read.
        score: Probability of that class; 0 without a label.
        accepted: Whether to rely on the answer: the picture has one figure, it resembles the training data, and the
            model is sure.
        probabilities: float32[C] in the order of `Classifier.labels`; zeros without a label.
        reason: Why the picture was rejected: `no ink`, `several` figures (`Classifier.read` reads numbers), `not like
            training data`, `unsure`, or what is wrong with the file; None if it was accepted.
        error: In `predict_many`, the error that `predict` would have raised; None otherwise.
        pixels: What was classified: uint8 in the model's form; None without a label.
    """

    label: str | None
    score: float
    accepted: bool
    probabilities: npt.NDArray[np.float32]
    reason: str | None = None
    error: PictureError | None = None
    pixels: npt.NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SelfTest:
    """This device's answers compared with those of the machine that exported the model.

    Attributes:
        passed: Whether all labels are the same and no probability differs by more than 0.05.
        pictures: Number of golden vectors.
        mismatches: Number of golden vectors with another label.
        largest_difference: Largest difference in probability, over all pictures and classes.
    """

    passed: bool
    pictures: int
    mismatches: int
    largest_difference: float

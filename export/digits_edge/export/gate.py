"""The gate: is an exported model as good as the Keras model that it came from, picture by picture?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import UsageError

PARITY: Final = 1e-3  # in probability: how far a float export may be from Keras and still be the same function


@dataclass(frozen=True)
class Limits:
    """What is allowed.

    Attributes:
        max_drop: the share of validation pictures that may be lost, net of those won, from 0 to 1.
        min_accuracy: what the float models must reach, from 0 to 1.
    """

    max_drop: float = 0.002
    min_accuracy: float = 0.9

    def __post_init__(self) -> None:
        for name in ("max_drop", "min_accuracy"):
            if not 0 <= getattr(self, name) <= 1:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option}: expected a number from 0 to 1, received {getattr(self, name):g}")

    def allowed(self, pictures: int) -> int:
        """How many net answers may be lost, of this many pictures."""
        return math.ceil(self.max_drop * pictures - 1e-9)  # 0.07 x 100 is 7.000000000000001 in binary


@dataclass(frozen=True)
class Verdict:
    """One model against Keras on the validation split.

    Attributes:
        file: the model's name in the bundle.
        precision: `float32` or `int8`.
        pictures: how many were judged.
        wrong: how many got another label than their own.
        keras_wrong: the same of the Keras model.
        broken: right in Keras, wrong here.
        fixed: wrong in Keras, right here.
        other_labels: how many got another label than Keras gave.
        largest_difference: in probability, over all pictures and classes.
        refused: why it may not be published, or None.
    """

    file: str
    precision: str
    pictures: int
    wrong: int
    keras_wrong: int
    broken: int
    fixed: int
    other_labels: int
    largest_difference: float
    refused: str | None

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return 1 - self.wrong / self.pictures

    @property
    def net_lost(self) -> int:
        """Answers lost against Keras, net of those won."""
        return self.broken - self.fixed


def judge(
    file: str,
    precision: str,
    targets: npt.NDArray[np.int64],
    keras: npt.NDArray[np.float32],
    exported: npt.NDArray[np.float32],
    limits: Limits,
) -> Verdict:
    """Compare an exported model's answers with Keras's.

    Args:
        file: the model's name in the bundle.
        precision: `float32` or `int8`; a float model must be the same function as Keras, whatever its labels.
        targets: int64[N].
        keras: float32[N, C] probabilities.
        exported: float32[N, C] probabilities.
        limits: what is allowed.
    """
    theirs, ours = keras.argmax(axis=1), exported.argmax(axis=1)
    broken = int(((theirs == targets) & (ours != targets)).sum())
    fixed = int(((theirs != targets) & (ours == targets)).sum())
    wrong, pictures = int((ours != targets).sum()), len(targets)
    difference = float(np.abs(exported - keras).max())
    allowed = limits.allowed(pictures)
    refused = None
    if not np.isfinite(exported).all():
        refused = "it gives probabilities that are no numbers"
    elif precision == "float32" and not difference <= PARITY:
        refused = f"the conversion is not the same function: a probability differs by {difference:.3g}, over {PARITY}"
    elif broken - fixed > allowed:
        refused = f"{broken - fixed} net answers lost of {pictures:,}, --max-drop {limits.max_drop:g} allows {allowed}"
    elif precision == "float32" and 1 - wrong / pictures < limits.min_accuracy:
        refused = f"accuracy {1 - wrong / pictures:.2%} is under --min-accuracy {limits.min_accuracy:.2%}"
    return Verdict(
        file=file,
        precision=precision,
        pictures=pictures,
        wrong=wrong,
        keras_wrong=int((theirs != targets).sum()),
        broken=broken,
        fixed=fixed,
        other_labels=int((ours != theirs).sum()),
        largest_difference=difference,
        refused=refused,
    )

"""The labelled pictures that models are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Validation:
    """Labelled pictures that, unless it is said, the models were not trained on as far as is known."""

    description: str  # where they are from, e.g. `the 8,400 validation pictures of train.csv`
    pixels: npt.NDArray[np.uint8]  # uint8[N, H, W] or uint8[N, H, W, 3]
    targets: npt.NDArray[np.int64]  # int64[N], indices into `labels`
    labels: tuple[str, ...]  # in the order of the model's outputs
    trained_on: bool = False  # whether the models are known to be trained on them: then no accuracy is judged

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The classes without a picture."""
        pictures = np.bincount(self.targets, minlength=len(self.labels))
        return tuple(label for label, count in zip(self.labels, pictures, strict=True) if not count)

    @property
    def described(self) -> str:
        """The description, with the classes that no picture judges."""
        missing = ", ".join(self.unjudged)
        return f"{self.description}, none of which is of class {missing}" if missing else self.description


def order_of(labels: Sequence[str]) -> str:
    """What a model's outputs are taken for, where only the data name the classes."""
    return f"its outputs are taken for {', '.join(labels):.80}; --labels FILE gives another order"

"""The labelled pictures that models are evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Validation:
    """Labelled pictures that, as far as is known, the models were not trained on."""

    description: str  # where they are from, e.g. `the 8,400 validation pictures of train.csv`
    pixels: npt.NDArray[np.uint8]  # uint8[N, H, W] or uint8[N, H, W, 3]
    targets: npt.NDArray[np.int64]  # int64[N], indices into `labels`
    labels: tuple[str, ...]  # in the order of the model's outputs

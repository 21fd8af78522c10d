"""What a classifier runs: a network with its contract, whichever engine computes it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeGuard

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .metadata import Contract

CHUNK: Final = 32  # pictures in one call; more are slower without an arena (benchmarks/bulk.py --batches)
PROBABILITIES: Final = "probabilities"  # name of the first output
FEATURES: Final = "features"  # name of the second output


class Network(Protocol):
    """A network that is loaded, and can be pickled. Several threads may run it at the same time."""

    @property
    def contract(self) -> Contract:
        """The contract that the model's file holds."""

    @property
    def size(self) -> int:
        """Bytes of the model."""

    def run(self, outputs: Sequence[str], pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """The named outputs, float32[N, C] and float32[N, F], of up to `CHUNK` pictures in the contract's form."""

    def check_features(self) -> None:
        """Raise a BundleError unless it has the output `features`."""


def is_library(path: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a path is that of a library, by its name."""
    return isinstance(path, str | os.PathLike) and os.fsdecode(path).endswith(".so") and not os.path.isdir(path)

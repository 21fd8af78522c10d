"""The outcome of one rung: a model with the gate's verdict, or the reason why the rung was skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engines.tensor_spec import Engine
from ..verify.gate import Verdict
from .scheme import Scheme


@dataclass(frozen=True, eq=False)
class Attempt:
    """A model, judged by the gate."""

    file: str  # name in the bundle
    rung: str  # how the model was made, in words
    data: bytes  # content of the file
    engine: Engine  # class probabilities of pictures, by this very model
    answers: npt.NDArray[np.float32]  # its class probabilities for the validation pictures, [N, C]
    verdict: Verdict  # of the gate, on `answers`

    @property
    def bytes(self) -> int:
        """Size of the model on a device."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Quantized(Attempt):
    """An int8 model, judged by the gate."""

    scheme: Scheme
    in_float: tuple[str, ...] = ()  # nodes that still compute in float, as `name (Operator)`


@dataclass(frozen=True)
class Skipped:
    """A rung that was not tried."""

    file: str  # name in the bundle
    rung: str  # what would have been tried, in words
    reason: str
    out_of_time: bool = False  # whether the time budget is the reason

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
    """A model, judged by the gate.

    Attributes:
        file: Name of the file in the bundle.
        rung: How the model was made, in words.
        data: Content of the file.
        engine: Class probabilities of pictures, by this very model.
        answers: Its class probabilities for the validation pictures, float32[N, C].
        verdict: The gate's verdict on them.
    """

    file: str
    rung: str
    data: bytes
    engine: Engine
    answers: npt.NDArray[np.float32]
    verdict: Verdict

    @property
    def bytes(self) -> int:
        """Size of the model on a device."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Quantized(Attempt):
    """An int8 model, judged by the gate.

    Attributes:
        scheme: How it was quantized.
        in_float: Nodes that still compute in float, as `name (Operator)`.
    """

    scheme: Scheme
    in_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A rung that was not tried.

    Attributes:
        file: Name of the file in the bundle.
        rung: What would have been tried, in words.
        reason: Why it was skipped.
    """

    file: str
    rung: str
    reason: str

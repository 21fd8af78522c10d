"""What came of one attempt to make a model: the model with its verdict, or the reason why it was skipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engines.model_files import open_engine
from ..engines.tensor_spec import Engine
from ..verify.gate import Verdict
from .scheme import Scheme


@dataclass(frozen=True, eq=False)
class Attempt:
    """A model, judged.

    Attributes:
        file: its name in the bundle.
        rung: how it was made, in words.
        data: its bytes.
        answers: float32[N, C], its probabilities for the validation pictures.
        verdict: the gate's.
    """

    file: str
    rung: str
    data: bytes
    answers: npt.NDArray[np.float32]
    verdict: Verdict

    @property
    def engine(self) -> Engine:
        """What answers for it."""
        return open_engine(self.data, self.file)

    @property
    def bytes(self) -> int:
        """What it takes up on a device."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Quantized(Attempt):
    """An int8 model, judged.

    Attributes:
        how: it was quantized.
        in_float: what computes in float all the same, as `name (Operator)`.
    """

    how: Scheme
    in_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A rung that was not tried.

    Attributes:
        file: the model's name in the bundle.
        rung: what would have been tried.
        reason: why it was not.
    """

    file: str
    rung: str
    reason: str

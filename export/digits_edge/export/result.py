"""The result of an export, for the manifest and the reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.metadata import Contract

from .benchmark.benchmark import Benchmark
from .codegen.translation import PAGE
from .quantize.attempt import Attempt, Skipped
from .quantize.sensitivity import LayerNoise
from .source import ExportSource
from .verify.criteria import Limits
from .verify.parity import Parity
from .verify.rejection import Rejection


@dataclass(frozen=True, eq=False)
class ExportResult:
    """The result of an export."""

    source: ExportSource
    contract: Contract
    limits: Limits
    keras: npt.NDArray[np.float32]  # Keras's own probabilities for the N validation pictures, float32[N, C]
    rungs: tuple[Attempt | Skipped, ...]  # every attempt and every skipped rung, in order
    models: tuple[Attempt, ...]  # to publish, one of `rungs` for each file; in a refused export the last one is refused
    parity: tuple[Parity, ...] = ()  # of each engine with Keras, Keras itself first
    int8_agreement: float | None = None  # share of the pictures that both int8 models label alike; None without both
    rejections: tuple[Rejection, ...] = ()  # of each published model
    layers: tuple[LayerNoise, ...] = ()  # empty without int8 ONNX
    benchmark: Benchmark | None = None
    advice: str | None = None  # the command to try next after a refusal

    @property
    def sized(self) -> tuple[Attempt, ...]:
        """The models whose sizes are comparable: all but the page, which is a whole program."""
        return tuple(model for model in self.models if model.file != PAGE)

    @property
    def refused(self) -> Attempt | None:
        """The model that the gate refused, or None."""
        return next((model for model in self.models if model.verdict.failed), None)

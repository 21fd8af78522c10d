"""All that an export has found out, for the manifest and the reports."""

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
from .verify.gate import Limits
from .verify.parity import Parity
from .verify.rejection import Rejection


@dataclass(frozen=True, eq=False)
class ExportResult:
    """All that an export has found out.

    Attributes:
        source: what was exported.
        contract: what the models say of themselves.
        limits: of the gate.
        keras: float32[N, C], Keras's own probabilities for the N pictures of the source.
        rungs: all that was tried or skipped, in that order.
        models: what is published: one of `rungs` for each file. Of a refused export the last is the one refused.
        parity: Keras's answers against each engine's, Keras first.
        int8_agreement: the share of pictures with one label from int8 ONNX and int8 TFLite; None without both.
        rejections: which pictures each published model rejects; empty where nothing is published.
        layers: the noise that each layer's quantization adds; empty without int8 ONNX.
        benchmark: of the models on this machine, or None.
        advice: of a refused export, the command to try next; else None.
    """

    source: ExportSource
    contract: Contract
    limits: Limits
    keras: npt.NDArray[np.float32]
    rungs: tuple[Attempt | Skipped, ...]
    models: tuple[Attempt, ...]
    parity: tuple[Parity, ...] = ()
    int8_agreement: float | None = None
    rejections: tuple[Rejection, ...] = ()
    layers: tuple[LayerNoise, ...] = ()
    benchmark: Benchmark | None = None
    advice: str | None = None

    @property
    def sized(self) -> tuple[Attempt, ...]:
        """The models whose sizes can be compared: all but the page, which is a whole program."""
        return tuple(model for model in self.models if model.file != PAGE)

    @property
    def refused(self) -> Attempt | None:
        """The model that the gate refused, or None."""
        return next((model for model in self.models if model.verdict.failed), None)

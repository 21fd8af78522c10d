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
    """The result of an export.

    Attributes:
        source: The Keras model and its validation pictures.
        contract: The metadata that the models carry.
        limits: Limits of the gate.
        keras: Keras's own probabilities for the N validation pictures, float32[N, C].
        rungs: Every attempt and every skipped rung, in order.
        models: The models to publish, one of `rungs` for each file; in a refused export the last one is refused.
        parity: The answers of each engine compared with Keras's, Keras itself first.
        int8_agreement: Share of the pictures that int8 ONNX and int8 TFLite label alike; None without both.
        rejections: Which pictures each published model rejects; empty if nothing is published.
        layers: The noise that the quantization of each layer adds; empty without int8 ONNX.
        benchmark: Timings of the models on this machine, or None.
        advice: The command to try next after a refusal, else None.
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
        """The models whose sizes are comparable: all but the page, which is a whole program."""
        return tuple(model for model in self.models if model.file != PAGE)

    @property
    def refused(self) -> Attempt | None:
        """The model that the gate refused, or None."""
        return next((model for model in self.models if model.verdict.failed), None)

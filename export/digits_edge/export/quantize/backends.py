"""Make the float and int8 models of each format: ONNX with onnxruntime, TFLite with TensorFlow."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import onnx

from digits_edge.runtime import Classifier
from digits_edge.runtime.metadata import METADATA_KEY, Contract, Golden

from ..convert.keras_model import KerasModelFile
from ..convert.onnx import to_onnx_core
from ..convert.onnx_graph import with_metadata, wrap
from ..convert.tflite import to_tflite
from ..engines.model_files import open_engine
from ..engines.worker import Worker
from ..verify.gate import Gate
from .attempt import Attempt, Quantized
from .clock import Clock
from .equalization import equalized
from .fine_tuning import fine_tuned
from .onnx_quantizer import in_float, quantize
from .scheme import Scheme
from .sensitivity import MAX_LAYERS, LayerNoise, layers_of, sensitivity


@dataclass(frozen=True, eq=False)
class Backend(ABC):
    """The models of one format, each of them judged by the gate."""

    file: ClassVar[str]  # name of the int8 model
    float_file: ClassVar[str]
    converter: ClassVar[str]
    supports_mixed_precision: ClassVar[bool]  # other calibrations and weights, and layers that stay in float

    network: KerasModelFile
    calibration: npt.NDArray[np.uint8]  # pictures of the training part, [K, H, W] or [K, H, W, 3]
    contract: Contract  # written into ONNX files
    worker: Worker  # the child process that converts
    gate: Gate
    work: Path  # a folder for networks that a remedy changed
    clock: Clock  # of all remedies

    @abstractmethod
    def _convert(self) -> bytes:
        """The float model."""

    @abstractmethod
    def _quantize(self, scheme: Scheme) -> tuple[bytes, tuple[str, ...]]:
        """The int8 model, and its nodes that still compute in float."""

    @abstractmethod
    def layers(self, scheme: Scheme) -> list[LayerNoise]:
        """The noise that the quantization of each layer adds."""

    @property
    @abstractmethod
    def layer_count(self) -> int:
        """Number of layers that `layers` measures."""

    @property
    def pictures(self) -> int:
        """Number of calibration pictures."""
        return len(self.calibration)

    def float_model(self) -> Attempt:
        """Convert, and ask the gate."""
        return self._judged(self.float_file, self.converter, self._convert(), "float32")

    def attempt(self, rung: str, scheme: Scheme) -> Quantized:
        """Quantize, and ask the gate."""
        data, floats = self._quantize(scheme)
        return Quantized(**vars(self._judged(self.file, rung, data, "int8")), scheme=scheme, in_float=floats)

    def _judged(self, file: str, rung: str, data: bytes, precision: str) -> Attempt:
        engine = open_engine(data, file)
        answers = engine(self.gate.validation.pixels)
        return Attempt(file, rung, data, engine, answers, self.gate.judge(precision, answers, engine))

    def equalized(self) -> KerasModelFile | None:
        """The network with equalized weights; None where no layers allow it."""
        return self.worker(equalized, self.network, self.work / "equalized.keras")

    def fine_tuned(self, network: KerasModelFile) -> KerasModelFile:
        """A network after quantization-aware fine-tuning on the calibration pictures."""
        target = self.work / f"{network.path.stem}-fine-tuned.keras"
        return self.worker(fine_tuned, network, target, self.calibration)


@dataclass(frozen=True, eq=False)
class OnnxBackend(Backend):
    """ONNX models by tf2onnx and onnxruntime's quantizer, which supports every rung of the ladder."""

    file: ClassVar[str] = "model.int8.onnx"
    float_file: ClassVar[str] = "model.onnx"
    converter: ClassVar[str] = "tf2onnx"
    supports_mixed_precision: ClassVar[bool] = True
    _cores: dict[KerasModelFile, onnx.ModelProto] = field(default_factory=dict)

    def layers(self, scheme: Scheme) -> list[LayerNoise]:
        """The noise that the quantization of each layer adds."""
        if not self.layer_count:
            return []
        core = self._core(scheme.network)
        return sensitivity(core, self.calibration, scheme, self.clock.step, self._ranges(scheme))

    @property
    def layer_count(self) -> int:
        """Number of layers that `layers` measures; 0 where that would take too long."""
        count = len(layers_of(self._core(self.network)))
        return count if count <= MAX_LAYERS else 0

    def _convert(self) -> bytes:
        return self._described(self.float_file, self._core(self.network))

    def _quantize(self, scheme: Scheme) -> tuple[bytes, tuple[str, ...]]:
        core = self._core(scheme.network)
        quantized = quantize(core, self.calibration, scheme, ranges=self._ranges(scheme))
        floats = tuple(in_float(quantized))
        return self._described(self.file, quantized), floats

    def _core(self, network: KerasModelFile) -> onnx.ModelProto:
        """The float core of a network, converted once."""
        if network not in self._cores:
            self._cores[network] = onnx.load_from_string(self.worker(to_onnx_core, network))
        return self._cores[network]

    def _ranges(self, scheme: Scheme) -> Path:
        """Where the ranges of activations are kept, which many attempts share."""
        return self.work / f"{list(self._cores).index(scheme.network)}-{scheme.method}-{scheme.pictures}.json"

    def _described(self, name: str, core: onnx.ModelProto) -> bytes:
        """Wrap a core, ask the runtime for its golden answers, and write contract and answers into its metadata."""
        model, golden = wrap(core, self.contract.shape), self.contract.golden

        def with_contract(contract: Contract) -> bytes:
            return with_metadata(model, {METADATA_KEY: json.dumps(contract.to_json())})

        answers = Classifier(with_contract(self.contract), name).predict_proba(golden.pixels)
        return with_contract(replace(self.contract, golden=Golden(golden.pixels, answers)))


@dataclass(frozen=True, eq=False)
class TfliteBackend(Backend):
    """TFLite models by TensorFlow's converter: full-integer, with min-max calibration only."""

    file: ClassVar[str] = "model.int8.tflite"
    float_file: ClassVar[str] = "model.tflite"
    converter: ClassVar[str] = "TFLiteConverter"
    supports_mixed_precision: ClassVar[bool] = False

    def layers(self, scheme: Scheme) -> list[LayerNoise]:  # noqa: ARG002
        """No layers: none of them can be kept in float."""
        return []

    @property
    def layer_count(self) -> int:
        """None."""
        return 0

    def _convert(self) -> bytes:
        return self.worker(to_tflite, self.network)

    def _quantize(self, scheme: Scheme) -> tuple[bytes, tuple[str, ...]]:
        return self.worker(to_tflite, scheme.network, self.calibration[: scheme.pictures]), ()

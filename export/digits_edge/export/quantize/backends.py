"""What makes the int8 models of each format, for the ladder."""

from __future__ import annotations

import json
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
from ..convert.worker import Worker
from ..engines.model_files import open_engine
from ..verify.gate import Gate, Verdict
from .attempt import Attempt, Quantized
from .equalization import equalized
from .fine_tuning import fine_tuned
from .onnx_quantizer import in_float, quantize
from .scheme import Scheme
from .sensitivity import LayerNoise, sensitivity


@dataclass(frozen=True, eq=False)
class _Base:
    """What the backends of both formats need.

    Attributes:
        network: what is exported.
        calibration: uint8[K, H, W] or uint8[K, H, W, 3], of the training part.
        contract: what an ONNX file says of itself.
        worker: the child process that converts.
        gate: what judges each model.
        work: a folder for networks that a remedy changed.
    """

    network: KerasModelFile
    calibration: npt.NDArray[np.uint8]
    contract: Contract
    worker: Worker
    gate: Gate
    work: Path

    @property
    def pictures(self) -> int:
        """How many there are to calibrate by."""
        return len(self.calibration)

    def equalized(self) -> KerasModelFile | None:
        """The network with weights of even ranges; None where no layers allow it."""
        return self.worker(equalized, self.network, self.work / "equalized.keras")

    def _examine(self, file: str, precision: str, data: bytes) -> tuple[npt.NDArray[np.float32], Verdict]:
        """Run a model on the validation pictures, and ask the gate."""
        answers = open_engine(data, file)(self.gate.validation.pixels)
        return answers, self.gate.judge(precision, answers)

    def fine_tuned(self, network: KerasModelFile) -> KerasModelFile:
        """A network after quantization-aware fine-tuning on the calibration pictures."""
        target = self.work / f"{network.path.stem}-fine-tuned.keras"
        return self.worker(fine_tuned, network, target, self.calibration)


@dataclass(frozen=True, eq=False)
class OnnxBackend(_Base):
    """ONNX: onnxruntime's quantizer, which can do everything that the ladder asks for."""

    file: ClassVar[str] = "model.int8.onnx"
    supports_mixed_precision: ClassVar[bool] = True
    _cores: dict[KerasModelFile, onnx.ModelProto] = field(default_factory=dict)

    def core(self, network: KerasModelFile) -> onnx.ModelProto:
        """A network as a float core."""
        if network not in self._cores:
            self._cores[network] = onnx.load_from_string(self.worker(to_onnx_core, network))
        return self._cores[network]

    def float_model(self) -> Attempt:
        """The float model, judged."""
        data = self._described("model.onnx", self.core(self.network))
        return Attempt("model.onnx", "tf2onnx", data, *self._examine("model.onnx", "float32", data))

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""
        quantized = quantize(self.core(how.network), self.calibration, how)
        islands = tuple(in_float(quantized))
        data = self._described(self.file, quantized)
        return Quantized(self.file, rung, data, *self._examine(self.file, "int8", data), how, islands)

    def layers(self, how: Scheme) -> list[LayerNoise]:
        """Every layer with the noise that its quantization adds."""
        return sensitivity(self.core(how.network), self.calibration, how)

    def _described(self, name: str, core: onnx.ModelProto) -> bytes:
        """Wrap a core, ask the runtime for its golden answers, and write contract and answers into its metadata."""
        model, golden = wrap(core, self.contract.shape), self.contract.golden

        def with_contract(contract: Contract) -> bytes:
            return with_metadata(model, {METADATA_KEY: json.dumps(contract.to_json())})

        answers = Classifier(with_contract(self.contract), name).predict_proba(golden.pixels)
        return with_contract(replace(self.contract, golden=Golden(golden.pixels, answers)))


@dataclass(frozen=True, eq=False)
class TfliteBackend(_Base):
    """TFLite: full-integer models by TensorFlow's converter, which has one way to make them."""

    file: ClassVar[str] = "model.int8.tflite"
    supports_mixed_precision: ClassVar[bool] = False

    def float_model(self) -> Attempt:
        """The float model, judged."""
        data = self.worker(to_tflite, self.network)
        return Attempt("model.tflite", "TFLiteConverter", data, *self._examine("model.tflite", "float32", data))

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""
        data = self.worker(to_tflite, how.network, self.calibration[: how.pictures])
        return Quantized(self.file, rung, data, *self._examine(self.file, "int8", data), how)

    def layers(self, _how: Scheme) -> list[LayerNoise]:
        """None: no layer can be kept in float."""
        return []

"""What makes the int8 models of each format, for the ladder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import onnx

from digits_edge.runtime import Classifier
from digits_edge.runtime.contract import METADATA_KEY, Contract, Golden

from . import conversions, to_onnx
from .converter import Converter
from .gate import Verdict
from .graph import with_metadata, wrap
from .ladder import Attempt, Quantized
from .network import Network
from .scheme import Scheme
from .sensitivity import Layer, sensitivity

MODELS: Final = ("onnx", "tflite")  # the formats
Examine = Callable[[str, str, bytes], tuple[npt.NDArray[np.float32], Verdict]]  # file, precision, data


@dataclass(frozen=True, eq=False)
class _Base:
    """What the workshops of both formats need.

    Attributes:
        network: what is exported.
        calibration: uint8[K, H, W] or uint8[K, H, W, 3], of the training part.
        contract: what an ONNX file says of itself.
        convert: the child process.
        examine: what runs a model on the validation pictures and asks the gate.
        work: a folder for networks that a remedy changed.
    """

    network: Network
    calibration: npt.NDArray[np.uint8]
    contract: Contract
    convert: Converter
    examine: Examine
    work: Path

    @property
    def pictures(self) -> int:
        """How many there are to calibrate by."""
        return len(self.calibration)

    def equalized(self) -> Network | None:
        """The network with weights of even ranges; None where no layers allow it."""
        return self.convert(conversions.equalized, self.network, self.work / "equalized.keras")

    def fine_tuned(self, network: Network) -> Network:
        """A network after quantization-aware fine-tuning on the calibration pictures."""
        target = self.work / f"{network.path.stem}-fine-tuned.keras"
        return self.convert(conversions.fine_tuned, network, target, self.calibration)


@dataclass(frozen=True, eq=False)
class OnnxWorkshop(_Base):
    """ONNX: onnxruntime's quantizer, which can do everything that the ladder asks for."""

    file: ClassVar[str] = "model.int8.onnx"
    choosy: ClassVar[bool] = True
    _cores: dict[Network, onnx.ModelProto] = field(default_factory=dict)

    def core(self, network: Network) -> onnx.ModelProto:
        """A network as a float core."""
        if network not in self._cores:
            self._cores[network] = onnx.load_from_string(self.convert(conversions.onnx_core, network))
        return self._cores[network]

    def float_model(self) -> Attempt:
        """The float model, judged."""
        data = self._described("model.onnx", self.core(self.network))
        return Attempt("model.onnx", "tf2onnx", data, *self.examine("model.onnx", "float32", data))

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""
        quantized = to_onnx.quantize(self.core(how.network), self.calibration, how)
        in_float = tuple(to_onnx.in_float(quantized))
        data = self._described(self.file, quantized)
        return Quantized(self.file, rung, data, *self.examine(self.file, "int8", data), how, in_float)

    def layers(self, how: Scheme) -> list[Layer]:
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
class TfliteWorkshop(_Base):
    """TFLite: full-integer models by TensorFlow's converter, which has one way to make them."""

    file: ClassVar[str] = "model.int8.tflite"
    choosy: ClassVar[bool] = False

    def float_model(self) -> Attempt:
        """The float model, judged."""
        data = self.convert(conversions.tflite, self.network)
        return Attempt("model.tflite", "TFLiteConverter", data, *self.examine("model.tflite", "float32", data))

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""
        data = self.convert(conversions.tflite, how.network, self.calibration[: how.pictures])
        return Quantized(self.file, rung, data, *self.examine(self.file, "int8", data), how)

    def layers(self, _how: Scheme) -> list[Layer]:
        """None: no layer can be kept in float."""
        return []

"""Run TFLite models with LiteRT (ai-edge-litert)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.common.silence import muted
from digits_edge.runtime.errors import BundleError, first_line

from .interpreter import inference_of, start_interpreter
from .tensor_spec import Inference, Pixels, Probabilities, Quantization, TensorSpec


def open_interpreter(data: bytes, where: str) -> Any:
    """Load a flatbuffer into LiteRT's interpreter, on one thread and without its messages; `where` begins an error."""
    try:
        with muted():  # it reports on stderr that it uses XNNPACK
            interpreter = start_interpreter(data)
            for details in (interpreter.get_input_details, interpreter.get_output_details):
                details()  # fails if it names a tensor that the model has not
            return interpreter
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{where}: LiteRT cannot load it: {first_line(error)}") from None


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite model that digits-edge exported: one picture in, logits out."""

    spec: TensorSpec  # input int8 or float32[1, H, W, C] in [0, 1], output int8 or float32[1, C] logits
    _infer: Inference

    @classmethod
    def load(cls, data: bytes, where: str) -> TfliteModel:
        """Load a flatbuffer; a BundleError, with `where`, if LiteRT cannot or digits-edge did not export it."""
        interpreter = open_interpreter(data, where)
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        if [len(details["shape"]) for details in inputs + outputs] != [4, 2]:
            received = " and ".join(str(details["shape"].tolist()) for details in inputs + outputs)
            raise BundleError(f"{where}: expected an input [1, H, W, C] and an output [1, C], received {received}")
        (source,), (sink,) = inputs, outputs
        into, out = Quantization(*source["quantization"]), Quantization(*sink["quantization"])
        if into.scale and (abs(into.scale * 255 - 1) > 1e-6 or into.zero_point != -128):
            raise BundleError(f"{where}: expected an int8 input of scale 1/255 and zero point -128, received {into}")
        return cls(our_tensor_spec(source["shape"], into, out), inference_of(interpreter))

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.spec.probabilities(self.logits(pixels))

    def logits(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Logits int8 or float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3], in the model's own type."""
        return self.spec.outputs(self._infer, pixels)


def our_tensor_spec(shape: npt.NDArray[np.int32], into: Quantization, out: Quantization) -> TensorSpec:
    """The specification of an exported TFLite model, from its input's shape [1, H, W, C] and its quantization."""
    return TensorSpec(
        shape=tuple(int(side) for side in shape[1 : 3 if shape[3] == 1 else 4]),
        layout="HWC",
        dtype="int8" if into.scale else "float32",
        input=into,
        output=out,
        any_batch=False,
    )

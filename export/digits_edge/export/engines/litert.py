"""Run a model file on pixels: ONNX through `digits_edge.runtime` itself, TFLite through ai-edge-litert.

The same TFLite file can be run by TensorFlow Lite for Microcontrollers, too, as a microcontroller would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.common.silence import muted
from digits_edge.runtime.errors import BundleError, first_line

from .tensor_spec import Pixels, Probabilities, Quantization, TensorSpec


def open_interpreter(data: bytes, where: str) -> Any:
    """LiteRT's interpreter on one thread.

    Raises:
        BundleError: LiteRT cannot load the flatbuffer; `where` begins the message.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with muted():  # it says on stderr that it uses XNNPACK
            interpreter = Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{where}: LiteRT cannot load it: {first_line(error)}") from None
    return interpreter


def run_interpreter(interpreter: Any, ready: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The only output tensor for an only input tensor of LiteRT's interpreter."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], ready)
    interpreter.invoke()
    output: npt.NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite model of ours: one picture in, logits out.

    Attributes:
        form: input int8 or float32[1, H, W, C] in [0, 1], output int8 or float32[1, C] logits.
    """

    form: TensorSpec
    _interpreter: Any

    @classmethod
    def load(cls, data: bytes, where: str) -> TfliteModel:
        """Load a flatbuffer on one thread.

        Raises:
            BundleError: it is no TFLite model of ours.
        """
        interpreter = open_interpreter(data, where)
        (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
        into, out = Quantization(*source["quantization"]), Quantization(*sink["quantization"])
        if into.scale and (abs(into.scale * 255 - 1) > 1e-6 or into.zero_point != -128):
            raise BundleError(f"{where}: expected an int8 input of scale 1/255 and zero point -128, received {into}")
        return cls(our_tensor_spec(source["shape"], into, out), interpreter)

    @property
    def input(self) -> Quantization:
        """Quantization of the input."""
        return self.form.input

    @property
    def output(self) -> Quantization:
        """Quantization of the output."""
        return self.form.output

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.form.probabilities(self.logits(pixels))

    def logits(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Logits int8 or float32[N, C] of the same, as the model has them."""
        return self.form.outputs(lambda ready: run_interpreter(self._interpreter, ready), pixels)


def our_tensor_spec(shape: npt.NDArray[np.int32], into: Quantization, out: Quantization) -> TensorSpec:
    """The form of [1, H, W, C] in the contract."""
    picture = tuple(int(side) for side in shape[1 : 3 if shape[3] == 1 else 4])
    return TensorSpec(picture, "HWC", "int8" if into.scale else "float32", into, out, any_batch=False)

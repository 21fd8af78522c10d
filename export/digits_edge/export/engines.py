"""Run an exported file on pixels: ONNX through `digits_edge.runtime` itself, TFLite through ai-edge-litert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import BundleError, first_line
from digits_edge.trainer.quiet import muted
from digits_edge.trainer.scaling import scale, softmax

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Engine = Callable[[Pixels], Probabilities]  # uint8[N, H, W(, 3)] -> float32[N, C]


def open_engine(data: bytes, name: str) -> Engine:
    """What answers for a model file, by its name.

    Raises:
        BundleError: the file cannot be loaded.
    """
    return (
        TfliteModel.load(data, name).predict_proba if name.endswith(".tflite") else Classifier(data, name).predict_proba
    )


@dataclass(frozen=True)
class Quantization:
    """real = scale x (q - zero_point); (0, 0) stands for a float tensor, as in TFLite itself."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite model of ours: one picture in, logits out.

    Attributes:
        input: quantization of the input, int8 or float32[1, H, W, C] in [0, 1].
        output: quantization of the output, int8 or float32[1, C] logits.
    """

    input: Quantization
    output: Quantization
    _interpreter: Any

    @classmethod
    def load(cls, data: bytes, where: str) -> TfliteModel:
        """Load a flatbuffer on one thread.

        Raises:
            BundleError: it is no TFLite model of ours.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            with muted():  # it says on stderr that it uses XNNPACK
                interpreter = Interpreter(model_content=data, num_threads=1)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{where}: LiteRT cannot load it: {first_line(error)}") from None
        (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
        into, out = Quantization(*source["quantization"]), Quantization(*sink["quantization"])
        if into.scale and (abs(into.scale * 255 - 1) > 1e-6 or into.zero_point != -128):
            raise BundleError(f"{where}: expected an int8 input of scale 1/255 and zero point -128, received {into}")
        return cls(into, out, interpreter)

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        source = self._interpreter.get_input_details()[0]
        sink = self._interpreter.get_output_details()[0]
        int8 = self.input.scale > 0  # then scale is 1/255 and zero point -128, so q = pixel - 128
        ready = (pixels.astype(np.int16) - 128).astype(np.int8) if int8 else scale(pixels)
        ready = ready.reshape(-1, *source["shape"])
        logits = np.empty((len(ready), sink["shape"][1]), np.float32)
        for row, picture in enumerate(ready):
            self._interpreter.set_tensor(source["index"], picture)
            self._interpreter.invoke()
            logits[row] = self._interpreter.get_tensor(sink["index"])[0]
        if self.output.scale:
            logits = (logits - self.output.zero_point) * self.output.scale
        return softmax(logits)

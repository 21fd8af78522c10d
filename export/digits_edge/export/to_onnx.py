"""From Keras to an ONNX core, and from a float core to an int8 one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime import quantization
from onnxruntime.quantization import QuantFormat, QuantType

from digits_edge.runtime.errors import ExportError, first_line
from digits_edge.trainer.quiet import muted

from .graph import OPSET, PIXELS, clean
from .keras_model import as_function

if TYPE_CHECKING:
    import keras

QUANTIZATION: Final = "QDQ, uint8 activations, 7-bit int8 weights per channel, min-max calibration"


def convert(model: keras.Model) -> onnx.ModelProto:
    """Convert a Keras model that ends in logits to a float core.

    Raises:
        ExportError: tf2onnx cannot.
    """
    import tf2onnx

    function, spec = as_function(model, PIXELS)
    try:
        with muted():
            proto, _ = tf2onnx.convert.from_function(
                function, input_signature=[spec], opset=OPSET, inputs_as_nchw=[PIXELS]
            )
    except Exception as error:  # tf2onnx raises nearly anything
        raise ExportError(f"tf2onnx cannot convert {model.name}: {first_line(error)}") from None
    return clean(proto)


def quantize(core: onnx.ModelProto, calibration: npt.NDArray[np.uint8]) -> onnx.ModelProto:
    """Quantize a float core to int8 by onnxruntime's `quantize_static`.

    Weights have 7 bits (`reduce_range`): on CPUs without VNNI the 16-bit sum of two uint8 x int8 products saturates
    with 8, and the labels of some pictures change from CPU to CPU (see onnxruntime, "Quantize ONNX models", "When and
    why do I need to try U8U8?"). U8U8 does not saturate either, but took twice the time.

    Args:
        core: float.
        calibration: uint8[K, H, W] or uint8[K, H, W, 3], of the training part.
    """
    exact = {"scale": np.array(1 / 255, np.float32), "zero_point": np.array(0, np.uint8)}  # q = pixel
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(core, source)
        with muted():
            quantization.quantize_static(
                str(source),
                str(target),
                _Calibration(calibration),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
                extra_options={"TensorQuantOverrides": {PIXELS: [exact]}},
            )
        return onnx.load(target)


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds pictures as the core takes them, some at a time."""

    def __init__(self, pixels: npt.NDArray[np.uint8], batch: int = 128) -> None:
        self._batches: Iterator[dict[str, Any]] = (
            {PIXELS: _to_nchw(pixels[start : start + batch])} for start in range(0, len(pixels), batch)
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None."""
        return next(self._batches, None)


def _to_nchw(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    scaled = pixels.astype(np.float32) / np.float32(255)
    return scaled[:, None] if pixels.ndim == 3 else scaled.transpose(0, 3, 1, 2)

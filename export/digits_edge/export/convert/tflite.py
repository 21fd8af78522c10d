"""Convert a Keras model to TFLite, float or full-integer, with TensorFlow's converter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.numerics import scale
from digits_edge.common.silence import muted
from digits_edge.runtime.errors import ExportError, first_line

from .keras_model import KerasModelFile, adapted, as_function


def to_tflite(source: KerasModelFile, calibration: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Convert a Keras model file to a TFLite model with a batch of 1; raises ExportError where TensorFlow cannot.

    Calibration pixels, uint8[K, H, W] or uint8[K, H, W, 3], make a full-integer model with int8 input, int8 output and
    built-in int8 operators only; None makes a float model.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = adapted(source)
    loops = [layer.name for layer in model._flatten_layers() if isinstance(layer, import_keras().layers.RNN)]
    if loops and calibration is not None:
        raise ExportError(f"TFLite has no full-integer form of the recurrent layers {', '.join(loops)}")
    function = as_function(model, "pixels")
    with muted():
        # Frozen, because the converter's calibrator cannot read the variables of Keras 3.
        frozen = convert_variables_to_constants_v2(function.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _representative(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        try:
            return bytes(converter.convert())
        except Exception as error:  # ConverterError and others
            raise ExportError(f"TFLite cannot convert {model.name}: {first_line(error)}") from None


def _representative(pixels: npt.NDArray[np.uint8]) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Yield the representative dataset, one picture at a time, float32[1, H, W, C] in [0, 1]."""
    pictures = scale(pixels)
    # The input's scale follows from the range of the dataset: one black and one white pixel make it 1/255 for certain.
    pictures[0, 0, 0], pictures[0, 0, 1] = 0, 1
    for picture in pictures:
        yield [picture[None]]

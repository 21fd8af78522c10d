"""From Keras to TFLite, float or full-integer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import scale
from digits_edge.common.silence import muted
from digits_edge.runtime.errors import ExportError, first_line

from .keras_model import KerasModelFile, adapted, as_function


def to_tflite(source: KerasModelFile, calibration: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Convert a Keras model file with TensorFlow's converter.

    Args:
        source: the model file.
        calibration: uint8[K, H, W] or uint8[K, H, W, 3] of the training part, for a full-integer model with int8 input
            and output and built-in int8 operators only; None for a float one.

    Returns:
        the flatbuffer, for a batch of 1.

    Raises:
        ExportError: the converter cannot.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = adapted(source)
    function, _ = as_function(model, "pixels")
    with muted():
        # frozen: the converter's calibrator cannot read Keras 3's variables
        frozen = convert_variables_to_constants_v2(function.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        if calibration is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _representative(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        try:
            return bytes(converter.convert())
        except Exception as error:  # ConverterError and more
            raise ExportError(f"TFLite cannot convert {model.name}: {first_line(error)}") from None


def _representative(pixels: npt.NDArray[np.uint8]) -> Iterator[list[npt.NDArray[np.float32]]]:
    pictures = scale(pixels)
    # The converter takes the input's scale from what it sees; black and white somewhere make it 1/255, as promised.
    pictures[0, 0, 0], pictures[0, 0, 1] = 0, 1
    for picture in pictures:
        yield [picture[None]]

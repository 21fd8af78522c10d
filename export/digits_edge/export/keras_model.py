"""The trained Keras model, loaded for conversion."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits_edge.runtime.errors import ExportError
from digits_edge.trainer.backend import import_keras
from digits_edge.trainer.load import load as load_network

if TYPE_CHECKING:
    import keras


def load(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file in safe mode, on Keras's TensorFlow backend, whichever backend trained it.

    Args:
        path: of the file.
        shape: of a picture, (H, W) or (H, W, 3).
        classes: how many logits.

    Raises:
        RunError: the file is damaged, or does not fit the run's pictures and labels.
        ExportError: keras was imported with another backend before.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"expected Keras on its tensorflow backend, found {keras.backend.backend()}: export in a process of its own"
        )
    return load_network(path, shape, classes)


def as_function(model: keras.Model, name: str) -> tuple[Any, Any]:
    """The model as a TensorFlow function of one picture, float32[1, H, W, C] in [0, 1] to logits.

    A batch of 1 is what TFLite wants, and lets every shape in the ONNX graph be a constant.

    Returns:
        the `tf.function`, and the `TensorSpec` of its input, which is called `name`.
    """
    import tensorflow as tf

    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name=name)
    return tf.function(lambda pixels: model(pixels, training=False), input_signature=[spec]), spec

"""A Keras model from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from digits_edge.runtime.errors import RunError, first_line

from .backend import import_keras

if TYPE_CHECKING:
    import keras


def load(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file in safe mode.

    Args:
        path: of the file, or of a run's folder.
        shape: of a picture, (H, W) or (H, W, 3).
        classes: how many outputs.

    Raises:
        RunError: the file is damaged, or does not fit these pictures and classes.
    """
    if path.is_dir():
        path /= "model.keras"
    try:
        model = import_keras().models.load_model(path, compile=False, safe_mode=True)
        sides = (model.input_shape, model.output_shape)
    except Exception as error:  # zip, h5py, json and keras errors alike
        raise RunError(f"{path}: not readable as a Keras model: {first_line(error)}") from None
    expected = ((None, *shape, *((1,) if len(shape) == 2 else ())), (None, classes))
    if sides != expected:
        raise RunError(f"{path}: expected input and output {expected}, received {sides}")
    return model


def end_in_logits(model: keras.Model) -> keras.Model:
    """Take away the softmax that a model ends in, where it does, so that it can be trained on."""
    keras = import_keras()
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input, name=model.name)
    if getattr(last, "activation", None) == keras.activations.softmax:
        last.activation = keras.activations.linear
    return model

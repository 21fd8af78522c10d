"""Load Keras models, take off their softmax, and ask for their answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import RunError, first_line

from .keras_backend import import_keras
from .numerics import scale, softmax

if TYPE_CHECKING:
    import keras

BATCH: Final = 512


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


def load_to_train(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file to train on or to learn from: in float32, without the softmax that it may end in.

    Raises:
        RunError: as `load`, or the model does not end in logits or their softmax.
    """
    keras = import_keras()
    model = in_float32(load(path, shape, classes))
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax) or activation_of(last) == "softmax":
        if isinstance(last, keras.layers.Softmax | keras.layers.Activation):
            model = keras.Model(model.inputs, last.input, name=model.name)
        else:
            last.activation = keras.activations.linear
    last = model.layers[-1]
    if (
        not isinstance(last, keras.layers.Dense)
        or activation_of(last) != "linear"
        or last.output is not model.outputs[0]
    ):
        raise RunError(
            f"{path}: expected a model that ends in a dense layer, with a softmax or nothing after it, "
            f"received one that ends in {type(last).__name__} with activation {activation_of(last)}"
        )
    if not model.trainable_variables:
        raise RunError(f"{path}: expected a model with something to train, received a frozen one")
    return model


def in_float32(model: keras.Model) -> keras.Model:
    """The same model with the same weights, computing in float32; itself where it does."""
    keras = import_keras()
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def clone(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def activation_of(layer: Any) -> str:
    """The name of a layer's activation; `linear` where it has none."""
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def predict(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Class probabilities float32[N, C] of pixels uint8[N, H, W] by a Keras model that ends in logits."""
    return softmax(predict_logits(model, pixels))


def predict_logits(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32[N, C] of pixels uint8[N, H, W], in batches of one size, so that one graph does."""
    keras = import_keras()
    # `predict_on_batch` would take each process's pictures for its share of a larger batch.
    answer = model.predict_on_batch if keras.distribution.distribution() is None else model
    batches = []
    for start in range(0, len(pixels), BATCH):
        batch = scale(pixels[start : start + BATCH])
        padded = np.pad(batch, [(0, BATCH - len(batch)), *[(0, 0)] * (batch.ndim - 1)])
        logits = keras.ops.convert_to_numpy(answer(padded))
        batches.append(logits[: len(batch)].astype(np.float32))
    return np.concatenate(batches)

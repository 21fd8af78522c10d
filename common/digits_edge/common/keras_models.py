"""Load Keras models to train on, take off their softmax, and compute their answers."""

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

BATCH: Final = 512  # pictures per call


def load_model(path: Path) -> keras.Model:
    """Load a `.keras` file in safe mode, uncompiled, to compute in float32; a ValueError if it is not readable."""
    try:
        return in_float32(import_keras().models.load_model(path, compile=False, safe_mode=True))
    except Exception as error:  # zipfile, h5py, JSON and Keras errors alike
        raise ValueError(f"not readable as a Keras model: {first_line(error)}") from None


def load_to_train(path: Path, shape: tuple[int, ...], classes: int) -> keras.Model:
    """Load a `.keras` file or a run's model to train or to distil from, without its softmax.

    Raises:
        RunError: The file is damaged, does not fit these pictures and classes, does not end in a dense layer or its
            softmax, or has no trainable weights.
    """
    if path.is_dir():
        path /= "model.keras"
    expected = ((None, *shape, *((1,) if len(shape) == 2 else ())), (None, classes))
    try:
        model = load_model(path)
        if (sides := (model.input_shape, model.output_shape)) != expected:
            raise ValueError(f"expected input and output {expected}, received {sides}")
        model = without_softmax(model)
    except (AttributeError, ValueError) as error:  # AttributeError: a model without a fixed input shape
        raise RunError(f"{path}: {first_line(error)}") from None
    last = model.layers[-1]
    if not isinstance(last, import_keras().layers.Dense) or last.output is not model.outputs[0]:
        raise RunError(
            f"{path}: expected a model that ends in a dense layer, with or without a softmax, "
            f"received one that ends in {type(last).__name__}"
        )
    if not model.trainable_variables:
        raise RunError(f"{path}: expected a model with trainable weights, received a frozen one")
    return model


def without_softmax(model: keras.Model) -> keras.Model:
    """Take off the softmax that a classifier ends in, whether it is an activation, a layer or an operation.

    The activation of its last layer may be changed in place.

    Raises:
        ValueError: It ends in neither logits nor their softmax, or the softmax is a layer inside a nested model.
    """
    keras = import_keras()
    last = model.outputs[0]._keras_history.operation if model.outputs else model.layers[-1]
    if isinstance(last, keras.Model):
        if without_softmax(last) is not last:
            raise ValueError(f"expected no softmax layer inside a nested model, received one in {last.name}")
        return model
    ending = _ending(last)
    if ending not in ("linear", "softmax"):
        raise ValueError(f"expected logits or their softmax at the end, received {ending}")
    if ending == "linear":
        return model
    if isinstance(last, keras.layers.Activation) or not hasattr(last, "activation"):
        return keras.Model(model.inputs, last.input, name=model.name)
    last.activation = keras.activations.linear
    return model


def _ending(last: Any) -> str:
    """The name of the activation that a model's last operation is or applies; `linear` for none."""
    keras = import_keras()
    if isinstance(last, keras.layers.Layer) and not isinstance(last, keras.layers.Softmax):
        return activation_of(last)
    name = type(last).__name__.lower()  # keras.layers.Softmax, or what keras.ops.softmax adds to the graph
    return name if hasattr(keras.activations, name) else "linear"


def in_float32(model: keras.Model) -> keras.Model:
    """Return the model itself if it computes in float32, else a copy that does, with the same weights."""
    keras = import_keras()
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def clone(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation; `linear` if it has none."""
    activation = getattr(layer, "activation", None)
    return "linear" if activation is None else str(getattr(activation, "__name__", activation))


def predict(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Compute probabilities float32[N, C] for pixels uint8[N, H, W] or uint8[N, H, W, 3] with a model of logits."""
    return softmax(predict_logits(model, pixels))


def predict_logits(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Compute logits float32[N, C] in padded batches of one size, so that one graph is traced; see `predict`."""
    keras = import_keras()
    # With several processes, `predict_on_batch` would treat the pictures of each as its share of a larger batch.
    answer = model.predict_on_batch if keras.distribution.distribution() is None else model
    batches = []
    for start in range(0, len(pixels), BATCH):
        batch = scale(pixels[start : start + BATCH])
        padded = np.pad(batch, [(0, BATCH - len(batch)), *[(0, 0)] * (batch.ndim - 1)])
        logits = keras.ops.convert_to_numpy(answer(padded))
        batches.append(logits[: len(batch)].astype(np.float32))
    return np.concatenate(batches)

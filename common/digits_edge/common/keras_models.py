"""Load Keras models, and compute their answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from .keras_backend import import_keras
from .keras_files import read_keras_model, why_unreadable
from .numerics import scale, softmax

if TYPE_CHECKING:
    import keras

BATCH: Final = 512  # pictures per call
Prepare = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


def load_model(path: Path, custom: str | None = None) -> keras.Model:
    """Load a model to compute in float32, as `keras_files` does it; a ValueError if it is not readable."""
    try:
        return in_float32(read_keras_model(path, custom))
    except Exception as error:  # h5py's and Keras's own
        raise ValueError(f"not readable as a Keras model: {why_unreadable(error)}") from None


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
    """Compute logits float32[N, C]; see `predict`."""
    return predict_outputs(model, pixels, scale)


def predict_outputs(model: keras.Model, pixels: npt.NDArray[np.uint8], prepare: Prepare) -> npt.NDArray[np.float32]:
    """Compute whatever a model gives, float32[N, C], in padded batches of one size, so that one graph is traced.

    `prepare` turns some of the pixels uint8[N, H, W] or uint8[N, H, W, 3] into what the model takes.
    """
    keras = import_keras()
    # With several processes, `predict_on_batch` would treat the pictures of each as its share of a larger batch.
    answer = model.predict_on_batch if keras.distribution.distribution() is None else model
    batches = []
    for start in range(0, len(pixels), BATCH):
        batch = prepare(pixels[start : start + BATCH])
        padded = np.pad(batch, [(0, BATCH - len(batch)), *[(0, 0)] * (batch.ndim - 1)])
        outputs = keras.ops.convert_to_numpy(answer(padded))
        batches.append(outputs[: len(batch)].astype(np.float32))
    return np.concatenate(batches)

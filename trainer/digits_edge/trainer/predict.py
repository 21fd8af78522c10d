"""A Keras model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from .backend import import_keras
from .scaling import scale, softmax

if TYPE_CHECKING:
    import keras

BATCH: Final = 512


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

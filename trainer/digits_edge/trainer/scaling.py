"""The arithmetic at a model's two ends: pixels in, probabilities out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def scale(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the models take: float32[N, H, W, 1] in [0, 1] from uint8[N, H, W]; colour keeps its 3 channels."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return scaled[..., None] if pixels.ndim == 3 else scaled


def one_hot(targets: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """float32[N, classes] from int64[N]."""
    return np.eye(classes, dtype=np.float32)[targets]


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities float32[N, C] from logits float32[N, C]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

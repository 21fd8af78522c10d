"""The arithmetic at a model's two ends: pixels in, probabilities out, and how far these are to be trusted."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

BINS: Final = 15  # of the calibration error


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


def cross_entropy(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """Mean negative log-likelihood, in nats, of targets int64[N] under logits float32[N, C]."""
    probabilities = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def accuracy(wrong: int, pictures: int) -> float:
    """The share of right answers."""
    return 1 - wrong / pictures


def expected_calibration_error(probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """How far probability and accuracy of the best guess are apart, over 15 bins of equal width, by their pictures."""
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=right - scores.astype(float), minlength=BINS)
    return float(np.abs(gaps).sum() / len(targets))

"""Scale pixels, turn logits into probabilities, and measure these against targets."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

BINS: Final = 15  # of the expected calibration error


def scale(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Scale pixels to [0, 1]: float32[N, H, W, 1] from uint8[N, H, W], float32[N, H, W, 3] from uint8[N, H, W, 3]."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return scaled[..., None] if pixels.ndim == 3 else scaled


def one_hot(targets: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.float32]:
    """Encode targets int64[N] as float32[N, classes]."""
    return np.eye(classes, dtype=np.float32)[targets]


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn logits float32[N, C] into probabilities float32[N, C]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def accuracy(wrong: int, pictures: int) -> float:
    """Share of right answers."""
    return 1 - wrong / pictures


def count_wrong(answers: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> int:
    """Number of targets int64[N] that are not the argmax of logits or probabilities float32[N, C]."""
    return int((answers.argmax(axis=1) != targets).sum())


def cross_entropy(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """Mean negative log-likelihood of targets int64[N] under logits float32[N, C], in nats."""
    probabilities = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def expected_calibration_error(probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """Expected calibration error (Guo et al. 2017) of the most probable class, over 15 bins of equal width."""
    scores, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=right - scores.astype(float), minlength=BINS)
    return float(np.abs(gaps).sum() / len(targets))

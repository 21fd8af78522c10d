"""Make the contract that is written into the models: labels, input, thresholds, golden pictures."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.metadata import Contract, Golden, Preprocess

from ..verify.rejection import thresholds
from ..verify.validation import Validation

GOLDEN_PICTURES: Final = 20
GOLDEN_BYTES: Final = 64 * 1024  # of their pixels, so that they stay small beside the model


def describe(name: str, preprocess: Preprocess, validation: Validation, reference: npt.NDArray[np.float32]) -> Contract:
    """Make the contract of all models of one export; each file fills in its own golden probabilities later.

    Thresholds and golden pictures are taken from the validation pictures; `reference` holds Keras's probabilities for
    them, float32[N, C].
    """
    pixels, targets = validation.pixels, validation.targets
    min_score, min_familiarity = thresholds(reference)
    chosen = _golden_rows(pixels, targets, reference)
    return Contract(
        name=name,
        labels=validation.labels,
        shape=pixels.shape[1:],
        preprocess=preprocess,
        min_score=min_score,
        min_familiarity=min_familiarity,
        golden=Golden(pixels[chosen], np.zeros((len(chosen), len(validation.labels)), np.float32)),
    )


def _golden_rows(
    pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64], reference: npt.NDArray[np.float32]
) -> list[int]:
    """Rows of the highest-scoring right answer of each class, then of the second highest, up to the size limit."""
    right = np.flatnonzero(reference.argmax(axis=1) == targets)
    right = right if len(right) else np.arange(len(targets))  # any answers of a model that is always wrong
    surest = right[np.argsort(-reference[right].max(axis=1), kind="stable")]
    by_class = [surest[targets[surest] == c] for c in range(reference.shape[1])]
    ranked = [int(rows[rank]) for rank in range(2) for rows in by_class if len(rows) > rank]
    room = max(1, min(GOLDEN_PICTURES, GOLDEN_BYTES // pixels[0].size))
    return ranked[:room]

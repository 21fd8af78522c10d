"""Which classes Keras and the exported models confuse with each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..engines.tensor_spec import Probabilities
from .validation import Validation

KERAS: Final = "Keras"
SHOWN: Final = 20  # largest number of rows in a list

Answers = Mapping[str, Probabilities]  # float32[N, C] by the name of the model, Keras first


@dataclass(frozen=True)
class ConfusionCell:
    """A cell of a confusion matrix."""

    pictures: int
    heat: float  # relative to the largest error in any of the matrices, from 0 to 1; 0 for right answers
    right: bool  # whether the cell is on the diagonal


@dataclass(frozen=True)
class ConfusionMatrix:
    """A confusion matrix."""

    name: str  # of the model
    wrong: int  # pictures off the diagonal
    rows: tuple[tuple[ConfusionCell, ...], ...]  # C rows of C cells: true class by predicted class


@dataclass(frozen=True)
class ConfusedPair:
    """A pair of classes that are confused."""

    truth: str
    predicted: str
    counts: tuple[int, ...]  # of such pictures for Keras and for each model


@dataclass(frozen=True)
class ClassRecall:
    """A class of which a model recognises more or fewer pictures than Keras."""

    label: str
    pictures: int
    by_keras: int  # how many of them Keras recognises
    by_model: tuple[int, ...]  # how many of them each model recognises


def matrices(validation: Validation, answers: Answers) -> tuple[ConfusionMatrix, ...]:
    """The confusion matrices of Keras and of each model, with one common scale of heat."""
    counted = _counted(validation, answers)
    errors = [np.where(np.eye(len(counts), dtype=bool), 0, counts) for counts in counted]
    hottest = max(1, max(int(wrong.max()) for wrong in errors))
    return tuple(
        ConfusionMatrix(
            name=name,
            wrong=int(wrong.sum()),
            rows=tuple(
                tuple(ConfusionCell(int(n), int(wrong[i, j]) / hottest, i == j) for j, n in enumerate(row))
                for i, row in enumerate(counts)
            ),
        )
        for name, counts, wrong in zip(answers, counted, errors, strict=True)
    )


def pairs(validation: Validation, answers: Answers) -> tuple[ConfusedPair, ...]:
    """The pairs of classes that are confused most often, for models with too many classes for a matrix."""
    labels, counted = validation.labels, np.stack(_counted(validation, answers))  # (1 + models, C, C)
    errors = counted.sum(axis=0)
    np.fill_diagonal(errors, 0)
    most = np.argsort(-errors, axis=None, kind="stable")[:SHOWN]
    return tuple(
        ConfusedPair(labels[i], labels[j], tuple(int(n) for n in counted[:, i, j]))
        for i, j in zip(*np.unravel_index(most, errors.shape), strict=True)
        if errors[i, j]
    )


def recalls(validation: Validation, answers: Answers) -> tuple[ClassRecall, ...]:
    """The classes of which a model recognises more or fewer pictures than Keras, the largest loss first."""
    keras, *others = (np.diag(counts) for counts in _counted(validation, answers))
    found = np.stack(others)  # (models, C)
    totals = np.bincount(validation.targets, minlength=len(keras))
    lost = (keras - found).max(axis=0) / np.maximum(totals, 1)
    changed = np.flatnonzero((found != keras).any(axis=0))
    worst = changed[np.argsort(-lost[changed], kind="stable")][:SHOWN]
    return tuple(
        ClassRecall(validation.labels[c], int(totals[c]), int(keras[c]), tuple(int(n) for n in found[:, c]))
        for c in worst
    )


def _counted(validation: Validation, answers: Answers) -> list[npt.NDArray[np.int64]]:
    """The confusion matrix of Keras and of each model, int64[C, C]: true class by predicted class."""
    size, targets = len(validation.labels), validation.targets
    return [
        np.bincount(targets * size + probabilities.argmax(axis=1), minlength=size * size).reshape(size, size)
        for probabilities in answers.values()
    ]

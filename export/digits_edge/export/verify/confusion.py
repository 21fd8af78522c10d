"""Which classes are taken for which, by Keras and by the models made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from .validation import Validation

KERAS: Final = "Keras"
SHOWN: Final = 20  # rows of a list, at most

Answers = Mapping[str, npt.NDArray[np.float32]]  # probabilities [N, C] by who gave them, Keras first


@dataclass(frozen=True)
class Count:
    """A cell of a confusion matrix.

    Attributes:
        pictures: how many.
        heat: from 0 to 1, beside the largest error in any of the matrices; 0 for right answers.
        right: whether it is on the diagonal.
    """

    pictures: int
    heat: float
    right: bool


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        name: whose answers these are.
        wrong: pictures off the diagonal.
        rows: C rows of C counts; the row is what a picture is, the column what it was read as.
    """

    name: str
    wrong: int
    rows: tuple[tuple[Count, ...], ...]


@dataclass(frozen=True)
class ConfusedPair:
    """A class that was read as another, and how often by Keras and by each model."""

    truth: str
    read_as: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Recall:
    """A class of which a model finds more or fewer pictures than Keras.

    Attributes:
        label: of the class.
        pictures: how many there are.
        found: by Keras.
        by_model: how many each model finds.
    """

    label: str
    pictures: int
    found: int
    by_model: tuple[int, ...]


def matrices(validation: Validation, answers: Answers) -> tuple[Matrix, ...]:
    """Keras's and each model's, with one scale of heat."""
    counted = _counted(validation, answers)
    errors = [np.where(np.eye(len(counts), dtype=bool), 0, counts) for counts in counted]
    hottest = max(1, max(int(wrong.max()) for wrong in errors))
    return tuple(
        Matrix(
            name=name,
            wrong=int(wrong.sum()),
            rows=tuple(
                tuple(Count(int(n), int(wrong[i, j]) / hottest, i == j) for j, n in enumerate(row))
                for i, row in enumerate(counts)
            ),
        )
        for name, counts, wrong in zip(answers, counted, errors, strict=True)
    )


def pairs(validation: Validation, answers: Answers) -> tuple[ConfusedPair, ...]:
    """The pairs of classes that are confused most often, for those who have too many classes for a matrix."""
    labels, counted = validation.labels, np.stack(_counted(validation, answers))  # (1 + models, C, C)
    often = counted.sum(axis=0)
    np.fill_diagonal(often, 0)
    most = np.argsort(-often, axis=None, kind="stable")[:SHOWN]
    return tuple(
        ConfusedPair(labels[i], labels[j], tuple(int(n) for n in counted[:, i, j]))
        for i, j in zip(*np.unravel_index(most, often.shape), strict=True)
        if often[i, j]
    )


def recalls(validation: Validation, answers: Answers) -> tuple[Recall, ...]:
    """The classes of which any model finds more or fewer pictures than Keras, those that lost most first."""
    keras, *others = (np.diag(counts) for counts in _counted(validation, answers))
    found = np.stack(others)  # (models, C)
    totals = np.bincount(validation.targets, minlength=len(keras))
    lost = (keras - found).max(axis=0) / np.maximum(totals, 1)
    changed = np.flatnonzero((found != keras).any(axis=0))
    worst = changed[np.argsort(-lost[changed], kind="stable")][:SHOWN]
    return tuple(
        Recall(validation.labels[c], int(totals[c]), int(keras[c]), tuple(int(n) for n in found[:, c])) for c in worst
    )


def _counted(validation: Validation, answers: Answers) -> list[npt.NDArray[np.int64]]:
    """int64[C, C] of Keras and each model: truth by answer."""
    size, targets = len(validation.labels), validation.targets
    return [
        np.bincount(targets * size + given.argmax(axis=1), minlength=size * size).reshape(size, size)
        for given in answers.values()
    ]

"""Split a dataset into training and validation, reproducibly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, UsageError

from .dataset import Dataset


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset in two parts."""

    dataset: Dataset
    train: npt.NDArray[np.int64]  # row numbers, [N]
    validation: npt.NDArray[np.int64]  # row numbers, [M]; none is in both parts


def split(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Split a dataset with scikit-learn's `train_test_split`, or as the data themselves are split.

    A CSV is split into the same rows as in the Kaggle notebook, without stratification. Other datasets keep the share
    of each class. The fraction is that of the validation part, the seed scikit-learn's `random_state`.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"--validation-fraction: expected a number between 0 and 1, received {fraction:g}")
    counts = np.bincount(dataset.targets, minlength=len(dataset.labels))
    if dataset.held_out:
        rows = np.arange(len(dataset))
        say(f"{dataset.name}: its own validation part of {dataset.held_out:,} pictures is used")
        return _checked(Split(dataset, rows[: -dataset.held_out], rows[-dataset.held_out :]), counts)
    rarest = int(np.where(counts > 0, counts, len(dataset) + 1).argmin())
    if counts[rarest] < 2:
        raise DatasetError(
            f"{dataset.name}: expected at least 2 pictures of each class, one to train on and one to validate "
            f"with, found {counts[rarest]} of class {dataset.labels[rarest]!r}"
        )
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(dataset))
    try:
        parts = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=dataset.targets if dataset.stratified else None
        )
    except ValueError as error:
        raise DatasetError(f"{dataset.name}: {len(dataset)} pictures cannot be split like this: {error}") from None
    return _checked(Split(dataset, *parts), counts)


def _checked(parts: Split, counts: npt.NDArray[np.int64]) -> Split:
    """Check that a class with pictures has some in the training part and, unless the data are split, in the other."""
    dataset = parts.dataset
    for rows, name in ((parts.train, "training"), (parts.validation, "validation")):
        missing = np.setdiff1d(np.flatnonzero(counts), dataset.targets[rows])
        if not len(missing):
            continue
        if dataset.held_out and name == "validation":
            unjudged = ", ".join(repr(dataset.labels[index]) for index in missing)
            say(f"{dataset.name}: the validation part has no pictures of {unjudged}: not judged")
            continue
        raise DatasetError(
            f"{dataset.name}: expected every class in the {name} part, found none of the {counts[missing[0]]} pictures "
            f"of class {dataset.labels[missing[0]]!r}; add pictures of it, or change --validation-fraction or "
            "--split-seed"
        )
    return parts

"""Split a dataset into training and validation, reproducibly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError, UsageError

from .dataset import Dataset


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset in two parts."""

    dataset: Dataset
    train: npt.NDArray[np.int64]  # row numbers, [N]
    validation: npt.NDArray[np.int64]  # row numbers, [M]; none is in both parts


def split(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Split a dataset with scikit-learn's `train_test_split`.

    A CSV is split into the same rows as in the Kaggle notebook, without stratification. Other datasets keep the share
    of each class. The fraction is that of the validation part, the seed scikit-learn's `random_state`.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"--validation-fraction: expected a number between 0 and 1, received {fraction:g}")
    counts = np.bincount(dataset.targets, minlength=len(dataset.labels))
    rarest = int(counts.argmin())
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
    for part, name in zip(parts, ("training", "validation"), strict=True):
        if missing := sorted(set(range(len(dataset.labels))) - set(dataset.targets[part].tolist())):
            raise DatasetError(
                f"{dataset.name}: expected every class in the {name} part, found none of the "
                f"{counts[missing[0]]} pictures of class {dataset.labels[missing[0]]!r}; add pictures of it, or change "
                "--validation-fraction or --split-seed"
            )
    return Split(dataset, *parts)

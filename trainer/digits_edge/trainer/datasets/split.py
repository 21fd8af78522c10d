"""Part a dataset into training and validation, the same way each time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError, UsageError

from .dataset import Dataset


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers int64[...] of the two parts; no row is in both."""

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


def split(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Part a dataset by scikit-learn's `train_test_split`, with the rows and the order that the Kaggle notebook got.

    Args:
        dataset: what to part; a CSV is parted plainly, as the notebook did, others keep each class's share.
        fraction: of validation, between 0 and 1.
        seed: `random_state`.

    Raises:
        UsageError: an impossible fraction.
        DatasetError: a class has too few pictures to be in both parts.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"--validation-fraction: expected a number between 0 and 1, received {fraction:g}")
    counts = np.bincount(dataset.targets, minlength=len(dataset.labels))
    rarest = int(counts.argmin())
    if counts[rarest] < 2:
        raise DatasetError(
            f"{dataset.name}: class {dataset.labels[rarest]!r} has only {counts[rarest]} picture; expected at least 2, "
            "one to train on and one to validate with"
        )
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(dataset))
    try:
        parts = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=dataset.targets if dataset.stratified else None
        )
    except ValueError as error:
        raise DatasetError(f"{dataset.name}: {len(dataset)} pictures cannot be split so: {error}") from None
    for part, name in zip(parts, ("training", "validation"), strict=True):
        if missing := sorted(set(range(len(dataset.labels))) - set(dataset.targets[part].tolist())):
            raise DatasetError(
                f"{dataset.name}: class {dataset.labels[missing[0]]!r} ({counts[missing[0]]} pictures) has none in the "
                f"{name} part; give it more pictures, or change --validation-fraction or --split-seed"
            )
    return Split(*parts)

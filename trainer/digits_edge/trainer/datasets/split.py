"""Split a dataset into training and validation, reproducibly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, UsageError

from .dataset import Dataset

ENOUGH: Final = 20  # pictures of a class: with fewer, own pictures are judged by folds
FOLDS: Final = 5
REHEARSED: Final = 2000  # pictures, at least, and two for each of one's own: more take longer and help little
WATCHED: Final = 500  # validation pictures after each epoch of a fold
OWN_SHARE: Final = 1 / 3  # of the pictures of an epoch, at least, if others are rehearsed


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset in two parts, to which a rehearsed one may have been added in two parts, too."""

    dataset: Dataset
    train: npt.NDArray[np.int64]  # row numbers, [N]
    validation: npt.NDArray[np.int64]  # row numbers, [M]; none is in both parts; of the rehearsed rows, if there are
    rehearsed: int = 0  # the last rows of the dataset, which were added so that they are not forgotten
    held_out: tuple[npt.NDArray[np.int64], ...] = ()  # own rows to judge by; several are folds of the training part

    @property
    def own(self) -> Dataset:
        """The dataset without what is rehearsed."""
        count = len(self.dataset) - self.rehearsed
        return replace(self.dataset, pixels=self.dataset.pixels[:count], targets=self.dataset.targets[:count])

    @property
    def folds(self) -> int:
        """How many models judge one's own pictures, each trained without some of them; 0 if some are held out."""
        return len(self.held_out) if len(self.held_out) > 1 else 0

    @property
    def judged(self) -> npt.NDArray[np.int64]:
        """One's own rows to judge by: those that are held out, or those of all folds."""
        return np.concatenate(self.held_out)

    def is_own(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some rows are not rehearsed ones."""
        return rows < len(self.dataset) - self.rehearsed

    def epoch(self, batch_size: int) -> npt.NDArray[np.int64]:
        """The rows of an epoch: own ones are repeated among rehearsed ones, up to whole batches."""
        if not self.rehearsed:
            return self.train
        own, others = self.train[self.is_own(self.train)], self.train[~self.is_own(self.train)]
        others = others[: max(REHEARSED, 2 * len(own))]
        count = max(len(own), round(len(others) * OWN_SHARE / (1 - OWN_SHARE)))
        return np.concatenate([np.resize(own, count + -(len(others) + count) % batch_size), others])

    def without(self, fold: npt.NDArray[np.int64]) -> Split:
        """The same split with the rows of a fold and the first ones of the validation part, to validate with."""
        kept = self.train[~np.isin(self.train, fold)]
        return replace(self, train=kept, validation=np.concatenate([self.validation[:WATCHED], fold]), held_out=())


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


def split_own(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Split pictures that are added to what a model knows; with few of a class, all are trained on, and folds judge."""
    counts = np.bincount(dataset.targets)
    if dataset.held_out or counts[counts > 0].min() >= ENOUGH:
        return split(dataset, fraction, seed)
    if len(dataset) < 2:
        raise DatasetError(f"{dataset.name}: expected at least 2 pictures, found {len(dataset)}")
    order = np.random.default_rng(seed).permutation(len(dataset))
    order = order[np.argsort(dataset.targets[order], kind="stable")]  # by class, at random within each
    folds = tuple(np.sort(order[first::FOLDS]) for first in range(min(FOLDS, len(dataset))))
    return Split(dataset, np.arange(len(dataset)), np.arange(0), held_out=folds)


def rehearsing(own: Split, others: Split) -> Split:
    """Add a split dataset of the same classes to one's own, so that it is not forgotten."""
    both, first = (own.dataset, others.dataset), len(own.dataset)
    pixels, targets = (np.concatenate([getattr(one, name) for one in both]) for name in ("pixels", "targets"))
    return Split(
        replace(own.dataset, pixels=pixels, targets=targets, held_out=0),
        np.concatenate([own.train, others.train + first]),
        others.validation + first,
        rehearsed=len(others.dataset),
        held_out=own.held_out or (own.validation,),
    )


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

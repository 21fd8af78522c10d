"""Labelled pictures in the form that models take, from any source."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture.mnist_form import SIDE, is_normalised

DIGITS: Final = 10


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures."""

    pixels: npt.NDArray[np.uint8]  # [N, H, W] or [N, H, W, 3], white ink (255) on black (0)
    targets: npt.NDArray[np.int64]  # [N], indices into `labels`
    labels: tuple[str, ...]  # in alphabetical order; numbers by value
    name: str  # file or folder name without its parents, or `sample` or `mnist`
    preprocess: Preprocess  # how a photograph becomes such pixels
    stratified: bool = True  # whether a split keeps the share of each class; that of the Kaggle notebook does not

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a picture, (H, W) or (H, W, 3)."""
        return self.pixels.shape[1:]

    @property
    def of_digits(self) -> bool:
        """Whether these seem to be digits in MNIST's form: boxed and centred, with no more classes than digits."""
        return self.preprocess == "digit" and self.shape == (SIDE, SIDE) and len(self.labels) <= DIGITS

    @property
    def fingerprint(self) -> str:
        """SHA-256 of pixels, targets and labels: the same for the same data in any file format."""
        digest = hashlib.sha256(repr((self.pixels.shape, self.labels)).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update(self.targets.astype("<i8").tobytes())
        return digest.hexdigest()

    def take(self, rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Pixels and targets of some rows."""
        return self.pixels[rows], self.targets[rows]

    def first_ten(self) -> npt.NDArray[np.int64]:
        """The first ten rows, or ten evenly spaced ones if the pictures are sorted by class."""
        rows = np.arange(min(10, len(self)))
        if len(set(self.targets[rows])) == 1:
            rows = np.linspace(0, len(self) - 1, len(rows)).astype(np.int64)
        return rows


def encode(
    classes: npt.NDArray[Any], names: Sequence[str] | None, where: str
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Turn the classes in a file, int64[N] or str[N], into targets int64[N] and the labels that they index.

    The labels are the names of the numbers 0, 1, … or, without names, the classes themselves.
    """
    present, targets = np.unique(classes, return_inverse=True)
    numbers = np.issubdtype(present.dtype, np.integer)
    if names is not None:
        if not numbers or present[-1] >= len(names) or present[0] < 0:
            odd = next((c for c in present if not numbers or not 0 <= c < len(names)), None)
            raise DatasetError(
                f"{where}: expected classes 0 to {len(names) - 1}, one for each name in the labels file, found {odd!s}"
            )
        targets, labels = classes.astype(np.int64), tuple(names)
        if missing := sorted(set(range(len(names))) - set(present.tolist())):
            raise DatasetError(
                f"{where}: expected pictures of all classes in the labels file, found none of {names[missing[0]]!r}"
            )
    elif numbers:
        labels = tuple(str(value) for value in present)
    else:
        order = sorted(range(len(present)), key=lambda i: _natural(str(present[i])))
        targets, labels = np.argsort(order)[targets], tuple(str(present[i]) for i in order)
    if len(labels) < 2:
        raise DatasetError(f"{where}: expected at least two classes, found {', '.join(map(repr, labels)) or 'none'}")
    return targets.astype(np.int64), labels


def align(dataset: Dataset, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a dataset's targets as indices into the labels of a model.

    Classes are matched by name. If the dataset has numbers and the model has other names, they are matched by position.
    DatasetError names a class that the model does not have.
    """
    position = {label: index for index, label in enumerate(labels)}
    if all(label in position for label in dataset.labels):
        table = [position[label] for label in dataset.labels]
    elif set(dataset.labels) <= {str(index) for index in range(len(labels))}:
        table = [int(label) for label in dataset.labels]
    else:
        unknown = next(label for label in dataset.labels if label not in position)
        raise DatasetError(f"{dataset.name}: expected classes among {', '.join(labels)}, found {unknown!r}")
    return np.asarray(table, np.int64)[dataset.targets]


def guess_preprocess(pixels: npt.NDArray[np.uint8]) -> Preprocess:
    """`digit` if the pictures have MNIST's form (boxed, centred, on black), else `resize`."""
    some = pixels[:: max(1, len(pixels) // 200)]
    return "digit" if np.mean([is_normalised(picture) for picture in some]) >= 0.9 else "resize"


def _natural(name: str) -> tuple[int, int, str]:
    """Sort key: numbers first, by value, then names, in alphabetical order."""
    return (0, int(name), name) if name.isdecimal() and len(name) < 20 else (1, 0, name)

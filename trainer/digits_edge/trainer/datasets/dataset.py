"""Labelled pictures in the form that models take, from any source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, check_utf8
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture.mnist_form import SIDE

DIGITS: Final = 10
SHOWN: Final = 30  # names in a list, at most


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled pictures."""

    pixels: npt.NDArray[np.uint8]  # [N, H, W] or [N, H, W, 3], white ink (255) on black (0)
    targets: npt.NDArray[np.int64]  # [N], indices into `labels`
    labels: tuple[str, ...]  # of a labels file in its order, else in alphabetical order, numbers by value
    name: str  # file or folder name without its parents, or `sample` or `mnist`
    preprocess: Preprocess  # how a photograph becomes such pixels
    stratified: bool = True  # whether a split keeps the share of each class; that of the Kaggle notebook does not
    held_out: int = 0  # the last rows, which the data themselves set aside for validation

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


class UnknownClass(DatasetError):
    """Pictures of a class that is not among those that are known."""


def encode(
    classes: npt.NDArray[Any], names: Sequence[str] | None, where: str, least: int = 2
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Turn the classes in a file, int64[N] or str[N], into targets int64[N] and the labels that they index.

    The labels are the names of a labels file, in its order, or without one the classes themselves. Classes without a
    picture are said.
    """
    present, targets = np.unique(classes, return_inverse=True)
    for label in present:
        check_utf8(str(label), where)
    if len(present) < least:
        raise DatasetError(f"{where}: expected at least two classes, found {_listed(map(str, present)) or 'none'}")
    if names is not None:
        places = np.asarray(places_of(present.tolist(), names, where), np.int64)
        if any(str(one).isdecimal() and int(one) != place for one, place in zip(present, places, strict=True)):
            say(f"{where}: classes are matched by name, not by position: {_listed(names)}")
        if missing := [name for index, name in enumerate(names) if index not in places]:
            say(f"{where}: no pictures of {_listed(missing)}: not judged")
        return places[targets], tuple(names)
    order = sorted(range(len(present)), key=lambda index: _natural(str(present[index])))
    return np.argsort(order)[targets].astype(np.int64), tuple(str(present[index]) for index in order)


def align(dataset: Dataset, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a dataset's targets as indices into the labels of a model.

    Classes are matched by name. If the dataset has numbers and the model has other names, they are matched by position.
    DatasetError names a class that the model does not have.
    """
    places = places_of(dataset.labels, labels, dataset.name)
    return np.asarray(places, np.int64)[dataset.targets]


def places_of(classes: Sequence[str | int], names: Sequence[str], where: str) -> list[int]:
    """The index of each class among the names: by name, or else of numbers the number itself.

    UnknownClass tells the names and the classes that are not among them.
    """
    index = {name: place for place, name in enumerate(names)}
    numbers = [int(one) if str(one).isdecimal() else -1 for one in classes]
    by_position = all(0 <= number < len(names) for number in numbers)
    if all(str(one) in index for one in classes):
        return [index[str(one)] for one in classes]
    if by_position:
        return numbers
    unknown = [str(one) for one in classes if str(one) not in index]
    raise UnknownClass(f"{where}: expected classes among {_listed(names)}, found {_listed(unknown)}")


def _listed(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed if len(listed) <= SHOWN else [*listed[:SHOWN], f"… ({len(listed)} in all)"])


def _natural(name: str) -> tuple[int, int, str]:
    """Sort key: numbers first, by value, then names, in alphabetical order."""
    return (0, int(name), name) if name.isdecimal() and len(name) < 20 else (1, 0, name)

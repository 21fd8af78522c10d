"""Warn of what looks wrong in a dataset before hours are spent on it. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.classifier import Classifier
from digits_edge.runtime.picture.mnist_form import SIDE

from .corrections import AS_STORED, Corrections, Pixels, resized
from .dataset import Dataset
from .split import Split

READ: Final = 300  # pictures that are looked at closely
FEW: Final = 10  # pictures of a class: with fewer, its validation says little
DARKEST_WHITE: Final = 128  # a dataset without a brighter pixel is stored in another range
READABLE: Final = 0.6  # accuracy of the package's own model on digits that are stored as it takes them
BETTER: Final = 0.3  # gain in accuracy that is no accident
UPRIGHT: Final = 0.4  # the lowest share of characters that are taller than wide; of MNIST's digits it is 0.89
# Ways in which pixels may be stored, with the options that correct them.
STORED: Final = {
    "--transpose": Corrections(transpose=True),
    "--invert": Corrections(invert=True),
    "--transpose --invert": Corrections(transpose=True, invert=True),
}


def suspicions(parts: Split) -> Iterator[str]:
    """What looks wrong in a dataset and its split, each in one line that names what corrects it."""
    dataset = parts.dataset
    some = dataset.pixels[np.linspace(0, len(dataset) - 1, min(READ, len(dataset))).astype(np.int64)]
    yield from _of_range(dataset.pixels)
    yield from _of_form(dataset, some)
    yield from _of_classes(parts)
    yield from _of_duplicates(parts)


def _of_range(pixels: Pixels) -> Iterator[str]:
    """Too dark, only two values, or pictures of one colour."""
    white, values = int(pixels.max()), np.flatnonzero(np.bincount(pixels[:: max(1, len(pixels) // READ)].ravel()))
    if 0 < white < DARKEST_WHITE:
        yield f"the brightest pixel is {white}, where white is 255: --scale {white} makes it white"
    elif len(values) == 2 and len(np.unique(pixels)) == 2:
        yield (
            f"all pixels are {values[0]} or {values[1]}, with no grey between: pictures that are read later have greys"
            + ("" if white == 255 else f"; --scale {white} makes {white} white")
        )
    flat = pixels.reshape(len(pixels), -1)
    if blank := int((flat == flat[:, :1]).all(axis=1).sum()):
        yield f"{blank:,} of {len(flat):,} pictures have one colour only"


def _of_form(dataset: Dataset, some: Pixels) -> Iterator[str]:
    """Dark on light, or transposed."""
    if some.ndim == 4:
        return
    if (best := _read_better(dataset)) is not None:
        if best:
            yield best
        return
    edges = np.concatenate([some[:, 0], some[:, -1], some[:, :, 0], some[:, :, -1]], axis=1)
    light = float(np.mean(np.median(edges, axis=1) > np.maximum(128, some.mean(axis=(1, 2)))))
    if light >= 0.8:
        yield f"{light:.0%} of the pictures are dark on light, models take light on dark: --invert"
    elif some.shape[1] == some.shape[2] and (some == 0).mean() > 0.6:  # strokes on black
        tall, wide = (_spread(some, axis) for axis in (1, 2))
        if (upright := float(np.mean(tall > wide))) < UPRIGHT:
            yield (
                f"only {upright:.0%} of the pictures are taller than wide, as most characters are: "
                "if they are stored transposed, as EMNIST is, give --transpose"
            )


def _read_better(dataset: Dataset) -> str | None:
    """Let the package's own model read the classes 0 to 9, as they are and corrected; None if it cannot read them."""
    numbers = {index: int(label) for index, label in enumerate(dataset.labels) if label in set("0123456789")}
    rows = np.flatnonzero(np.isin(dataset.targets, list(numbers)))
    if not len(rows):
        return None
    rows = rows[np.linspace(0, len(rows) - 1, min(READ, len(rows))).astype(np.int64)]
    some, model = resized(dataset.pixels[rows], (SIDE, SIDE)), Classifier.load()
    wanted = np.array([numbers[target] for target in dataset.targets[rows]])

    def accuracy(corrections: Corrections) -> float:
        return float((model.predict_proba(corrections.apply(some)).argmax(axis=1) == wanted).mean())

    if (now := accuracy(AS_STORED)) >= READABLE:
        return ""
    right = {option: accuracy(corrections) for option, corrections in STORED.items()}
    best = max(right, key=right.__getitem__)
    if right[best] < max(READABLE, now + BETTER):
        return None
    return f"the package's own model reads {now:.0%} of these digits as they are, and {right[best]:.0%} with {best}"


def _spread(pixels: Pixels, axis: int) -> npt.NDArray[np.float64]:
    """The variance of the ink's places along an axis, of each picture."""
    ink = pixels.sum(axis=3 - axis, dtype=np.float64)  # (N, places)
    ink /= np.maximum(ink.sum(axis=1, keepdims=True), 1)
    places = np.arange(ink.shape[1])
    return np.asarray((ink * places**2).sum(axis=1) - (ink * places).sum(axis=1) ** 2)


def _of_classes(parts: Split) -> Iterator[str]:
    """Classes with few pictures."""
    labels = parts.dataset.labels
    counts = np.bincount(parts.dataset.targets, minlength=len(labels))
    if len(few := np.flatnonzero((counts > 0) & (counts < FEW))):
        shown = ", ".join(f"{labels[i]!r} ({counts[i]})" for i in few[:5])
        others = f" and {len(few) - 5} more" if len(few) > 5 else ""
        yield f"fewer than {FEW} pictures of {shown}{others}: their accuracy is hardly judged"


def _of_duplicates(parts: Split) -> Iterator[str]:
    """Validation pictures that are in the training part, too."""
    dataset = parts.dataset
    if parts.folds and (copies := len(parts.train) - len({dataset.pixels[row].tobytes() for row in parts.train})):
        yield f"{copies:,} of {len(parts.train):,} pictures are there twice: accuracy will look better than it is"
    known = {dataset.pixels[row].tobytes(): dataset.targets[row] for row in parts.train}
    again = [(known[key], row) for row in parts.validation if (key := dataset.pixels[row].tobytes()) in known]
    if again:
        other = sum(target != dataset.targets[row] for target, row in again)
        yield (
            f"{len(again):,} of {len(parts.validation):,} validation pictures are in the training part, too"
            + (f", {other:,} of them with another class" if other else "")
            + ": accuracy will look better than it is"
        )

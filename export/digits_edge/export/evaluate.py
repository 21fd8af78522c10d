"""How good exported models are on a labelled dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets import align, read
from digits_edge.trainer.progress import say
from digits_edge.trainer.scaling import expected_calibration_error
from digits_edge.trainer.split import split

from .models import Model, Models

CHUNK = 500


@dataclass(frozen=True, eq=False)
class Judgement:
    """Pictures to judge by, none of which the models were trained on as far as is known.

    Attributes:
        what: in words, e.g. `the 8,400 validation pictures of train.csv`.
        pixels: uint8[N, H, W].
        targets: int64[N], indices into `labels`.
        labels: class names, in the order of the models' outputs.
    """

    what: str
    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int64]
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model's answers, counted by plain argmax.

    Attributes:
        file: the model's name.
        pictures: how many were judged.
        wrong: how many got another label than their own.
        per_class: for each class, (pictures, wrong).
        calibration_error: expected, see `scaling.expected_calibration_error`.
        probabilities: float32[N, C].
    """

    file: str
    pictures: int
    wrong: int
    per_class: dict[str, tuple[int, int]]
    calibration_error: float
    probabilities: npt.NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return 1 - self.wrong / self.pictures


def read_judgement(models: Models, spec: str) -> Judgement:
    """The pictures of a SPEC that may judge these models.

    That is the test part where the set has one. Of the very data that the models were trained on it is the validation
    split, the same rows as in training; of other data it is all. A model that does not name its classes takes the names
    of the data.

    Raises:
        DatasetError: the data cannot be read, or have a class that the models do not know, or another number of them.
    """
    dataset = read(spec, part="test", preprocess=models.preprocess, shape=models.shape)
    everything = f"{len(dataset):,} pictures of {dataset.name}"
    if models.labels is None:
        if len(dataset.labels) != models.classes:
            raise DatasetError(
                f"{spec}: expected {models.classes} classes, as many as {models.files[0].file} has outputs, "
                f"found {len(dataset.labels)}: {', '.join(dataset.labels):.80}"
            )
        return Judgement(everything, dataset.pixels, dataset.targets, dataset.labels)
    targets = align(dataset, models.labels)
    trained_on, parts = models.trained.get("dataset"), models.trained.get("split")
    if isinstance(trained_on, dict) and isinstance(parts, dict):
        # class names may have come from a labels file, so the fingerprint is taken with the models' own
        if trained_on.get("fingerprint") == replace(dataset, targets=targets, labels=models.labels).fingerprint:
            rows = split(dataset, parts["fraction"], parts["seed"]).validation
            what = f"the {len(rows):,} validation pictures of {dataset.name}"
            return Judgement(what, dataset.pixels[rows], targets[rows], models.labels)
        if trained_on.get("pictures") == len(dataset) and trained_on.get("name") == dataset.name:
            say(f"warning: the models were trained on almost this {dataset.name}: some pictures may be known to them")
    return Judgement(everything, dataset.pixels, targets, models.labels)


def evaluate(model: Model, judgement: Judgement, step: Callable[[], None]) -> Evaluation:
    """Ask a model about every picture; `step` is called after each 500."""
    parts = []
    for start in range(0, len(judgement.pixels), CHUNK):
        parts.append(model.predict_proba(judgement.pixels[start : start + CHUNK]))
        step()
    probabilities, labels = np.concatenate(parts), judgement.labels
    missed = probabilities.argmax(axis=1) != judgement.targets
    totals = np.bincount(judgement.targets, minlength=len(labels))
    wrong = np.bincount(judgement.targets[missed], minlength=len(labels))
    per_class = {label: (int(totals[i]), int(wrong[i])) for i, label in enumerate(labels)}
    error = expected_calibration_error(probabilities, judgement.targets)
    return Evaluation(model.file, len(missed), int(missed.sum()), per_class, error, probabilities)


def steps(judgement: Judgement) -> int:
    """How often `evaluate` will call its `step`."""
    return -(-len(judgement.pixels) // CHUNK)

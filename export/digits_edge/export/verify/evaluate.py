"""How good exported models are on a labelled dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import expected_calibration_error
from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets.dataset import align
from digits_edge.trainer.datasets.read import read
from digits_edge.trainer.datasets.split import split

from ..engines.model_files import ModelFile, ModelFiles
from .validation import Validation

CHUNK = 500


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


def read_validation(models: ModelFiles, spec: str) -> Validation:
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
        return Validation(everything, dataset.pixels, dataset.targets, dataset.labels)
    targets = align(dataset, models.labels)
    trained_on, parts = models.trained.get("dataset"), models.trained.get("split")
    if isinstance(trained_on, dict) and isinstance(parts, dict):
        # class names may have come from a labels file, so the fingerprint is taken with the models' own
        if trained_on.get("fingerprint") == replace(dataset, targets=targets, labels=models.labels).fingerprint:
            rows = split(dataset, parts["fraction"], parts["seed"]).validation
            what = f"the {len(rows):,} validation pictures of {dataset.name}"
            return Validation(what, dataset.pixels[rows], targets[rows], models.labels)
        if trained_on.get("pictures") == len(dataset) and trained_on.get("name") == dataset.name:
            say(f"warning: the models were trained on almost this {dataset.name}: some pictures may be known to them")
    return Validation(everything, dataset.pixels, targets, models.labels)


def evaluate(model: ModelFile, validation: Validation, step: Callable[[], None]) -> Evaluation:
    """Ask a model about every picture; `step` is called after each 500."""
    parts = []
    for start in range(0, len(validation.pixels), CHUNK):
        parts.append(model.predict_proba(validation.pixels[start : start + CHUNK]))
        step()
    probabilities, labels = np.concatenate(parts), validation.labels
    missed = probabilities.argmax(axis=1) != validation.targets
    totals = np.bincount(validation.targets, minlength=len(labels))
    wrong = np.bincount(validation.targets[missed], minlength=len(labels))
    per_class = {label: (int(totals[i]), int(wrong[i])) for i, label in enumerate(labels)}
    error = expected_calibration_error(probabilities, validation.targets)
    return Evaluation(model.file, len(missed), int(missed.sum()), per_class, error, probabilities)


def steps(validation: Validation) -> int:
    """How often `evaluate` will call its `step`."""
    return -(-len(validation.pixels) // CHUNK)

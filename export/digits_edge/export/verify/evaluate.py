"""Measure the accuracy of exported models on a labelled dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from digits_edge.common.numerics import accuracy, expected_calibration_error
from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError
from digits_edge.trainer.datasets.dataset import align
from digits_edge.trainer.datasets.read import read
from digits_edge.trainer.datasets.split import split

from ..engines.model_files import ModelFile, ModelFiles
from ..engines.tensor_spec import Probabilities
from .validation import Validation

CHUNK: Final = 500  # pictures between two steps of progress


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model's answers to labelled pictures; the label with the highest probability is the answer.

    Attributes:
        file: Name of the model.
        pictures: Number of pictures.
        wrong: Number of wrong answers.
        per_class: Number of pictures and of wrong answers for each class.
        calibration_error: Expected calibration error, see `numerics.expected_calibration_error`.
        probabilities: The model's probabilities, float32[N, C].
    """

    file: str
    pictures: int
    wrong: int
    per_class: dict[str, tuple[int, int]]
    calibration_error: float
    probabilities: Probabilities

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return accuracy(self.wrong, self.pictures)


def read_validation(models: ModelFiles, spec: str) -> Validation:
    """Read the pictures of a SPEC that may be used to evaluate these models.

    If the dataset has a test part, only that part is read. If the models were trained on this very dataset, the result
    is its validation split, the same rows as in training; otherwise it is the whole dataset. Models that do not name
    their classes take the names of the dataset.

    Args:
        models: The models to evaluate.
        spec: The dataset, e.g. a file or a folder.

    Raises:
        DatasetError: The dataset cannot be read, has a class that the models do not know, or has another number of
            classes than they do.
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
        # In training, class names may have come from a labels file; so the fingerprint is that with the models' names.
        if trained_on.get("fingerprint") == replace(dataset, targets=targets, labels=models.labels).fingerprint:
            rows = split(dataset, parts["fraction"], parts["seed"]).validation
            description = f"the {len(rows):,} validation pictures of {dataset.name}"
            return Validation(description, dataset.pixels[rows], targets[rows], models.labels)
        if trained_on.get("pictures") == len(dataset) and trained_on.get("name") == dataset.name:
            say(f"warning: the models were trained on a similar {dataset.name} and may know some of these pictures")
    return Validation(everything, dataset.pixels, targets, models.labels)


def evaluate(model: ModelFile, validation: Validation, step: Callable[[], None]) -> Evaluation:
    """Classify every picture with one model and count its errors.

    Args:
        model: The model to evaluate.
        validation: The labelled pictures.
        step: Called after every 500 pictures, to show progress.
    """
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
    """The number of times `evaluate` calls its `step`."""
    return -(-len(validation.pixels) // CHUNK)

"""Evaluate exported models, or any others, on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from digits_edge.common.numerics import accuracy, count_wrong, expected_calibration_error
from digits_edge.common.progress import progress, say
from digits_edge.runtime.errors import BundleError, DatasetError, UsageError
from digits_edge.trainer.datasets.corrections import AS_STORED, Corrections
from digits_edge.trainer.datasets.dataset import align
from digits_edge.trainer.datasets.read import read_dataset
from digits_edge.trainer.datasets.split import split

from ..engines.model_files import ModelFile, ModelFiles, open_models
from ..engines.tensor_spec import Probabilities
from ..engines.worker import TIME_LIMIT
from .diagnosis import CHANCE, at_chance, diagnose
from .validation import Validation, order_of

CHUNK: Final = 500  # pictures per call


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers of one model file, judged by the most probable class, whether accepted or not."""

    file: str
    validation: Validation  # pictures that it was judged by
    probabilities: Probabilities  # its answers, float32[N, C]

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return len(self.probabilities)

    @property
    def wrong(self) -> int:
        """Number of wrong answers."""
        return count_wrong(self.probabilities, self.validation.targets)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return accuracy(self.wrong, self.pictures)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, see `numerics.expected_calibration_error`."""
        return expected_calibration_error(self.probabilities, self.validation.targets)

    @property
    def per_class(self) -> dict[str, tuple[int, int]]:
        """Number of pictures and of wrong answers for each class."""
        targets, labels = self.validation.targets, self.validation.labels
        missed = targets[self.probabilities.argmax(axis=1) != targets]
        totals, wrong = (np.bincount(some, minlength=len(labels)) for some in (targets, missed))
        return {label: (int(totals[i]), int(wrong[i])) for i, label in enumerate(labels)}


def evaluate(
    path: Path | str,
    data: str,
    *,
    pixel_range: str | None = None,
    names: tuple[str, ...] | None = None,
    label_column: str | None = None,
    time_limit: float = TIME_LIMIT,
) -> list[Evaluation]:
    """Evaluate a bundle or a model file on labelled pictures.

    If the dataset has a test part, that is read. If the model was trained on these data, the validation split is used.
    A model that digits-edge did not export takes its class names from the data, in their order. If other pixels or
    another order of classes would make many answers right, that is said on stderr.

    Args:
        path: Bundle, run with a bundle, or `.onnx` or `.tflite` file of any image classifier.
        data: SPEC of the pictures, see `digits_edge.trainer.read_dataset`.
        pixel_range: Pixel range of a model that digits-edge did not export: LOW..HIGH, the values of black and white,
            e.g. `0..1`, `-1..1` or `1..0`; None to decide by the file.
        names: Classes in the order of its outputs; None to take them from the data.
        label_column: Name or number (from 1) of the label column of a CSV or parquet file; None to find it.
        time_limit: Seconds after which the child process of the models is stopped, if it is still opening them or has
            not answered.

    Returns:
        One evaluation for each model file, in the order of the manifest.

    Raises:
        BundleError: There is no model, or it is not an image classifier.
        IntegrityError: A file of the bundle is missing or was altered.
        DatasetError: The data cannot be read, or do not fit the model.
        UsageError: The pixel range is none, or it or the names were given for a model that states its own.

    Example:
        from digits_edge.export import evaluate

        for model in evaluate("artifacts/compact", "sample"):
            print(model.file, f"{model.accuracy:.2%}", model.wrong)
    """
    models = open_models(Path(path), pixel_range, time_limit)
    validation = read_validation(models, data, names, label_column)
    if models.description:
        say(f"{path}: {models.description}")
    say(f"judging by {validation.described}")
    with progress("judging", steps(validation) * len(models.files)) as step:
        results = [evaluate_file(file, validation, step) for file in models.files]
    if doubt := doubt_about(models, validation, results[0].probabilities):
        say(f"warning: {models.files[0].file}: {doubt}")
    return results


def doubt_about(models: ModelFiles, validation: Validation, answers: Probabilities) -> str | None:
    """What looks like a mistake in how the first model is fed and read, by its answers float32[N, C]; else None."""
    finding = diagnose(validation, answers, models.files[0].engines, stated=models.labels is not None)
    return str(finding) if finding else CHANCE if at_chance(validation.targets, answers) else None


def read_validation(
    models: ModelFiles, spec: str, names: tuple[str, ...] | None = None, label_column: str | None = None
) -> Validation:
    """Read the pictures of a SPEC that may be used to evaluate these models.

    If the dataset has a test part, only that part is read. If the models were trained on this very dataset, the result
    is its validation split, the same rows as in training; otherwise it is the whole dataset. Models that do not name
    their classes take `names`, or the names of the dataset.

    Raises:
        UsageError: Names were given for models that name their classes.
        DatasetError: The dataset cannot be read, has a class that the models do not know, or has another number of
            classes than they do.
    """
    if names and models.labels:
        raise UsageError("--labels: only for a model that digits-edge did not export; this one names its classes")
    trained_on, parts = models.trained.get("dataset"), models.trained.get("split")
    corrections = Corrections.recorded(trained_on, spec)
    if corrections != AS_STORED:
        say(f"{spec}: its pixels are corrected as those of the training data were: {corrections}")
    dataset = read_dataset(
        spec,
        part="test",
        names=names,
        label_column=label_column,
        preprocess=models.preprocess,
        shape=models.shape,
        corrections=corrections,
    )
    everything = f"{len(dataset):,} pictures of {dataset.name}"
    if models.labels is None:
        if len(dataset.labels) != models.classes:
            raise DatasetError(
                f"{spec}: expected {models.classes} classes, as many as {models.files[0].file} has outputs, "
                f"found {len(dataset.labels)}: {', '.join(dataset.labels):.80}; --labels FILE names all of them"
            )
        if not names:
            say(f"{models.files[0].file}: {order_of(dataset.labels)}")
        return Validation(everything, dataset.pixels, dataset.targets, dataset.labels)
    targets = align(dataset, models.labels)
    if isinstance(trained_on, dict) and isinstance(parts, dict):
        recorded = models.trained.get("adaptation")
        adapted = recorded if isinstance(recorded, dict) else {}
        # In training, class names may have come from a labels file; so the fingerprint is that with the models' names.
        if trained_on.get("fingerprint") == replace(dataset, targets=targets, labels=models.labels).fingerprint:
            if not adapted.get("folds"):
                rows = split(dataset, parts["fraction"], parts["seed"]).validation
                description = f"the {len(rows):,} validation pictures of {dataset.name}"
                return Validation(description, dataset.pixels[rows], targets[rows], models.labels)
            say(f"warning: the models were trained on all of {dataset.name}: accuracy will look better than it is")
        elif dataset.name == adapted.get("also"):
            say(f"warning: the models were trained on a part of {dataset.name}: accuracy will look better than it is")
        elif trained_on.get("pictures") == len(dataset) and trained_on.get("name") == dataset.name:
            say(f"warning: the models were trained on a similar {dataset.name} and may know some of these pictures")
    return Validation(everything, dataset.pixels, targets, models.labels)


def evaluate_file(model: ModelFile, validation: Validation, step: Callable[[], None]) -> Evaluation:
    """Evaluate one model file; `step` is called after every 500 pictures. Raises BundleError for answers of NaN."""
    parts = []
    for start in range(0, len(validation.pixels), CHUNK):
        parts.append(model.predict_proba(validation.pixels[start : start + CHUNK]))
        step()
    answers = np.concatenate(parts)
    if bad := int((~np.isfinite(answers)).any(axis=1).sum()):
        raise BundleError(
            f"{model.file}: expected probabilities, received NaN or infinity for {bad} of {len(answers)} pictures"
        )
    return Evaluation(model.file, validation, answers)


def steps(validation: Validation) -> int:
    """How often `evaluate_file` calls its `step`."""
    return -(-len(validation.pixels) // CHUNK)

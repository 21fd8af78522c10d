"""Open what is exported: a network, and the pictures that calibrate and judge it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, ExportError, RunError, check_utf8
from digits_edge.runtime.metadata import Preprocess
from digits_edge.trainer.datasets.read import read_dataset
from digits_edge.trainer.run import Run
from digits_edge.trainer.run_info import Adaptation

from .convert.keras_model import KerasModelFile, read_facts
from .engines.pixel_range import ends_of
from .engines.worker import Worker
from .options import OwnModel
from .verify.validation import Validation, order_of

CALIBRATION_PICTURES: Final = 1024
CALIBRATION_SHARE: Final = 0.25  # at most, of the pictures


@dataclass(frozen=True, eq=False)
class ExportSource:
    """What is exported."""

    name: str
    network: KerasModelFile
    preprocess: Preprocess
    validation: Validation  # the pictures that the gate judges by; of an adapted model, the rehearsed ones
    calibration: npt.NDArray[np.uint8]  # other pictures, uint8[K, H, W] or uint8[K, H, W, 3]
    provenance: dict[str, Any]  # of the model and its data, for the manifest
    own: Validation | None = None  # pictures that a model was adapted to, which the gate judges by, too

    @property
    def parameters(self) -> int | None:
        """Number of parameters of the network; None if unknown."""
        source = self.provenance.get("run") or self.provenance["model"]
        parameters: int | None = source.get("parameters")
        return parameters


def read_source(source: Run | OwnModel, worker: Worker) -> ExportSource:
    """Open what is to be exported.

    Raises:
        RunError: The run is damaged.
        ExportError: The model is no image classifier that can be exported.
        DatasetError: The data do not fit the model.
    """
    return _from_run(source, worker) if isinstance(source, Run) else _from_model(source, worker)


def _from_run(run: Run, worker: Worker) -> ExportSource:
    """Open a finished run, with the pictures that it kept for its export."""
    (pixels, targets), calibration = run.validation(), run.calibration()
    if calibration.shape[1:] != pixels.shape[1:]:
        raise RunError(
            f"{run.path / 'calibration.npz'}: expected pictures of {pixels.shape[1:]}, as for validation, "
            f"received {calibration.shape[1:]}"
        )
    network = KerasModelFile(run.model_path)
    facts, _ = worker(read_facts, network)
    labels = run.info.labels
    if (facts.shape, facts.classes) != (pixels.shape[1:], len(labels)):
        raise RunError(
            f"{run.model_path}: expected a model of {pixels.shape[1:]} and {len(labels)} classes, "
            f"received one of {facts.shape} and {facts.classes}"
        )
    adaptation, description = run.info.adaptation, f"the {len(targets):,} pictures of the validation split"
    return ExportSource(
        name=run.info.name,
        network=network,
        preprocess=run.info.preprocess,
        validation=Validation(
            f"{description} of {adaptation.also}" if adaptation else description, pixels, targets, labels
        ),
        calibration=calibration,
        provenance={"run": run.info.provenance()},
        own=_own_part(run, adaptation, pixels.shape[1:]) if adaptation else None,
    )


def _own_part(run: Run, adaptation: Adaptation, shape: tuple[int, ...]) -> Validation:
    """The pictures that a model was adapted to, as far as they were kept to judge by."""
    pixels, targets = run.own()
    if pixels.shape[1:] != shape:
        raise RunError(f"{run.path / 'own.npz'}: expected pictures of {shape}, received {pixels.shape[1:]}")
    what = "pictures" if adaptation.folds else "held-out pictures"
    description = f"the {len(targets):,} {what} of {run.info.dataset.name}"
    return Validation(description, pixels, targets, run.info.labels, trained_on=adaptation.folds > 0)


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of all files of a folder in the order of their paths."""
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _from_model(own: OwnModel, worker: Worker) -> ExportSource:
    """Open a Keras model that digits-edge did not train, with data to calibrate and judge it."""
    if not own.path.exists():
        raise ExportError(f"{own.path}: no such file; expected a Keras model or a run")
    check_utf8(own.path.name, own.path)
    check_utf8(Path(own.data).name, "--data")
    ends_of(own.pixel_range)  # before Keras is imported
    network = KerasModelFile(own.path, own.pixel_range, own.custom)
    facts, outputs = worker(read_facts, network)
    dataset = read_dataset(
        own.data, names=own.names, preprocess=own.preprocess, shape=facts.shape, label_column=own.label_column
    )
    if len(dataset.labels) != facts.classes:
        raise DatasetError(
            f"{own.data}: expected {facts.classes} classes, as many as {own.path} has outputs, found "
            f"{len(dataset.labels)}; --labels FILE names all of them"
        )
    say(f"{own.path} gives {outputs} for pixels in {own.pixel_range} (--pixel-range)")
    if not own.names:
        say(f"{own.path}: {order_of(dataset.labels)}")
    order = np.random.default_rng(own.seed).permutation(len(dataset))
    count = min(CALIBRATION_PICTURES, int(CALIBRATION_SHARE * len(dataset)))
    if not count:
        raise DatasetError(f"{own.data}: expected four pictures or more, found {len(dataset)}")
    calibrating, judging = np.sort(order[:count]), np.sort(order[count:])
    pixels, targets = dataset.take(judging)
    validation = Validation(f"{len(targets):,} pictures of {dataset.name}", pixels, targets, dataset.labels)
    model = {
        "file": own.path.name,
        "sha256": _digest(own.path),
        "pixel_range": own.pixel_range,
        "outputs": outputs,
        **facts.cost,
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "calibrating": count,
            "judging": len(judging),
            "seed": own.seed,
        },
    }
    return ExportSource(
        name=own.path.stem,
        network=network,
        preprocess=dataset.preprocess,
        validation=validation,
        calibration=dataset.pixels[calibrating],
        provenance={"model": model},
    )

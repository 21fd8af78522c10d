"""What is exported: a network, and the pictures to calibrate it with and to judge it by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.contract import Preprocess
from digits_edge.runtime.errors import DatasetError, ExportError, RunError
from digits_edge.trainer.datasets import read
from digits_edge.trainer.run import Run

from . import conversions
from .converter import Converter
from .network import Network

FROM_RUN: Final = (
    "name", "created", "recipe", "init", "teacher", "parameters", "macs", "activation_bytes", "seed", "dataset",
    "split", "metrics", "backend", "device", "versions",
)  # fmt: skip
CALIBRATION_PICTURES: Final = 1024
CALIBRATION_SHARE: Final = 0.25  # of the pictures, at most


@dataclass(frozen=True, eq=False)
class Subject:
    """What is exported.

    Attributes:
        name: what the model is called.
        network: the Keras model.
        labels: class names, in the order of the outputs.
        preprocess: how a photograph becomes pixels.
        pixels: uint8[N, H, W] or uint8[N, H, W, 3], to judge by.
        targets: int64[N].
        calibration: uint8[K, H, W] or uint8[K, H, W, 3], to calibrate with; none of `pixels`.
        judged_by: the N pictures, in words.
        provenance: where all this comes from, as the manifest is to say it.
    """

    name: str
    network: Network
    labels: tuple[str, ...]
    preprocess: Preprocess
    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int64]
    calibration: npt.NDArray[np.uint8]
    judged_by: str
    provenance: dict[str, Any]

    @property
    def parameters(self) -> int | None:
        """How many numbers the network has learnt; None where nobody has counted them."""
        source = self.provenance.get("run") or self.provenance["model"]
        parameters: int | None = source.get("parameters")
        return parameters


@dataclass(frozen=True)
class OwnModel:
    """A Keras model that digits-edge did not train.

    Attributes:
        path: of the `.keras`.
        data: SPEC of the pictures, some of them to calibrate with, the others to judge by.
        pixel_range: what the model takes.
        names: class names in the order of the outputs; None where the data have them.
        preprocess: how a photograph becomes pixels; None to judge by the data.
        seed: of which pictures calibrate.
    """

    path: Path
    data: str
    pixel_range: str = "0..1"
    names: tuple[str, ...] | None = None
    preprocess: Preprocess | None = None
    seed: int = 0

    @property
    def place(self) -> Path:
        """Where its bundle goes unless another place is given."""
        return self.path.with_name(f"{self.path.stem}-bundle")


def from_run(run: Run, convert: Converter) -> Subject:
    """What a finished run has kept for its export.

    Raises:
        RunError: the run is damaged.
    """
    pixels, targets = run.validation()
    network = Network(run.model_path)
    facts = convert(conversions.describe, network)
    if (facts.shape, facts.classes) != (pixels.shape[1:], len(run.labels)):
        raise RunError(
            f"{run.model_path}: expected a model of {pixels.shape[1:]} and {len(run.labels)} classes, "
            f"received one of {facts.shape} and {facts.classes}"
        )
    return Subject(
        name=run.name,
        network=network,
        labels=run.labels,
        preprocess=run.preprocess,
        pixels=pixels,
        targets=targets,
        calibration=run.calibration(),
        judged_by=f"the {len(targets):,} pictures of the validation split",
        provenance={"run": {key: run.info[key] for key in FROM_RUN}},
    )


def from_model(own: OwnModel, convert: Converter) -> Subject:
    """A Keras model of somebody's own, with data to judge it by.

    Raises:
        ExportError: it is no image classifier that can be exported.
        DatasetError: the data do not fit it.
    """
    if not own.path.is_file():
        raise ExportError(f"{own.path}: no such file; expected a .keras model or a run")
    network = Network(own.path, own.pixel_range)
    facts = convert(conversions.describe, network)
    dataset = read(own.data, names=own.names, preprocess=own.preprocess, shape=facts.shape)
    if len(dataset.labels) != facts.classes:
        raise DatasetError(
            f"{own.data}: expected {facts.classes} classes, as many as {own.path} has outputs, found "
            f"{len(dataset.labels)}; --labels FILE names all of them"
        )
    order = np.random.default_rng(own.seed).permutation(len(dataset))
    count = min(CALIBRATION_PICTURES, int(CALIBRATION_SHARE * len(dataset)))
    if not count:
        raise DatasetError(f"{own.data}: expected four pictures or more, found {len(dataset)}")
    calibrating, judging = np.sort(order[:count]), np.sort(order[count:])
    pixels, targets = dataset.take(judging)
    model = {
        "file": own.path.name,
        "sha256": hashlib.sha256(own.path.read_bytes()).hexdigest(),
        "pixel_range": own.pixel_range,
        **facts.cost,
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "calibrating": count,
            "judging": len(judging),
            "seed": own.seed,
        },
    }
    return Subject(
        name=own.path.stem,
        network=network,
        labels=dataset.labels,
        preprocess=dataset.preprocess,
        pixels=pixels,
        targets=targets,
        calibration=dataset.pixels[calibrating],
        judged_by=f"{len(targets):,} pictures of {dataset.name}",
        provenance={"model": model},
    )

"""The models of a bundle, or one model file, opened to be judged and timed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.contract import Preprocess
from digits_edge.runtime.errors import BundleError
from digits_edge.trainer.run import MARKER

from .engines import Engine, open_engine


@dataclass(frozen=True, eq=False)
class Model:
    """One model file: its name, its size, and what answers for it."""

    file: str
    bytes: int
    predict_proba: Engine


@dataclass(frozen=True, eq=False)
class Models:
    """One or more model files of the same task.

    Attributes:
        labels: class names, in the order of the outputs.
        shape: of a picture, (H, W) or (H, W, 3).
        preprocess: how a photograph becomes pixels.
        files: in the order of the manifest.
        manifest: of the bundle; empty for a single file.
    """

    labels: tuple[str, ...]
    shape: tuple[int, ...]
    preprocess: Preprocess
    files: tuple[Model, ...]
    manifest: dict[str, Any]


def open_models(path: Path) -> Models:
    """Open a bundle, a run that has one, or a single `.onnx` that digits-edge exported.

    Raises:
        BundleError: there is none.
        IntegrityError: a model is missing or was altered.
    """
    if path.suffix == ".onnx":
        classifier = Classifier.load(path)
        model = Model(path.name, path.stat().st_size, classifier.predict_proba)
        return Models(classifier.labels, classifier.contract.shape, classifier.contract.preprocess, (model,), {})
    bundle = open_bundle(path)
    manifest = bundle.manifest
    names = [name for name in bundle.names if name.endswith((".onnx", ".tflite"))]
    if not names:
        raise BundleError(f"{path}: the bundle has no model (only {', '.join(bundle.names)})")
    files = []
    for name in names:
        data = bundle.read(name)
        files.append(Model(name, len(data), open_engine(data, name)))
    try:
        labels, shape = tuple(manifest["labels"]), tuple(manifest["input"]["shape"])
        return Models(labels, shape, cast(Preprocess, manifest["preprocess"]), tuple(files), manifest)
    except (KeyError, TypeError) as error:
        raise BundleError(f"{path}: its manifest is damaged: {type(error).__name__}: {error}") from None


def open_bundle(path: Path) -> Bundle:
    """A bundle by its own folder, or by the run's that holds it."""
    if (path / MARKER).is_file():
        if not (path / "bundle").is_dir():
            raise BundleError(f"{path}: the run has not been exported yet: digits-edge export {path} --int8")
        path = path / "bundle"
    return Bundle.open(path)

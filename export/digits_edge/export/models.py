"""The models of a bundle, or one model file, opened to be judged and timed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle, find_published
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
        metrics: of the bundle, by file; empty for a single file.
        trained: on what and how, as far as the bundle tells; empty for a single file.
    """

    labels: tuple[str, ...]
    shape: tuple[int, ...]
    preprocess: Preprocess
    files: tuple[Model, ...]
    metrics: dict[str, Any]
    trained: dict[str, Any]


def open_models(path: Path) -> Models:
    """Open a bundle, a run that has one, or a single `.onnx` that digits-edge exported.

    Raises:
        BundleError: there is none.
        IntegrityError: a model is missing or was altered.
    """
    if path.suffix == ".onnx":
        classifier = Classifier.load(path)
        model = Model(path.name, path.stat().st_size, classifier.predict_proba)
        return Models(classifier.labels, classifier.contract.shape, classifier.contract.preprocess, (model,), {}, {})
    if (path / MARKER).is_file() and not find_published(path / "bundle").is_dir():
        raise BundleError(f"{path}: the run has not been exported yet: digits-edge export {path} --int8")
    bundle = Bundle.open(path)
    names = [name for name in bundle.names if name.endswith((".onnx", ".tflite"))]
    if not names:
        raise BundleError(f"{path}: the bundle has no model (only {', '.join(bundle.names)})")
    files = []
    for name in names:
        data = bundle.read(name)
        files.append(Model(name, len(data), open_engine(data, name)))
    contract = bundle.contract()
    return Models(
        contract.labels,
        contract.shape,
        contract.preprocess,
        tuple(files),
        bundle.section("metrics"),
        bundle.section("provenance", "run"),
    )

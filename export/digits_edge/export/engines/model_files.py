"""The models of a bundle, or one model file of whatever origin, opened to be judged and timed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle, find_published
from digits_edge.runtime.errors import BundleError, UsageError, one_of
from digits_edge.runtime.metadata import METADATA_KEY, Preprocess
from digits_edge.trainer.run import MARKER

from .litert import TfliteModel
from .tensor_spec import PIXEL_RANGES, Engine, TensorSpec
from .third_party import open_third_party, read_model_file

SUFFIXES: Final = (".onnx", ".tflite")


@dataclass(frozen=True, eq=False)
class ModelFile:
    """One model file.

    Attributes:
        file: its name.
        data: its bytes.
        form: what it takes and gives.
        ours: whether `digits_edge.runtime` runs it.
        predict_proba: what answers for it.
    """

    file: str
    data: bytes
    form: TensorSpec
    ours: bool
    predict_proba: Engine

    @property
    def bytes(self) -> int:
        """Its size."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """One or more model files of the same task.

    Attributes:
        labels: class names, in the order of the outputs; None where the file does not tell.
        classes: how many there are.
        shape: of a picture, (H, W) or (H, W, 3).
        preprocess: how a photograph becomes pixels; None where the file does not tell.
        files: in the order of the manifest.
        metrics: of the bundle, by file; empty for a single file.
        trained: on what and how, as far as the bundle tells; empty for a single file.
        said: of a file that is not ours, what it takes and gives; else empty.
    """

    labels: tuple[str, ...] | None
    classes: int
    shape: tuple[int, ...]
    preprocess: Preprocess | None
    files: tuple[ModelFile, ...]
    metrics: dict[str, Any]
    trained: dict[str, Any]
    said: str = ""

    def accuracies(self) -> dict[str, float | None]:
        """By file: on the validation split, as the gate saw it; None where no bundle tells."""
        return {model.file: self.metrics.get(model.file, {}).get("accuracy") for model in self.files}


def open_engine(data: bytes, name: str) -> Engine:
    """What answers for a model file of ours, by its name.

    Raises:
        BundleError: the file cannot be loaded.
    """
    return (
        TfliteModel.load(data, name).predict_proba if name.endswith(".tflite") else Classifier(data, name).predict_proba
    )


def open_model(data: bytes, name: str) -> ModelFile:
    """Open a model file that digits-edge exported.

    Raises:
        BundleError: it cannot be loaded, or is none of ours.
    """
    if name.endswith(".tflite"):
        tflite = TfliteModel.load(data, name)
        return ModelFile(name, data, tflite.form, False, tflite.predict_proba)
    return _of_classifier(Classifier(data, name), data, name)


def open_models(path: Path, pixel_range: str | None = None) -> ModelFiles:
    """Open a bundle, a run that has one, or a single `.onnx` or `.tflite` of whatever origin.

    Args:
        path: of it.
        pixel_range: what the pixels of a single file that is not ours stand for, one of `PIXEL_RANGES`; None to go
            by the file.

    Raises:
        BundleError: there is none, or it is no image classifier.
        IntegrityError: a model is missing or was altered.
        UsageError: a pixel range that cannot be, or for models that have their own.
    """
    if pixel_range is not None:
        one_of("--pixel-range", pixel_range, PIXEL_RANGES)
    if path.suffix in SUFFIXES and not path.is_dir():
        return _open_file(path, pixel_range)
    _refuse_range(path, pixel_range)
    if (path / MARKER).is_file() and not find_published(path / "bundle").is_dir():
        raise BundleError(f"{path}: the run has not been exported yet: digits-edge export {path} --int8")
    bundle = Bundle.open(path)
    names = [name for name in bundle.names if name.endswith(SUFFIXES)]
    if not names:
        raise BundleError(f"{path}: the bundle has no model (only {', '.join(bundle.names)})")
    contract = bundle.contract()
    return ModelFiles(
        contract.labels,
        len(contract.labels),
        contract.shape,
        contract.preprocess,
        tuple(open_model(bundle.read(name), name) for name in names),
        bundle.section("metrics"),
        bundle.section("provenance", "run"),
    )


def _open_file(path: Path, pixel_range: str | None) -> ModelFiles:
    data = read_model_file(path)
    if path.suffix == ".onnx" and _has_contract(data):
        _refuse_range(path, pixel_range)
        classifier = Classifier(data, str(path))
        contract, model = classifier.contract, _of_classifier(classifier, data, path.name)
        return ModelFiles(contract.labels, len(contract.labels), contract.shape, contract.preprocess, (model,), {}, {})
    third_party = open_third_party(data, str(path), pixel_range)
    model = ModelFile(path.name, data, third_party.form, False, third_party.predict_proba)
    return ModelFiles(None, third_party.classes, third_party.form.shape, None, (model,), {}, {}, third_party.said)


def _of_classifier(classifier: Classifier, data: bytes, name: str) -> ModelFile:
    shape = classifier.contract.shape
    form = TensorSpec(shape, "HW" if len(shape) == 2 else "HWC", "uint8", logits=False)
    return ModelFile(name, data, form, True, classifier.predict_proba)


def _has_contract(data: bytes) -> bool:
    import onnx

    return any(entry.key == METADATA_KEY for entry in onnx.load_from_string(data).metadata_props)


def _refuse_range(path: Path, pixel_range: str | None) -> None:
    if pixel_range is not None:
        raise UsageError(f"--pixel-range: only for a model that digits-edge did not export, received {path}")

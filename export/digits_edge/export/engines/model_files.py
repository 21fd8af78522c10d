"""Open the models of a bundle, or one model file of any origin, to evaluate and time them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle, find_published
from digits_edge.runtime.errors import BundleError, ExportError, UsageError
from digits_edge.runtime.metadata import METADATA_KEY, Contract, Preprocess
from digits_edge.trainer.run_info import MARKER

from .confinement import memory_for
from .litert import TfliteModel
from .tensor_spec import Engine, Pixels, Probabilities, TensorSpec
from .third_party import open_third_party, read_model_file
from .worker import TIME_LIMIT, Worker

SUFFIXES: Final = (".onnx", ".tflite")
SENT: Final = 2**25  # bytes of pictures that the child of a model is sent at once
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ModelFile:
    """One model file."""

    file: str  # its name
    data: bytes
    spec: TensorSpec
    ours: bool  # whether `digits_edge.runtime` can run it
    engines: Mapping[str, Engine]  # under "", or of another origin: under its pixel range, and then in other ones

    @property
    def predict_proba(self) -> Engine:
        """From pixels to probabilities, by the runtime of the file's format."""
        return next(iter(self.engines.values()))

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """One or more model files for the same task."""

    labels: tuple[str, ...] | None  # in the order of the outputs; None where the file does not name them
    classes: int
    shape: tuple[int, ...]  # of a picture, (H, W) or (H, W, 3)
    preprocess: Preprocess | None  # None where the file does not say
    files: tuple[ModelFile, ...]  # in the order of the manifest
    metrics: dict[str, Any] = field(default_factory=dict)  # of the bundle, by file; empty for a single file
    trained: dict[str, Any] = field(default_factory=dict)  # record of the training run; empty for a single file
    description: str = ""  # input and output in words, for a file that digits-edge did not export

    @classmethod
    def of_contract(cls, contract: Contract, files: Iterable[ModelFile]) -> ModelFiles:
        """Files that share a contract."""
        return cls(contract.labels, len(contract.labels), contract.shape, contract.preprocess, tuple(files))

    def accuracies(self) -> dict[str, float | None]:
        """Accuracy of each file on the validation split, as the gate measured it; None for a single file."""
        return {model.file: self.metrics.get(model.file, {}).get("accuracy") for model in self.files}


def open_engine(data: bytes, name: str) -> Engine:
    """Open a model file that digits-edge exported, as a function from pixels to probabilities; see `open_model`."""
    return open_model(data, name).predict_proba


def open_model(data: bytes, name: str) -> ModelFile:
    """Open a model file that digits-edge exported; a BundleError if it cannot be loaded, or is of another origin."""
    if name.endswith(".tflite"):
        tflite = TfliteModel.load(data, name)
        return ModelFile(file=name, data=data, spec=tflite.spec, ours=False, engines={"": tflite.predict_proba})
    return _of_classifier(Classifier(data, name), data, name)


def open_models(path: Path, pixel_range: str | None = None, time_limit: float = TIME_LIMIT) -> ModelFiles:
    """Open a bundle, a run that has been exported, or a single `.onnx` or `.tflite` file of any origin.

    They are opened and run in a child process, which may take a gigabyte and eight times the size of the largest file.

    Args:
        path: Path of the bundle, run or file.
        pixel_range: The pixel range that a file of another origin was trained on, see `pixel_range.ends_of`; None to
            take it from the file.
        time_limit: Seconds after which the child is stopped, if it is still opening them or has not answered.

    Raises:
        BundleError: There is no model, it is no image classifier, or it cannot be run within the limits.
        IntegrityError: A model is missing or was altered.
        UsageError: The pixel range is none, or the models define their own.
    """
    files = [file for file in (path, *path.glob("*"), *path.glob("bundle/*")) if file.suffix.lower() in SUFFIXES]
    size = max((file.stat().st_size for file in files if file.is_file()), default=0)
    return open_in(Worker(time_limit, memory_for(size)), path, pixel_range)


def open_in(worker: Worker, path: Path, pixel_range: str | None = None) -> ModelFiles:
    """Open models as `open_models` does, in a child that there is."""
    models, ranges = _ask(worker, path, load, path, pixel_range)

    def engine(file: int, name: str) -> Engine:
        return partial(_answers, worker, path, pixel_range, file, name)

    engines = [{name: engine(number, name) for name in names} for number, names in enumerate(ranges)]
    return replace(models, files=tuple(map(_with_engines, models.files, engines)))


def _ask(worker: Worker, path: Path, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in the child; its death, too, is a BundleError about the path."""
    try:
        return worker(function, *args, **kwargs)
    except ExportError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise error.__cause__ from None
        raise BundleError(f"{path}: {error}") from None


def _answers(
    worker: Worker, path: Path, pixel_range: str | None, file: int, name: str, pixels: Pixels
) -> Probabilities:
    """Class probabilities float32[N, C] by the child."""
    some = max(1, SENT // math.prod(pixels.shape[1:]))
    parts = np.split(pixels, range(some, len(pixels), some))
    return np.concatenate([_ask(worker, path, run, path, pixel_range, file, name, part) for part in parts])


def _with_engines(file: ModelFile, engines: Mapping[str, Engine]) -> ModelFile:
    return replace(file, engines=engines)


def load(path: Path, pixel_range: str | None) -> tuple[ModelFiles, list[list[str]]]:
    """In the child: open the models. Returns them without their engines, whose names are the second value."""
    models = _opened(path, pixel_range)
    bare = tuple(_with_engines(file, {}) for file in models.files)
    return replace(models, files=bare), [list(file.engines) for file in models.files]


def run(path: Path, pixel_range: str | None, file: int, engine: str, pixels: Pixels) -> Probabilities:
    """In the child: run an engine of a file on pictures."""
    models = _opened(path, pixel_range)
    answers = models.files[file].engines[engine](pixels)
    if answers.shape != (expected := (len(pixels), models.classes)):
        raise BundleError(f"{models.files[file].file}: expected answers {expected}, received {answers.shape}")
    return answers


@lru_cache(maxsize=1)
def _opened(path: Path, pixel_range: str | None) -> ModelFiles:
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return _open_file(path, pixel_range)
    _refuse_range(path, pixel_range)
    if (path / MARKER).is_file() and not find_published(path / "bundle").is_dir():
        raise BundleError(
            f"{path}: the run has not been exported yet: digits-edge export {shlex.quote(str(path))} --int8"
        )
    bundle = Bundle.open(path)
    names = [name for name in bundle.names if name.endswith(SUFFIXES)]
    if not names:
        raise BundleError(f"{path}: the bundle has no model (only {', '.join(bundle.names)})")
    models = ModelFiles.of_contract(bundle.contract(), (open_model(bundle.read(name), name) for name in names))
    return replace(models, metrics=bundle.section("metrics"), trained=bundle.section("provenance", "run"))


def _open_file(path: Path, pixel_range: str | None) -> ModelFiles:
    data = read_model_file(path)
    if path.suffix.lower() == ".onnx" and _has_contract(data):
        _refuse_range(path, pixel_range)
        classifier = Classifier(data, str(path))
        return ModelFiles.of_contract(classifier.contract, [_of_classifier(classifier, data, path.name)])
    model = open_third_party(data, str(path), pixel_range)
    file = ModelFile(path.name, data, model.spec, ours=False, engines=model.engines)
    return ModelFiles(None, model.classes, model.spec.shape, None, (file,), description=model.description)


def _of_classifier(classifier: Classifier, data: bytes, name: str) -> ModelFile:
    shape = classifier.contract.shape
    spec = TensorSpec(shape=shape, layout="HW" if len(shape) == 2 else "HWC", dtype="uint8", logits=False)
    return ModelFile(file=name, data=data, spec=spec, ours=True, engines={"": classifier.predict_proba})


def _has_contract(data: bytes) -> bool:
    import onnx

    return any(entry.key == METADATA_KEY for entry in onnx.load_from_string(data).metadata_props)


def _refuse_range(path: Path, pixel_range: str | None) -> None:
    if pixel_range is not None:
        raise UsageError(
            f"--pixel-range: only for a model that digits-edge did not export (--mean and --std, too), received {path}"
        )

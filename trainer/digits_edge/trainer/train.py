"""From labelled pictures to a run: the story of `digits-edge train`."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.atomic_folder import check_ours, is_ours, publishing
from digits_edge.common.keras_backend import Device, computed_in, on_device, precision
from digits_edge.common.keras_models import predict_logits
from digits_edge.common.numerics import expected_calibration_error, scale, softmax
from digits_edge.common.progress import say
from digits_edge.runtime.errors import RunError, UsageError
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.system_info import cpu_name, versions

from . import run as runs
from .datasets.dataset import Dataset
from .datasets.read import SHAPE, read, read_names
from .datasets.split import Split, split
from .fitting.checkpoint import checkpoint_path
from .recipes import Recipe
from .run import Run

if TYPE_CHECKING:
    import keras

    from .fitting.fit import Fitted
    from .fitting.training_model import TrainingModel

CALIBRATION_PICTURES: Final = 1024


@dataclass(frozen=True)
class TrainOptions:
    """What to train, and where to.

    Attributes:
        data: a SPEC, see `datasets.read`.
        recipe: how.
        out: the run's folder.
        names: a labels file, or None.
        preprocess: how photographs will become pixels, or None to judge by the data.
        init: a Keras model, or a run, whose network and weights are the start, or None for the recipe's own, fresh.
        teacher: a Keras model, or a run, that the network is to agree with, or None.
        seed: of initial weights, order, augmentation and dropout.
        split_seed: of the split into training and validation.
        validation_fraction: between 0 and 1.
        device: what to compute on.
        distribute: on all such devices at once.
        resume: go on with an interrupted run.
        force: replace a finished run, and forget an interrupted one.
    """

    data: str
    recipe: Recipe
    out: Path
    names: Path | None = None
    preprocess: Preprocess | None = None
    init: Path | None = None
    teacher: Path | None = None
    seed: int = 7
    split_seed: int = 0
    validation_fraction: float = 0.2
    device: Device = "auto"
    distribute: bool = False
    resume: bool = False
    force: bool = False


def train(options: TrainOptions) -> Run:
    """Fit a model and write a run; what takes no keras to be refused is refused before that is imported.

    Raises:
        UsageError: an impossible number, no such device, or `out` is not ours.
        DatasetError: the data cannot be trained on.
        RunError: a finished or an interrupted run is in the way, the one to resume is another, what to start from or
            to learn from does not fit, or the fit diverged.
    """
    out = options.out.resolve()
    _check(options, out)
    started = time.monotonic()
    names = read_names(options.names) if options.names else None
    dataset = read(options.data, names=names, preprocess=options.preprocess)
    parts = split(dataset, options.validation_fraction, options.split_seed)
    say(
        f"{dataset.name}: {len(parts.train):,} pictures to train on, {len(parts.validation):,} to validate with, "
        f"{len(dataset.labels)} classes"
    )
    with on_device(options.device, options.distribute, options.recipe.batch_size) as device:
        model = _build(options, dataset, parts, device)
        with publishing(out, marker=runs.MARKER, kind=runs.KIND) as folder:
            _check(options, out)  # again: another process may have finished there meanwhile
            info = {**_train(options, model, dataset, parts, folder), "device": device}
            info["wall_seconds"] = round(info["wall_seconds"] + time.monotonic() - started, 1)
            (folder / runs.MARKER).write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    checkpoint_path(out).unlink(missing_ok=True)
    return Run.open(out)


def _check(options: TrainOptions, out: Path) -> None:
    for name in ("init", "teacher"):
        path = getattr(options, name)
        if path and path.suffix != ".keras":
            Run.open(path)
        elif path and not path.is_file():
            raise UsageError(f"--{name}: expected a .keras file or a run, found nothing at {path}")
    if not 0 < options.validation_fraction < 1:
        raise UsageError(
            f"--validation-fraction: expected a number between 0 and 1, received {options.validation_fraction:g}"
        )
    for name in ("seed", "split_seed"):
        if not 0 <= (value := getattr(options, name)) < 2**32:
            raise UsageError(
                f"--{name.replace('_', '-')}: expected a whole number from 0 to {2**32 - 1}, received {value}"
            )
    check_ours(out, marker=runs.MARKER, kind=runs.KIND)
    interrupted = checkpoint_path(out).exists()
    if options.resume and options.force:
        raise UsageError("--resume goes on with an interrupted run, --force forgets it: give one of them")
    if options.resume and not interrupted:
        raise RunError(f"{options.out}: no interrupted run is there to resume")
    if options.resume or options.force:
        return
    if interrupted:
        raise RunError(f"{options.out}: an interrupted run is there; go on with --resume, or train anew with --force")
    if is_ours(out, marker=runs.MARKER, kind=runs.KIND):
        raise RunError(f"{options.out}: a finished run is there; replace it with --force, or choose another --out")


def _build(options: TrainOptions, dataset: Dataset, parts: Split, device: str) -> TrainingModel:
    """The network that is to be fitted, with its teacher, loss and optimizer."""
    import keras

    from digits_edge.common.keras_models import load_to_train

    from .fitting.architectures import build
    from .fitting.outliers import OUTLIERS, outliers
    from .fitting.training_model import TrainingModel, compile_training_model

    recipe, classes = options.recipe, len(dataset.labels)
    steps = recipe.epochs * -(-len(parts.train) // recipe.batch_size)
    keras.utils.set_random_seed(options.seed)
    if options.init:
        network = load_to_train(options.init, SHAPE, classes)
    else:
        network = build(recipe.model, SHAPE, classes, steps, precision(recipe.precision, device))
    teacher = None
    if options.teacher:
        teacher = load_to_train(options.teacher, SHAPE, classes)
        if options.teacher.is_dir() and (labels := Run.open(options.teacher).labels) != dataset.labels:
            raise RunError(f"{options.teacher}: expected classes {', '.join(dataset.labels)}, has {', '.join(labels)}")
    strangers = None
    if recipe.outliers:
        strangers = outliers(dataset.pixels[parts.train], min(OUTLIERS, len(parts.train)), options.seed)
    model = TrainingModel(network, recipe, options.seed, teacher, strangers)
    model(dataset.pixels[:1])
    compile_training_model(model, recipe, steps)
    network.summary(print_fn=say)
    say(f"training on {device} with Keras's {keras.backend.backend()} backend in {computed_in(network)}")
    return model


def _train(options: TrainOptions, model: TrainingModel, dataset: Dataset, parts: Split, folder: Path) -> dict[str, Any]:
    """Fit, write everything but `run.json`, and return what goes into that."""
    import keras

    from digits_edge.common.model_cost import cost

    from .fitting.fit import fit

    recipe, network = options.recipe, model.network
    spent = asdict(cost(network))
    training, validation = dataset.take(parts.train), dataset.take(parts.validation)
    path, plan = checkpoint_path(options.out.resolve()), _plan(options, dataset)
    try:
        fitted = fit(model, recipe, training, validation, options.seed, path, plan, options.resume)
    except KeyboardInterrupt:
        if path.exists():
            say("stopped; to go on after the last whole epoch, give the same command and --resume, without --force")
        raise
    return {
        "kind": runs.KIND,
        "schema": runs.SCHEMA,
        "name": options.out.resolve().name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": asdict(recipe),
        "init": options.init.name if options.init else None,
        "teacher": options.teacher.name if options.teacher else None,
        "labels": list(dataset.labels),
        "preprocess": dataset.preprocess,
        "seed": options.seed,
        "dataset": {"name": dataset.name, "pictures": len(dataset), "fingerprint": dataset.fingerprint},
        "split": {
            "seed": options.split_seed,
            "fraction": options.validation_fraction,
            "training": len(parts.train),
            "validation": len(parts.validation),
        },
        **spent,
        **_write(network, fitted, dataset, parts, options, folder),
        "backend": keras.backend.backend(),
        "precision": computed_in(network),
        "cpu": cpu_name(),
        "versions": versions(),
        "wall_seconds": fitted.seconds,
    }


def _write(
    network: keras.Model, fitted: Fitted, dataset: Dataset, parts: Split, options: TrainOptions, folder: Path
) -> dict[str, Any]:
    """Save the network after its best and its last epoch, both calibrated, with pictures and plots; its key figures."""
    import keras

    from digits_edge.common.keras_models import in_float32

    from .fitting.augmentation import augment
    from .fitting.calibration import calibrate
    from .plots import draw_confusion, draw_curves, draw_mistakes, draw_samples

    x, y = dataset.take(parts.validation)
    exact = in_float32(network)
    for name, snapshot in (("best", fitted.best), ("model", fitted.last)):
        exact.set_weights(snapshot.weights)
        logits = snapshot.logits if exact is network else predict_logits(exact, x)
        temperature = calibrate(exact, logits, y)
        exact.save(folder / f"{name}.keras")
    probabilities = softmax(logits / np.float32(temperature))
    fitted.recorder.write(folder)
    np.savez_compressed(folder / "validation.npz", x=x, y=y)
    calibration = _calibration(parts.train, options.seed)
    np.savez_compressed(folder / "calibration.npz", x=dataset.pixels[calibration])

    plots = folder / "plots"
    plots.mkdir()
    shown = dataset.first_ten()
    draws = keras.random.SeedGenerator(options.seed)
    changed = augment(scale(np.tile(dataset.pixels[shown], (4, 1, 1))), options.recipe.augmentation, draws)
    changed = np.asarray(keras.ops.convert_to_numpy(changed))[..., 0]
    draw_samples(plots / "samples.png", dataset.pixels[shown], dataset.targets[shown], dataset.labels, changed)
    draw_curves(plots / "curves.png", fitted.recorder.history, fitted.recorder.batches)
    draw_confusion(plots / "confusion.png", y, probabilities.argmax(axis=1), dataset.labels)
    wrong = draw_mistakes(plots / "mistakes.png", x, y, probabilities, dataset.labels)
    return {
        "metrics": {
            **fitted.recorder.metrics(fitted.last.epoch),
            "val_wrong": wrong,
            "temperature": round(temperature, 4),
            "val_ece": round(expected_calibration_error(probabilities, y), 6),
            "val_ece_uncalibrated": round(expected_calibration_error(softmax(logits), y), 6),
        },
        "best": {"epoch": fitted.best.epoch, **fitted.recorder.metrics(fitted.best.epoch)},
    }


def _plan(options: TrainOptions, dataset: Dataset) -> dict[str, Any]:
    """What must be alike for an interrupted run to go on."""
    import keras

    return {
        "recipe": asdict(options.recipe),
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "init": _digest(options.init),
        "teacher": _digest(options.teacher),
        "seed": options.seed,
        "split_seed": options.split_seed,
        "validation_fraction": options.validation_fraction,
        "backend": keras.backend.backend(),
    }


def _digest(path: Path | None) -> str | None:
    """The name of a Keras model or a run, and the beginning of its SHA-256."""
    if path is None:
        return None
    file = path / "model.keras" if path.is_dir() else path
    return f"{path.name} {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


def _calibration(rows: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Some rows of the training part, for the int8 ranges: no augmentation touches them."""
    return np.random.default_rng(seed).choice(rows, min(CALIBRATION_PICTURES, len(rows)), replace=False)

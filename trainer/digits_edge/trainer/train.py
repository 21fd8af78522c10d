"""From labelled pictures to a run: the story of `digits-edge train`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.contract import Preprocess
from digits_edge.runtime.errors import RunError, UsageError
from digits_edge.runtime.host import cpu_name, versions

from . import run as runs
from .backend import Device, on_device
from .checkpoint import Checkpoint, checkpoint_path
from .datasets import SHAPE, Dataset, read, read_names
from .progress import say
from .publish import check_ours, is_ours, publishing
from .recipes import Recipe
from .run import Run
from .scaling import cross_entropy, expected_calibration_error, one_hot, scale, softmax
from .split import Split, split

if TYPE_CHECKING:
    import keras

    from .recorder import Recorder

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
    """Fit a model and write a run; everything that can be refused is refused before keras is imported.

    Raises:
        UsageError: an impossible number, no such device, or `out` is not ours.
        DatasetError: the data cannot be trained on.
        RunError: a finished or an interrupted run is in the way, or the one to resume is another.
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
    with (
        on_device(options.device, options.distribute, options.recipe.batch_size) as device,
        publishing(out, marker=runs.MARKER, kind=runs.KIND) as folder,
    ):
        try:
            fitted = _fit(options, dataset, parts, device, started)
        except KeyboardInterrupt:
            if checkpoint_path(out).exists():
                say("stopped; to go on after the last whole epoch, give the same command and --resume")
            raise
        info = _write(options, dataset, parts, fitted, folder)
        info |= {"device": device, "wall_seconds": round(time.monotonic() - started + fitted.before, 1)}
        (folder / runs.MARKER).write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    checkpoint_path(out).unlink(missing_ok=True)
    return Run.open(out)


def _check(options: TrainOptions, out: Path) -> None:
    for name in ("init", "teacher"):
        if (path := getattr(options, name)) and not path.exists():
            raise UsageError(f"--{name}: expected a Keras model or a run, found nothing at {path}")
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
    if options.resume and not interrupted:
        raise RunError(f"{options.out}: no interrupted run is there to resume")
    if options.resume or options.force:
        return
    if interrupted:
        raise RunError(f"{options.out}: an interrupted run is there; go on with --resume, or train anew with --force")
    if is_ours(out, marker=runs.MARKER, kind=runs.KIND):
        raise RunError(f"{options.out}: a finished run is there; replace it with --force, or choose another --out")


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A network after its last epoch, its weights after its best one, and seconds spent before it was resumed."""

    network: keras.Model
    recorder: Recorder
    best: list[npt.NDArray[Any]]
    best_epoch: int
    before: float


def _fit(options: TrainOptions, dataset: Dataset, parts: Split, device: str, started: float) -> _Fitted:
    """Train epoch by epoch, with a checkpoint after each."""
    import keras

    from .load import end_in_logits, load
    from .models import build
    from .recorder import Recorder
    from .steps import training_steps
    from .trainee import Trainee, compile_trainee

    recipe, classes = options.recipe, len(dataset.labels)
    pixels, targets = dataset.take(parts.train)
    x, y = dataset.take(parts.validation)
    sizes = [min(recipe.batch_size, len(pixels) - i) for i in range(0, len(pixels), recipe.batch_size)]
    steps = recipe.epochs * len(sizes)
    keras.utils.set_random_seed(options.seed)
    if options.init:
        network = end_in_logits(load(options.init, SHAPE, classes))
    else:
        network = build(recipe.model, SHAPE, classes, steps, _precision(recipe, device))
    teacher = end_in_logits(load(options.teacher, SHAPE, classes)) if options.teacher else None
    trainee = Trainee(network, recipe, options.seed, teacher)
    trainee(pixels[:1])
    compile_trainee(trainee, recipe, steps, taught=teacher is not None)
    network.summary(print_fn=say)
    say(f"training on {device} with Keras's {keras.backend.backend()} backend in {network.dtype_policy.name}")

    state = [*trainee.variables, *trainee.optimizer.variables]
    path, plan = checkpoint_path(options.out.resolve()), _plan(options, dataset)
    before, best, best_epoch, best_loss = 0.0, [], 0, float("inf")
    recorder = Recorder(recipe.epochs, sizes, [], [])
    if options.resume:
        checkpoint = Checkpoint.load(path)
        checkpoint.check(plan, options.out)
        for variable, value in zip(state, checkpoint.state, strict=True):
            variable.assign(value)
        recorder = Recorder(recipe.epochs, sizes, checkpoint.history, checkpoint.batches)
        best, best_epoch, before = checkpoint.best, checkpoint.best_epoch, checkpoint.seconds
        best_loss = checkpoint.history[best_epoch - 1][3]
    run_steps = training_steps(trainee, pixels, one_hot(targets, classes))
    with recorder:
        for epoch in range(len(recorder.history), recipe.epochs):
            order = np.random.default_rng((options.seed, epoch)).permutation(len(pixels)).astype(np.int32)
            for metrics in run_steps(order, recipe.batch_size):
                recorder.note_steps(metrics)
            logits = predict_logits(network, x)
            loss = cross_entropy(logits, y)
            recorder.note_epoch(loss, float((logits.argmax(axis=1) == y).mean()))
            if loss <= best_loss:
                best, best_epoch, best_loss = network.get_weights(), epoch + 1, loss
            seconds = before + time.monotonic() - started
            values = [keras.ops.convert_to_numpy(variable) for variable in state]
            Checkpoint(plan, recorder.history, recorder.batches, seconds, values, best, best_epoch).save(path)
    return _Fitted(network, recorder, best, best_epoch, before)


def _write(options: TrainOptions, dataset: Dataset, parts: Split, fitted: _Fitted, folder: Path) -> dict[str, Any]:
    """Write everything but `run.json`, and return what goes into that."""
    import keras

    from .augment import augment
    from .cost import cost
    from .models import in_float32
    from .plots import draw_confusion, draw_curves, draw_mistakes, draw_samples

    x, y = dataset.take(parts.validation)
    pixels, _ = dataset.take(parts.train)
    network, recorder = in_float32(fitted.network), fitted.recorder
    last_weights = network.get_weights()
    network.set_weights(fitted.best)
    _calibrate(network, x, y)
    network.save(folder / "best.keras")
    network.set_weights(last_weights)
    uncalibrated = expected_calibration_error(softmax(predict_logits(network, x)), y)
    temperature = _calibrate(network, x, y)
    network.save(folder / "model.keras")
    probabilities = predict(network, x)
    recorder.write(folder)
    np.savez_compressed(folder / "validation.npz", x=x, y=y)
    np.savez_compressed(folder / "calibration.npz", x=_calibration(pixels, options.seed))

    plots = folder / "plots"
    plots.mkdir()
    shown = dataset.first_ten()
    changed = np.concatenate([scale(dataset.pixels[shown])] * 4)
    changed = np.asarray(
        keras.ops.convert_to_numpy(
            augment(changed, options.recipe.augmentation, keras.random.SeedGenerator(options.seed))
        )
    )
    draw_samples(plots / "samples.png", dataset.pixels[shown], dataset.targets[shown], dataset.labels, changed[..., 0])
    draw_curves(plots / "curves.png", recorder.history, recorder.batches)
    draw_confusion(plots / "confusion.png", y, probabilities.argmax(axis=1), dataset.labels)
    wrong = draw_mistakes(plots / "mistakes.png", x, y, probabilities, dataset.labels)
    columns = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    last, best = (
        {key: round(value, 6) for key, value in zip(columns[1:], recorder.history[epoch - 1][1:], strict=True)}
        for epoch in (len(recorder.history), fitted.best_epoch)
    )
    return {
        "kind": runs.KIND,
        "schema": runs.SCHEMA,
        "name": options.out.resolve().name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": asdict(options.recipe),
        "init": options.init.name if options.init else None,
        "teacher": options.teacher.name if options.teacher else None,
        **asdict(cost(network)),
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
        "metrics": {
            **last,
            "val_wrong": wrong,
            "temperature": round(temperature, 4),
            "val_ece": round(expected_calibration_error(probabilities, y), 6),
            "val_ece_uncalibrated": round(uncalibrated, 6),
        },
        "best": {"epoch": fitted.best_epoch, **best},
        "backend": keras.backend.backend(),
        "precision": fitted.network.dtype_policy.name,
        "cpu": cpu_name(),
        "versions": versions(),
    }


def _plan(options: TrainOptions, dataset: Dataset) -> dict[str, Any]:
    """What must be alike for an interrupted run to go on."""
    import keras

    return {
        "recipe": asdict(options.recipe),
        "data": dataset.fingerprint,
        "init": options.init.name if options.init else None,
        "teacher": options.teacher.name if options.teacher else None,
        "seed": options.seed,
        "split_seed": options.split_seed,
        "validation_fraction": options.validation_fraction,
        "backend": keras.backend.backend(),
    }


def _precision(recipe: Recipe, device: str) -> str:
    if recipe.precision != "auto":
        return recipe.precision
    return "float32" if "cpu" in device else "mixed_bfloat16"


def _calibrate(network: keras.Model, x: npt.NDArray[np.uint8], y: npt.NDArray[np.int64]) -> float:
    """Fold the temperature that fits these pictures into a network, and return it."""
    from .temperature import fit_temperature, fold_temperature

    temperature = fit_temperature(predict_logits(network, x), y)
    return temperature if fold_temperature(network, temperature) else 1.0


def predict(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Class probabilities float32[N, C] of pixels uint8[N, H, W] by a Keras model that ends in logits."""
    return softmax(predict_logits(model, pixels))


def predict_logits(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits float32[N, C] of pixels uint8[N, H, W], in batches of one size, so that there is one graph."""
    batches = []
    for start in range(0, len(pixels), 512):
        batch = scale(pixels[start : start + 512])
        missing = 512 - len(batch)
        padded = np.pad(batch, [(0, missing), *[(0, 0)] * (batch.ndim - 1)])
        batches.append(np.asarray(model.predict_on_batch(padded), np.float32)[: len(batch)])
    return np.concatenate(batches)


def _calibration(pixels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Pictures of the training part, untouched by augmentation, for the int8 ranges."""
    chosen = np.random.default_rng(seed).choice(len(pixels), min(CALIBRATION_PICTURES, len(pixels)), replace=False)
    return pixels[np.sort(chosen)]

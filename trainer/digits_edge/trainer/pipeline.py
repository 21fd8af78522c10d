"""From labelled pictures to a run: the story of `digits-edge train`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digits_edge.common.atomic_folder import publishing
from digits_edge.common.keras_backend import computed_in, on_device, precision
from digits_edge.common.progress import say
from digits_edge.runtime.errors import DatasetError, GateFailed, RunError, UsageError
from digits_edge.runtime.system_info import cpu_name, versions

from .adaptation import judge
from .datasets.corrections import Corrections
from .datasets.dataset import Dataset, UnknownClass
from .datasets.read import read_class_names, read_dataset
from .datasets.split import Split, rehearsing, split, split_own
from .datasets.suspicions import suspicions
from .fitting.checkpoint import checkpoint_path, discard
from .options import TrainOptions
from .released import model_file
from .run import Run
from .run_info import KIND, MARKER, Adaptation, DatasetInfo, Metrics, RunInfo, SplitInfo

if TYPE_CHECKING:
    import keras

    from .fitting.fit import Fitted, Pictures
    from .fitting.training_model import TrainingModel
    from .fitting.views import Views


def train(options: TrainOptions) -> Run:
    """Train a model on labelled pictures and write a run.

    Args:
        options: What to train, how, and where to.

    Returns:
        The finished run. Its folder appears in one step, or not at all.

    Raises:
        UsageError: An option is invalid, the device does not exist, or the output folder holds something else.
        GateFailed: More of what is rehearsed was forgotten than is allowed.
        DatasetError: The data cannot be trained on.
        RunError: A finished or interrupted run is in the way, the run to resume has other settings, the model to start
            from or to distil from does not fit, or training diverged.

    Example:
        from pathlib import Path
        from digits_edge.trainer import RECIPES, TrainOptions, train

        run = train(TrainOptions(data="sample", recipe=RECIPES["fast"], out=Path("artifacts/runs/fast-sample")))
        print(f"{run.info.metrics.val_accuracy:.2%}")
    """
    started = time.monotonic()
    options.check()
    parts = _read(options)
    with on_device(options.device, options.distribute, options.recipe.batch_size) as device:
        from .results import write_results  # not before: it imports Keras, on the backend that was checked

        pictures = _training_pictures(options, parts)
        model = _build(options, parts.dataset, pictures, device)
        views = _views(options, parts.dataset, pictures)
        with publishing(options.out, marker=MARKER, kind=KIND) as folder:
            options.check()  # again: another process may have finished a run there meanwhile
            with _resumable(options.out):
                fitted, adaptation = _fit(options, parts, pictures, views, model)
                metrics = write_results(folder, options, parts, model.network, fitted)
                info = _describe(options, parts, model.network, device, fitted, metrics)
                info = replace(info, adaptation=adaptation)
                seconds = round(fitted.earlier_seconds + time.monotonic() - started, 1)
                replace(info, wall_seconds=seconds).write(folder / MARKER)
    discard(checkpoint_path(options.out))
    return Run.open(options.out.resolve())


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Say how to continue, if the block is interrupted or cannot write."""
    try:
        yield
    except (KeyboardInterrupt, OSError, UsageError):
        if checkpoint_path(out).exists():
            say("interrupted; continue after the last finished epoch with the same command, --resume and no --force")
        raise


def _read(options: TrainOptions) -> Split:
    """Read the dataset and split it; read and split what is rehearsed, and add it."""
    names = read_class_names(options.names) if options.names else None
    if options.also is not None:
        return _read_both(options, options.also, names or options.labels)
    dataset = read_dataset(
        options.data,
        names=names,
        preprocess=options.preprocess,
        shape=options.size,
        corrections=_corrections(options),
        label_column=options.label_column,
    )
    options.check_shape(dataset.shape, dataset.preprocess, options.data)
    return _said(split(dataset, options.validation_fraction, options.split_seed))


def _read_both(options: TrainOptions, also: str, names: tuple[str, ...] | None) -> Split:
    """Read one's own pictures and those to rehearse, which decide classes and size; each is split by itself."""
    preprocess = options.preprocess or options.preprocess_of_init
    others = read_dataset(
        also,
        names=names,
        preprocess=preprocess,
        shape=options.size,
        corrections=Corrections(resize=options.size is not None),
    )
    options.check_shape(others.shape, others.preprocess, also)
    try:
        own = read_dataset(
            options.data,
            names=others.labels,
            preprocess=others.preprocess,
            shape=others.shape,
            corrections=_corrections(options),
            label_column=options.label_column,
            least_classes=1,
        )
    except UnknownClass as error:
        raise DatasetError(
            f"{error}; fine-tuning keeps the classes: teach a model a new one with Classifier.teach, or train on "
            "pictures of all classes without --init"
        ) from None
    parts = [
        split_own(own, options.validation_fraction, options.split_seed),
        split(others, options.validation_fraction, options.split_seed),
    ]
    return rehearsing(*map(_said, parts))


def _said(parts: Split) -> Split:
    """Say how a dataset was split, and what looks wrong in it."""
    dataset = parts.dataset
    judging = f"{len(parts.validation):,} to validate with"
    if parts.folds:
        judging = f"few of a class: each is left out once, in {parts.folds} folds, to judge by it"
    say(
        f"{dataset.name}: {len(parts.train):,} pictures to train on, {judging}, "
        f"{len(dataset.labels)} classes, {' x '.join(map(str, dataset.shape))} pixels"
    )
    for suspicion in suspicions(parts):
        say(f"warning: {suspicion}")
    return parts


def _corrections(options: TrainOptions) -> Corrections:
    return replace(options.corrections, resize=options.size is not None)


def _training_pictures(options: TrainOptions, parts: Split) -> Pictures:
    """The pictures of an epoch: those of the training part, and drawn digits if the recipe wants some."""
    from .fitting.hands import hands

    pixels, targets = parts.dataset.take(parts.epoch(options.recipe.batch_size))
    count = round(options.recipe.hands * len(pixels))
    if not count:
        return pixels, targets
    if not parts.dataset.of_digits:
        say("no drawn digits are trained on: they are for digits of 28 x 28 pixels in MNIST's form")
        return pixels, targets
    more, digits = hands(count, parts.dataset.labels)
    return np.concatenate([pixels, more]), np.concatenate([targets, digits])


def _build(options: TrainOptions, dataset: Dataset, pictures: Pictures, device: str) -> TrainingModel:
    """Build or load the network, and compile it with its teacher, outliers, loss and optimizer."""
    import keras

    from .fitting.architectures import build
    from .fitting.outliers import OUTLIERS, outliers
    from .fitting.saved_network import freeze_statistics, load_network
    from .fitting.training_model import TrainingModel, compile_training_model

    recipe, classes = options.recipe, len(dataset.labels)
    steps = recipe.epochs * -(-len(pictures[0]) // recipe.batch_size)
    keras.utils.set_random_seed(options.seed)
    if options.init:
        network = load_network(options.init, dataset.shape, classes)
        if options.also is not None:
            freeze_statistics(network)
    else:
        network = build(recipe.model, dataset.shape, classes, steps, precision(recipe.precision, device))
    unknown = None
    if recipe.outliers and not dataset.of_digits:
        say("no outliers are trained on: they are for digits of 28 x 28 pixels in MNIST's form (--preprocess digit)")
    elif recipe.outliers:
        unknown = outliers(pictures[0], min(OUTLIERS, len(pictures[0])), options.seed)
    model = TrainingModel(network, recipe, options.seed, bool(options.teachers), unknown)
    model(dataset.pixels[:1])  # builds it
    compile_training_model(model, recipe, steps)
    network.summary(print_fn=lambda table: say(*table.splitlines()))
    say(f"training on {device} with Keras's {keras.backend.backend()} backend in {computed_in(network)}")
    return model


def _views(options: TrainOptions, dataset: Dataset, pictures: Pictures) -> Views | None:
    """Let the teachers answer augmented versions of the training pictures."""
    if not options.teachers:
        return None
    from .fitting.views import views

    teachers = [_load_teacher(path, dataset) for path in options.teachers]
    return views(pictures[0], options.recipe, teachers, options.views)


def _load_teacher(path: Path, dataset: Dataset) -> keras.Model:
    from .fitting.saved_network import load_network

    labels = dataset.labels
    teacher = load_network(path, dataset.shape, len(labels))
    if path.is_dir() and (received := Run.open(path).info.labels) != labels:
        raise RunError(f"{path}: expected a teacher of classes {', '.join(labels)}, received {', '.join(received)}")
    return teacher


def _fit(
    options: TrainOptions, parts: Split, pictures: Pictures, views: Views | None, model: TrainingModel
) -> tuple[Fitted, Adaptation | None]:
    """Fit the model; if something is rehearsed, judge what was learnt and what was forgotten."""
    from digits_edge.common.keras_models import predict_logits

    from .fitting.fit import FitPlan, fit
    from .fitting.folds import fold_logits, state
    from .fitting.saved_network import freeze_statistics

    plan = FitPlan(
        model=model,
        training=pictures,
        validation=parts.dataset.take(parts.validation),
        seed=options.seed,
        checkpoint=checkpoint_path(options.out),
        settings=_settings(options, parts.dataset),
        views=views,
    )
    if options.also is None:
        return fit(plan, resume=options.resume), None
    start, own = state(plan), parts.dataset.pixels[parts.judged]
    before = [predict_logits(model.network, pixels) for pixels in (plan.validation[0], own)]
    fitted = fit(plan, resume=options.resume)
    try:
        after = (
            np.concatenate([*fold_logits(plan, parts, start)]) if parts.folds else predict_logits(model.network, own)
        )
        answers = (before[0], fitted.last.logits), (before[1], after)
        adaptation = judge(parts, options.also, options.max_forgetting, *answers)
    except GateFailed:
        discard(plan.checkpoint)  # there is nothing to resume
        raise
    freeze_statistics(model.network, False)
    return fitted, adaptation


def _settings(options: TrainOptions, dataset: Dataset) -> dict[str, Any]:
    """What a resumed run must have in common with the interrupted one."""
    import keras

    return {
        "recipe": asdict(options.recipe),
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "init": _digest(options.init),
        "also": options.also,
        "teachers": [_digest(path) for path in options.teachers],
        "seed": options.seed,
        "split_seed": options.split_seed,
        "validation_fraction": options.validation_fraction,
        "backend": keras.backend.backend(),
    }


def _digest(path: Path | None) -> str | None:
    """The name of a Keras model or run, with the beginning of the model's SHA-256."""
    if path is None:
        return None
    return f"{path.name} {hashlib.sha256(model_file(path).read_bytes()).hexdigest()[:12]}"


def _describe(
    options: TrainOptions, parts: Split, network: keras.Model, device: str, fitted: Fitted, metrics: Metrics
) -> RunInfo:
    """The content of `run.json`, without the duration of this attempt."""
    import keras

    from digits_edge.common.model_cost import cost

    dataset = parts.own
    return RunInfo(
        name=options.out.resolve().name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=options.recipe,
        init=options.init.name if options.init else None,
        teacher=", ".join(path.name for path in options.teachers) or None,
        labels=dataset.labels,
        preprocess=dataset.preprocess,
        seed=options.seed,
        dataset=DatasetInfo(dataset.name, len(dataset), dataset.fingerprint, _corrections(options)),
        split=SplitInfo(options.split_seed, options.validation_fraction, len(parts.train), len(parts.validation)),
        **asdict(cost(network)),
        metrics=metrics,
        best=fitted.recorder.history[fitted.best.epoch - 1].rounded(),
        backend=keras.backend.backend(),
        precision=computed_in(network),
        cpu=cpu_name(),
        versions=versions(),
        wall_seconds=fitted.earlier_seconds,
        device=device,
    )

"""From labelled pictures to a run: the story of `digits-edge train`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
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
from .backend import device, import_keras
from .datasets import SHAPE, Dataset, read, read_names
from .progress import say
from .publish import check_ours, is_ours, publishing
from .recipes import Recipe
from .run import Run
from .scaling import one_hot, scale, softmax
from .split import Split, split

if TYPE_CHECKING:
    import keras

CALIBRATION_PICTURES: Final = 1024
MOST: Final = 100_000  # epochs, or pictures in a batch


@dataclass(frozen=True)
class TrainOptions:
    """What to train, and where to.

    Attributes:
        data: a SPEC, see `datasets.read`.
        recipe: how.
        out: the run's folder.
        names: a labels file, or None.
        preprocess: how photographs will become pixels, or None to judge by the data.
        seed: of initial weights, order, augmentation and dropout.
        split_seed: of the split into training and validation.
        validation_fraction: between 0 and 1.
        force: replace a finished run.
    """

    data: str
    recipe: Recipe
    out: Path
    names: Path | None = None
    preprocess: Preprocess | None = None
    seed: int = 7
    split_seed: int = 0
    validation_fraction: float = 0.2
    force: bool = False


def train(options: TrainOptions) -> Run:
    """Fit a model and write a run; everything that can be refused is refused before keras is imported.

    Raises:
        UsageError: an impossible number, or `out` is not ours.
        DatasetError: the data cannot be trained on.
        RunError: a finished run is in the way.
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
    with publishing(out, marker=runs.MARKER, kind=runs.KIND) as folder:
        info = _fit(options, dataset, parts, folder)
        info["wall_seconds"] = round(time.monotonic() - started, 1)
        (folder / runs.MARKER).write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    return Run.open(out)


def _check(options: TrainOptions, out: Path) -> None:
    for name in ("epochs", "batch_size"):
        if not 1 <= (value := getattr(options.recipe, name)) <= MOST:
            raise UsageError(f"--{name.replace('_', '-')}: expected a whole number from 1 to {MOST}, received {value}")
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
    if is_ours(out, marker=runs.MARKER, kind=runs.KIND) and not options.force:
        raise RunError(f"{options.out}: a finished run is there; replace it with --force, or choose another --out")


def _fit(options: TrainOptions, dataset: Dataset, parts: Split, folder: Path) -> dict[str, Any]:
    """Train, write everything but `run.json`, and return what goes into that."""
    keras = import_keras()
    from .batches import Batches
    from .models import build
    from .plots import draw_curves, draw_mistakes, draw_samples
    from .recorder import Recorder

    recipe, classes = options.recipe, len(dataset.labels)
    pixels, targets = dataset.take(parts.train)
    keras.utils.set_random_seed(options.seed)
    batches = Batches(pixels, targets, classes, recipe, options.seed)
    steps = recipe.epochs * len(batches)
    model = build(recipe.model, SHAPE, classes, steps)
    _compile(model, recipe, steps)
    model.summary(print_fn=say)
    where = device()
    say(f"training on {where} with Keras's {keras.backend.backend()} backend")

    x, y = dataset.take(parts.validation)
    recorder = Recorder(recipe.epochs, len(pixels), recipe.batch_size)
    model.fit(
        batches,
        validation_data=(scale(x), one_hot(y, classes)),
        validation_batch_size=512,
        epochs=recipe.epochs,
        shuffle=False,  # `Batches` has its own order
        verbose=0,
        callbacks=[recorder],
    )
    probabilities = predict(model, x)
    model.save(folder / "model.keras")
    recorder.write(folder)
    np.savez_compressed(folder / "validation.npz", x=x, y=y)
    np.savez_compressed(folder / "calibration.npz", x=_calibration(pixels, options.seed))
    plots = folder / "plots"
    plots.mkdir()
    draw_samples(plots / "samples.png", dataset.pixels, dataset.targets, dataset.labels)
    draw_curves(plots / "curves.png", recorder.history, recorder.batches)
    wrong = draw_mistakes(plots / "mistakes.png", x, y, probabilities, dataset.labels)
    last = dict(zip(("epoch", "loss", "accuracy", "val_loss", "val_accuracy"), recorder.history[-1], strict=True))
    return {
        "kind": runs.KIND,
        "schema": runs.SCHEMA,
        "name": options.out.resolve().name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": asdict(recipe),
        "parameters": model.count_params(),
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
        "metrics": {**{k: round(v, 6) for k, v in last.items() if k != "epoch"}, "val_wrong": wrong},
        "backend": keras.backend.backend(),
        "device": where,
        "cpu": cpu_name(),
        "versions": versions(),
    }


def predict(model: keras.Model, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Class probabilities float32[N, C] of pixels uint8[N, H, W] by a Keras model that ends in logits."""
    chunks = (model.predict_on_batch(scale(pixels[i : i + 512])) for i in range(0, len(pixels), 512))
    return softmax(np.concatenate([np.asarray(chunk, np.float32) for chunk in chunks]))


def _compile(model: keras.Model, recipe: Recipe, steps: int) -> None:
    import keras

    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = steps // 10
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 10 if warmup else rate,
            max(1, steps - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    optimizers: Mapping[str, Any] = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    model.compile(
        optimizer=optimizers[recipe.optimizer](rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def _calibration(pixels: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """Pictures of the training part, untouched by augmentation, for the int8 ranges."""
    chosen = np.random.default_rng(seed).choice(len(pixels), min(CALIBRATION_PICTURES, len(pixels)), replace=False)
    return pixels[np.sort(chosen)]

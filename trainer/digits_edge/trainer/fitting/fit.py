"""Fitting a network epoch by epoch, with a checkpoint after each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_models import predict_logits
from digits_edge.common.numerics import cross_entropy, one_hot
from digits_edge.runtime.errors import RunError

from ..recipes import Recipe
from .checkpoint import Checkpoint
from .history import Recorder
from .steps import training_steps
from .training_model import TrainingModel

Pictures = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # uint8[N, H, W] and their classes int64[N]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network after an epoch.

    Attributes:
        epoch: its number, from 1.
        weights: as `get_weights` gives them.
        logits: of the validation part, float32[N, C].
    """

    epoch: int
    weights: list[npt.NDArray[Any]]
    logits: Logits


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit has come to.

    Attributes:
        recorder: of history and batches.
        last: after the last epoch.
        best: after the epoch with the lowest validation loss.
        seconds: spent on it before it was resumed.
    """

    recorder: Recorder
    last: Snapshot
    best: Snapshot
    seconds: float


def fit(
    model: TrainingModel,
    recipe: Recipe,
    training: Pictures,
    validation: Pictures,
    seed: int,
    path: Path,
    plan: dict[str, Any],
    resume: bool,
) -> Fitted:
    """Train a compiled model to the recipe's last epoch.

    Args:
        model: what is trained.
        recipe: for epochs and batch size.
        training: what to train on.
        validation: what to judge each epoch by.
        seed: of the order.
        path: of the checkpoint.
        plan: what is trained on what: a resumed run must have the same.
        resume: begin where the checkpoint ends.

    Raises:
        RunError: the checkpoint is damaged or of another plan, or the fit diverged.
    """
    pixels, targets = training
    x, y = validation
    wanted = one_hot(targets, model.network.output_shape[-1])
    started, spent = time.monotonic(), 0.0
    sizes = [min(recipe.batch_size, len(pixels) - i) for i in range(0, len(pixels), recipe.batch_size)]
    state = [*model.variables, *model.optimizer.variables]
    recorder = Recorder(recipe.epochs, sizes, [], [])
    last = best = None
    if resume:
        checkpoint = Checkpoint.load(path)
        checkpoint.check(plan)
        try:
            for variable, value in zip(state, checkpoint.state, strict=True):
                variable.assign(value)
        except ValueError:
            raise RunError(
                f"{path}: of another network than this digits-edge builds: train anew with --force"
            ) from None
        recorder = Recorder(recipe.epochs, sizes, checkpoint.history, checkpoint.batches)
        best = Snapshot(checkpoint.best_epoch, checkpoint.best[:-1], checkpoint.best[-1])
        last, spent = _snapshot(model, len(checkpoint.history), x), checkpoint.seconds
    else:
        path.unlink(missing_ok=True)  # of a run that is not wanted any more
    run_steps = None
    with recorder:
        for epoch in range(len(recorder.history), recipe.epochs):
            gentle = epoch >= recipe.epochs - recipe.gentle_epochs
            if run_steps is None or epoch == recipe.epochs - recipe.gentle_epochs:
                model.augmentation = recipe.augmentation.gentle() if gentle else recipe.augmentation
                run_steps = training_steps(model, pixels, wanted)
            order = np.random.default_rng((seed, epoch)).permutation(len(pixels)).astype(np.int32)
            for metrics in run_steps(order, recipe.batch_size):
                recorder.note_steps(metrics)
            last = _snapshot(model, epoch + 1, x)
            recorder.note_epoch(cross_entropy(last.logits, y), float((last.logits.argmax(axis=1) == y).mean()))
            if not np.isfinite(last.logits).all():
                raise RunError(
                    f"training diverged in epoch {epoch + 1}: lower --set learning_rate={recipe.learning_rate:g}"
                )
            if best is None or recorder.metrics(last.epoch)["val_loss"] <= recorder.metrics(best.epoch)["val_loss"]:
                best = last
            Checkpoint(
                plan=plan,
                history=recorder.history,
                batches=recorder.batches,
                seconds=spent + time.monotonic() - started,
                state=[keras.ops.convert_to_numpy(variable) for variable in state],
                best=[*best.weights, best.logits],
                best_epoch=best.epoch,
            ).save(path)
    if last is None or best is None:
        raise ValueError(f"expected at least one epoch, received {recipe.epochs}")
    return Fitted(recorder, last, best, spent)


def _snapshot(model: TrainingModel, epoch: int, x: npt.NDArray[np.uint8]) -> Snapshot:
    return Snapshot(epoch, model.network.get_weights(), predict_logits(model.network, x))

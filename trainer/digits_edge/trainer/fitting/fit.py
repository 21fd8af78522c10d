"""Fit a model epoch by epoch, with a checkpoint after each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_models import predict_logits
from digits_edge.common.numerics import accuracy, count_wrong, cross_entropy, one_hot
from digits_edge.common.progress import say
from digits_edge.runtime.errors import RunError

from .checkpoint import Checkpoint, discard
from .history import Recorder
from .steps import training_steps
from .training_model import TrainingModel
from .views import Views

Pictures = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # pixels uint8[N, H, W] and targets int64[N]


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What to fit, on what, and for how long: up to the last epoch of the model's recipe."""

    model: TrainingModel  # compiled
    training: Pictures
    validation: Pictures
    seed: int  # of the order of the training pictures
    checkpoint: Path
    settings: dict[str, Any]  # JSON values that a resumed run must have in common with the interrupted one
    views: Views | None = None  # versions of the training pictures with teachers' answers


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network after an epoch."""

    epoch: int  # from 1
    weights: list[npt.NDArray[Any]]  # as `get_weights` returns them
    logits: npt.NDArray[np.float32]  # of the validation pictures, [N, C]


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of a fit."""

    recorder: Recorder
    last: Snapshot
    best: Snapshot  # after the epoch with the lowest validation loss
    earlier_seconds: float  # duration of the interrupted attempts before this one


def fit(plan: FitPlan, *, resume: bool = False) -> Fitted:
    """Train a model, from where the checkpoint ends if the fit is resumed.

    Raises:
        RunError: The checkpoint is damaged or belongs to another plan, or training diverged.
    """
    started = time.monotonic()
    model, recipe = plan.model, plan.model.recipe
    pixels, wanted = _lessons(plan)
    fitted = _restore(plan) if resume else None
    if fitted is None:
        discard(plan.checkpoint)  # of a discarded run
    recorder = fitted.recorder if fitted else Recorder(recipe.epochs, _batch_sizes(plan))
    earlier = fitted.earlier_seconds if fitted else 0.0
    steps = None
    with recorder.bar:
        for epoch in range(len(recorder.history) + 1, recipe.epochs + 1):
            augmentation = recipe.augmentation_in(epoch)
            if steps is None or augmentation != model.augmentation:
                model.augmentation = augmentation
                steps = training_steps(model, pixels, wanted)  # compiled with this augmentation
            order = np.random.default_rng((plan.seed, epoch - 1)).permutation(len(plan.training[0]))
            if plan.views:
                order += plan.views.first_row(recipe, epoch)
            for metrics in steps(order.astype(np.int32), recipe.batch_size):
                recorder.note_steps(metrics)
            last = _evaluated(plan, recorder, epoch)
            best = last if fitted is None or recorder.best_epoch == epoch else fitted.best
            fitted = Fitted(recorder, last, best, earlier)
            _save(plan, fitted, earlier + time.monotonic() - started)
    assert fitted is not None  # a recipe has at least one epoch
    return fitted


def _lessons(plan: FitPlan) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """All pictures to train on and what is wanted for each, as `training_steps` takes them."""
    pixels, targets = plan.training
    wanted = one_hot(targets, plan.model.network.output_shape[-1])
    if not plan.views:
        return pixels, wanted
    versions = plan.views.strong + plan.views.gentle
    return plan.views.pixels, np.concatenate([np.tile(wanted, (versions, 1)), plan.views.logits], axis=1)


def _batch_sizes(plan: FitPlan) -> list[int]:
    """Pictures in each batch of an epoch: the last batch is what is left over."""
    pictures, size = len(plan.training[0]), plan.model.recipe.batch_size
    return [min(size, pictures - start) for start in range(0, pictures, size)]


def _evaluated(plan: FitPlan, recorder: Recorder, epoch: int) -> Snapshot:
    """The network after an epoch; its metrics on the validation pictures are recorded."""
    last, targets = _snapshot(plan, epoch), plan.validation[1]
    right = accuracy(count_wrong(last.logits, targets), len(targets))
    recorder.note_epoch(cross_entropy(last.logits, targets), right)
    if not np.isfinite(last.logits).all():
        raise RunError(
            f"training diverged in epoch {epoch} with a learning rate of {plan.model.recipe.learning_rate:g}: "
            "lower it with --set learning_rate=RATE"
        )
    if epoch == 1 and (chance := chance_level(right, targets)):
        say(
            f"warning: after the first epoch accuracy is {right:.2%}, no better than chance ({chance:.2%}); if the "
            "next epochs do not rise above it, look for a mistake in the labels or the pixels"
        )
    return last


def chance_level(right: float, targets: npt.NDArray[np.int64]) -> float | None:
    """The accuracy of always giving the most frequent class, if `right` is within two standard errors of it."""
    chance = float(np.bincount(targets).max() / len(targets))
    return (
        chance if right <= chance + min(2 * np.sqrt(chance * (1 - chance) / len(targets)), (1 - chance) / 2) else None
    )


def _snapshot(plan: FitPlan, epoch: int) -> Snapshot:
    network = plan.model.network
    return Snapshot(epoch, network.get_weights(), predict_logits(network, plan.validation[0]))


def state_of(plan: FitPlan) -> list[Any]:
    """All Keras variables that training the plan's model changes."""
    return [*plan.model.variables, *plan.model.optimizer.variables]


def _save(plan: FitPlan, fitted: Fitted, seconds: float) -> None:
    Checkpoint(
        settings=plan.settings,
        history=fitted.recorder.history,
        batches=fitted.recorder.batches,
        seconds=seconds,
        state=[keras.ops.convert_to_numpy(variable) for variable in state_of(plan)],
        best=[*fitted.best.weights, fitted.best.logits],
        best_epoch=fitted.best.epoch,
    ).save(plan.checkpoint)


def _restore(plan: FitPlan) -> Fitted:
    """Load the checkpoint into the model, and return what had been reached then."""
    checkpoint = Checkpoint.load(plan.checkpoint)
    checkpoint.check(plan.settings)
    try:
        for variable, value in zip(state_of(plan), checkpoint.state, strict=True):
            variable.assign(value)
    except ValueError:
        raise RunError(
            f"{plan.checkpoint}: expected the network that this digits-edge builds, received another; "
            "start over with --force"
        ) from None
    return Fitted(
        last=_snapshot(plan, len(checkpoint.history)),
        recorder=Recorder(plan.model.recipe.epochs, _batch_sizes(plan), checkpoint.history, checkpoint.batches),
        best=Snapshot(checkpoint.best_epoch, checkpoint.best[:-1], checkpoint.best[-1]),
        earlier_seconds=checkpoint.seconds,
    )

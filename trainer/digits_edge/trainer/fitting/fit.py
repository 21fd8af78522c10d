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
from digits_edge.runtime.errors import RunError

from ..recipes import Recipe
from .checkpoint import Checkpoint
from .history import Recorder
from .steps import training_steps
from .training_model import TrainingModel

Pictures = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]  # pixels uint8[N, H, W] and targets int64[N]


@dataclass(frozen=True, eq=False)
class FitPlan:
    """What to fit, on what, and for how long.

    Attributes:
        model: Compiled model to fit.
        recipe: Recipe with epochs, batch size and augmentation.
        training: Pictures to train on.
        validation: Pictures to judge each epoch by.
        seed: Seed for the order of the training pictures.
        checkpoint: File of the checkpoint.
        settings: JSON values that a resumed run must have in common with the interrupted one.
    """

    model: TrainingModel
    recipe: Recipe
    training: Pictures
    validation: Pictures
    seed: int
    checkpoint: Path
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network after an epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        weights: Weights as `get_weights` returns them.
        logits: Logits of the validation pictures, float32[N, C].
    """

    epoch: int
    weights: list[npt.NDArray[Any]]
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of a fit.

    Attributes:
        recorder: Recorder with the history of epochs and batches.
        last: Network after the last epoch.
        best: Network after the epoch with the lowest validation loss.
        earlier_seconds: Duration of the interrupted attempts before this one.
    """

    recorder: Recorder
    last: Snapshot
    best: Snapshot
    earlier_seconds: float


def fit(plan: FitPlan, *, resume: bool = False) -> Fitted:
    """Train a model up to the recipe's last epoch.

    Args:
        plan: What to fit, on what, and for how long.
        resume: Start where the checkpoint ends instead of at the first epoch.

    Raises:
        RunError: The checkpoint is damaged or belongs to another plan, or training diverged.
    """
    started = time.monotonic()
    model, recipe = plan.model, plan.recipe
    pixels, targets = plan.training
    wanted = one_hot(targets, model.network.output_shape[-1])
    if resume:
        fitted: Fitted | None = _restore(plan)
    else:
        fitted = None
        plan.checkpoint.unlink(missing_ok=True)  # of a discarded run
    recorder = fitted.recorder if fitted else Recorder(recipe.epochs, _batch_sizes(plan))
    earlier = fitted.earlier_seconds if fitted else 0.0
    steps = None
    with recorder:
        for epoch in range(len(recorder.history) + 1, recipe.epochs + 1):
            augmentation = recipe.augmentation_in(epoch)
            if steps is None or augmentation != model.augmentation:
                model.augmentation = augmentation
                steps = training_steps(model, pixels, wanted)  # compiled with this augmentation
            for metrics in steps(_order(plan, epoch), recipe.batch_size):
                recorder.note_steps(metrics)
            last = _evaluated(plan, recorder, epoch)
            best = last if fitted is None or recorder.best_epoch == epoch else fitted.best
            fitted = Fitted(recorder, last, best, earlier)
            _save(plan, fitted, earlier + time.monotonic() - started)
    if fitted is None:
        raise ValueError(f"expected at least one epoch, received {recipe.epochs}")
    return fitted


def _batch_sizes(plan: FitPlan) -> list[int]:
    """Pictures in each batch of an epoch: the last batch is what is left over."""
    pictures, size = len(plan.training[0]), plan.recipe.batch_size
    return [min(size, pictures - start) for start in range(0, pictures, size)]


def _order(plan: FitPlan, epoch: int) -> npt.NDArray[np.int32]:
    """The rows of the training pictures, int32[N], in the order of an epoch counted from 1."""
    rng = np.random.default_rng((plan.seed, epoch - 1))
    return rng.permutation(len(plan.training[0])).astype(np.int32)


def _evaluated(plan: FitPlan, recorder: Recorder, epoch: int) -> Snapshot:
    """The network after an epoch; its metrics on the validation pictures are recorded."""
    last, targets = _snapshot(plan, epoch), plan.validation[1]
    recorder.note_epoch(cross_entropy(last.logits, targets), accuracy(count_wrong(last.logits, targets), len(targets)))
    if not np.isfinite(last.logits).all():
        raise RunError(
            f"training diverged in epoch {epoch} with a learning rate of {plan.recipe.learning_rate:g}: "
            "lower it with --set learning_rate=RATE"
        )
    return last


def _snapshot(plan: FitPlan, epoch: int) -> Snapshot:
    network = plan.model.network
    return Snapshot(epoch, network.get_weights(), predict_logits(network, plan.validation[0]))


def _state(plan: FitPlan) -> list[Any]:
    """All Keras variables that training changes."""
    return [*plan.model.variables, *plan.model.optimizer.variables]


def _save(plan: FitPlan, fitted: Fitted, seconds: float) -> None:
    Checkpoint(
        settings=plan.settings,
        history=fitted.recorder.history,
        batches=fitted.recorder.batches,
        seconds=seconds,
        state=[keras.ops.convert_to_numpy(variable) for variable in _state(plan)],
        best=[*fitted.best.weights, fitted.best.logits],
        best_epoch=fitted.best.epoch,
    ).save(plan.checkpoint)


def _restore(plan: FitPlan) -> Fitted:
    """Load the checkpoint into the model, and return what had been reached then."""
    checkpoint = Checkpoint.load(plan.checkpoint)
    checkpoint.check(plan.settings)
    try:
        for variable, value in zip(_state(plan), checkpoint.state, strict=True):
            variable.assign(value)
    except ValueError:
        raise RunError(
            f"{plan.checkpoint}: expected the network that this digits-edge builds, received another; "
            "start over with --force"
        ) from None
    return Fitted(
        recorder=Recorder(plan.recipe.epochs, _batch_sizes(plan), checkpoint.history, checkpoint.batches),
        last=_snapshot(plan, len(checkpoint.history)),
        best=Snapshot(checkpoint.best_epoch, checkpoint.best[:-1], checkpoint.best[-1]),
        earlier_seconds=checkpoint.seconds,
    )

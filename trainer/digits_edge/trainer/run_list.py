"""List the runs in a folder with their key figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digits_edge.common.atomic_folder import is_being_written
from digits_edge.runtime.errors import RunError

from .fitting.checkpoint import Checkpoint, checkpoint_path, interrupted_runs
from .run import Run, finished_runs


@dataclass(frozen=True)
class Summary:
    """One line of `digits-edge runs`.

    Attributes:
        run: Folder of the run.
        recipe: Name of the recipe.
        model: Name of the architecture, or of the file that training started from.
        data: Name of the dataset.
        parameters: Number of parameters; None for an unfinished run.
        epoch: Last finished epoch.
        epochs: Number of epochs in all.
        val_accuracy: Validation accuracy after the last finished epoch; None for an unreadable run.
        best_epoch: Epoch with the lowest validation loss.
        seconds: Duration so far; None for an unreadable run.
        created: When the run was finished, ISO 8601; None for an unfinished run.
        status: `finished`, `training`, `interrupted`, or why the run cannot be read.
    """

    run: Path
    recipe: str
    model: str
    data: str
    parameters: int | None
    epoch: int
    epochs: int
    val_accuracy: float | None
    best_epoch: int
    seconds: float | None
    created: str | None
    status: str


def list_runs(folder: Path) -> list[Summary]:
    """Summarise the runs in a folder: the finished ones, then the interrupted ones, the newest last."""
    return [*map(_finished, finished_runs(folder)), *map(_interrupted, interrupted_runs(folder))]


def _finished(path: Path) -> Summary:
    try:
        info = Run.open(path).info
    except RunError as error:
        return _unreadable(path, error)
    return Summary(
        run=path,
        recipe=info.recipe.name,
        model=info.init or info.recipe.model,
        data=info.dataset.name,
        parameters=info.parameters,
        epoch=info.recipe.epochs,
        epochs=info.recipe.epochs,
        val_accuracy=info.metrics.val_accuracy,
        best_epoch=info.best.epoch,
        seconds=info.wall_seconds,
        created=info.created,
        status="finished",
    )


def _interrupted(path: Path) -> Summary:
    try:
        checkpoint = Checkpoint.load(checkpoint_path(path))
        recipe = checkpoint.settings["recipe"]
        return Summary(
            run=path,
            recipe=recipe["name"],
            model=checkpoint.settings["init"] or recipe["model"],
            data=checkpoint.settings["data"],
            parameters=None,
            epoch=len(checkpoint.history),
            epochs=recipe["epochs"],
            val_accuracy=checkpoint.history[-1].val_accuracy,
            best_epoch=checkpoint.best_epoch,
            seconds=checkpoint.seconds,
            created=None,
            status="training" if is_being_written(path) else "interrupted",
        )
    except (RunError, LookupError) as error:
        return _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> Summary:
    return Summary(path, "", "", "", None, 0, 0, None, 0, None, None, str(error))

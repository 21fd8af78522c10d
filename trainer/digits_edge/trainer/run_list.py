"""List the runs in a folder with their key figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digits_edge.common.atomic_folder import is_being_written
from digits_edge.runtime.errors import RunError, UsageError

from .fitting.checkpoint import Checkpoint, checkpoint_path, interrupted_runs
from .recipes import Recipe
from .run import Run, finished_runs
from .run_info import parse


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One line of `digits-edge runs`. The defaults are those of an unfinished or an unreadable run."""

    run: Path
    recipe: str = ""
    model: str = ""  # name of the architecture, or of the file that training started from
    data: str = ""
    parameters: int | None = None
    epoch: int = 0  # the last finished one
    epochs: int = 0
    val_accuracy: float | None = None  # after the last finished epoch; None for an unreadable run
    best_epoch: int = 0  # with the lowest validation loss
    seconds: float | None = None  # so far; None for an unreadable run
    created: str | None = None  # when the run was finished, ISO 8601
    status: str  # `finished`, `training`, `interrupted`, or why the run cannot be read


def list_runs(folder: Path) -> list[Summary]:
    """Summarise the runs in a folder: the finished ones, then the interrupted ones, the newest last."""
    return [*map(_finished, finished_runs(folder)), *map(_interrupted, interrupted_runs(folder))]


def _finished(path: Path) -> Summary:
    try:
        info = Run.open(path).info
    except RunError as error:
        return Summary(run=path, status=str(error))
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
        recipe = parse(Recipe, checkpoint.settings["recipe"], "recipe")
        return Summary(
            run=path,
            recipe=recipe.name,
            model=parse(str | None, checkpoint.settings["init"], "init") or recipe.model,
            data=parse(str, checkpoint.settings["data"], "data"),
            epoch=len(checkpoint.history),
            epochs=recipe.epochs,
            val_accuracy=checkpoint.history[-1].val_accuracy,
            best_epoch=checkpoint.best_epoch,
            seconds=checkpoint.seconds,
            status="training" if is_being_written(path) else "interrupted",
        )
    except RunError as error:
        return Summary(run=path, status=str(error))
    except (LookupError, UsageError, ValueError) as error:
        return Summary(run=path, status=f"{path}: its checkpoint is damaged: {type(error).__name__}: {error}")

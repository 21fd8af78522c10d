"""The runs in a folder, with their key figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digits_edge.common.atomic_folder import is_being_written
from digits_edge.runtime.errors import RunError

from .fitting.checkpoint import Checkpoint, checkpoint_path, interrupted_runs
from .run import MARKER, Run


@dataclass(frozen=True)
class Summary:
    """One line of `digits-edge runs`.

    Attributes:
        run: the folder.
        recipe: its name.
        model: of the architecture, or the file that it was started from.
        data: what it was trained on, by name.
        parameters: how many; None of an unfinished run.
        epoch: the last one done.
        epochs: to be done.
        val_accuracy: after the last epoch.
        best_epoch: by validation loss.
        seconds: it took so far.
        created: when it was finished, ISO 8601; None of an unfinished run.
        status: `finished`, `training`, `interrupted`, or why it cannot be read.
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
    """What is in a folder of runs, the newest last; interrupted ones after the finished."""
    finished = [path.parent for path in folder.glob(f"*/{MARKER}") if not path.parent.name.startswith(".")]
    finished.sort(key=lambda path: (path / MARKER).stat().st_mtime_ns)
    return [*map(_finished, finished), *map(_interrupted, interrupted_runs(folder))]


def _finished(path: Path) -> Summary:
    try:
        info = Run.open(path).info
        return Summary(
            run=path,
            recipe=info["recipe"]["name"],
            model=info["init"] or info["recipe"]["model"],
            data=info["dataset"]["name"],
            parameters=info["parameters"],
            epoch=info["recipe"]["epochs"],
            epochs=info["recipe"]["epochs"],
            val_accuracy=info["metrics"]["val_accuracy"],
            best_epoch=info["best"]["epoch"],
            seconds=info["wall_seconds"],
            created=info["created"],
            status="finished",
        )
    except (RunError, LookupError) as error:
        return _unreadable(path, error)


def _interrupted(path: Path) -> Summary:
    try:
        checkpoint = Checkpoint.load(checkpoint_path(path))
        recipe = checkpoint.plan["recipe"]
        return Summary(
            run=path,
            recipe=recipe["name"],
            model=checkpoint.plan["init"] or recipe["model"],
            data=checkpoint.plan["data"],
            parameters=None,
            epoch=len(checkpoint.history),
            epochs=recipe["epochs"],
            val_accuracy=checkpoint.history[-1][-1],
            best_epoch=checkpoint.best_epoch,
            seconds=checkpoint.seconds,
            created=None,
            status="training" if is_being_written(path) else "interrupted",
        )
    except (RunError, LookupError) as error:
        return _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> Summary:
    return Summary(path, "", "", "", None, 0, 0, None, 0, None, None, str(error))

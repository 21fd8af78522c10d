"""Follows a fit: history of each epoch, loss of each batch, and progress on stderr."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from rich.progress import TextColumn

from digits_edge.common.progress import bar, say

from .steps import Metrics

COLUMNS: Final = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


class Recorder:
    """A bar while it is entered, and the figures of a fit.

    Args:
        epochs: of the whole run.
        sizes: pictures in each batch of an epoch.
        history: rows of an earlier part of the run.
        batches: likewise.

    Attributes:
        history: a row for each epoch: number from 1, and the four metrics of `COLUMNS`.
        batches: a row for each batch: epoch, batch, and the mean loss of that batch alone.
    """

    def __init__(
        self,
        epochs: int,
        sizes: list[int],
        history: list[tuple[float, ...]],
        batches: list[tuple[int, int, float]],
    ) -> None:
        self.history, self.batches = history, batches
        self._epochs, self._sizes, self._done = epochs, sizes, len(history)
        self._bar = bar(TextColumn("loss {task.fields[loss]:.4f}"))

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._bar.start()
        steps = len(self._sizes)
        self._task = self._bar.add_task(
            "training", total=self._epochs * steps, completed=self._done * steps, loss=float("nan")
        )
        self._new: list[Metrics] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note_steps(self, metrics: Metrics) -> None:
        """Take in loss and accuracy of the steps since the last call, float32[S, 2]."""
        self._new.append(metrics)
        self._bar.update(self._task, advance=len(metrics), loss=float(metrics[-1, 0]))

    def note_epoch(self, val_loss: float, val_accuracy: float) -> None:
        """Take in the end of an epoch, and say its metrics."""
        epoch, metrics = len(self.history) + 1, np.concatenate(self._new)
        self._new = []
        loss, accuracy = np.average(metrics, axis=0, weights=self._sizes)
        self.history.append((epoch, float(loss), float(accuracy), val_loss, val_accuracy))
        self.batches.extend((epoch, batch, float(step[0])) for batch, step in enumerate(metrics, 1))
        left = (time.monotonic() - self._started) / (epoch - self._done) * (self._epochs - epoch)
        line = (
            f"epoch {epoch:>2}/{self._epochs}  loss {loss:.4f}  accuracy {accuracy:.2%}  "
            f"val_loss {val_loss:.4f}  val_accuracy {val_accuracy:.2%}  {left:.0f} s left"
        )
        say(line) if self._bar.disable else self._bar.console.print(line, highlight=False)

    def metrics(self, epoch: int) -> dict[str, float]:
        """The metrics after an epoch, counted from 1."""
        return {
            name: round(value, 6)
            for name, value in zip(COLUMNS, self.history[epoch - 1], strict=True)
            if name != "epoch"
        }

    def write(self, folder: Path) -> None:
        """Write `history.csv` and `batches.csv`."""
        _write_csv(folder / "history.csv", COLUMNS, self.history)
        _write_csv(folder / "batches.csv", ("epoch", "batch", "loss"), self.batches)


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row[0], *(f"{v:.6f}" if isinstance(v, float) else v for v in row[1:])] for row in rows)

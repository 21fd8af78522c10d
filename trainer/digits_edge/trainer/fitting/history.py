"""Record a fit: metrics of each epoch, loss of each batch, and progress on stderr."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from rich.progress import MofNCompleteColumn, TextColumn

from digits_edge.common.progress import bar, say

from ..run_info import EpochMetrics
from .steps import Metrics


class Recorder:
    """A progress bar while it is entered, and a record of the fit.

    Args:
        epochs: Number of epochs of the whole run.
        sizes: Number of pictures in each batch of an epoch.
        history: Metrics of the epochs before an interruption.
        batches: Losses of the batches before an interruption.

    Attributes:
        history: Metrics of each epoch.
        batches: Epoch, batch (both from 1) and mean loss of each batch.
    """

    def __init__(
        self,
        epochs: int,
        sizes: list[int],
        history: Sequence[EpochMetrics] = (),
        batches: Sequence[tuple[int, int, float]] = (),
    ) -> None:
        self.history, self.batches = list(history), list(batches)
        self._epochs, self._sizes, self._done = epochs, sizes, len(history)
        self._bar = bar(MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4f}"))

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

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss, the last of several."""
        return min(reversed(self.history), key=lambda metrics: metrics.rounded().val_loss).epoch

    def note_steps(self, metrics: Metrics) -> None:
        """Record loss and accuracy of the steps since the last call, float32[S, 2]."""
        self._new.append(metrics)
        self._bar.update(self._task, advance=len(metrics), loss=float(metrics[-1, 0]))

    def note_epoch(self, val_loss: float, val_accuracy: float) -> None:
        """Record the end of an epoch, and print its metrics on stderr."""
        epoch, metrics = len(self.history) + 1, np.concatenate(self._new)
        self._new = []
        loss, accuracy = map(float, np.average(metrics, axis=0, weights=self._sizes))
        self.history.append(EpochMetrics(epoch, loss, accuracy, val_loss, val_accuracy))
        self.batches.extend((epoch, batch, float(step[0])) for batch, step in enumerate(metrics, 1))
        left = (time.monotonic() - self._started) / (epoch - self._done) * (self._epochs - epoch)
        line = (
            f"epoch {epoch:>2}/{self._epochs}  loss {loss:.4f}  accuracy {accuracy:.2%}  "
            f"val_loss {val_loss:.4f}  val_accuracy {val_accuracy:.2%}  {left:.0f} s left"
        )
        say(line) if self._bar.disable else self._bar.console.print(line, highlight=False)

    def write(self, folder: Path) -> None:
        """Write `history.csv` and `batches.csv` into a folder."""
        _write_csv(folder / "history.csv", [field.name for field in fields(EpochMetrics)], map(astuple, self.history))
        _write_csv(folder / "batches.csv", ["epoch", "batch", "loss"], self.batches)


def _write_csv(path: Path, header: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row[0], *(f"{v:.6f}" if isinstance(v, float) else v for v in row[1:])] for row in rows)

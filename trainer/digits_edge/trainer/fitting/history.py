"""Record a fit: metrics of each epoch, loss of each batch, and progress on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import MofNCompleteColumn, TextColumn

from digits_edge.common.progress import bar, say

from ..run_info import EpochMetrics
from .steps import Metrics


class Recorder:
    """A progress bar and a record of the fit.

    Args:
        epochs: Number of epochs of the whole run.
        sizes: Number of pictures in each batch of an epoch.
        history: Metrics of each epoch before an interruption; later ones are added.
        batches: Epoch, batch (both from 1) and mean loss of each batch, likewise.
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
        self._started = time.monotonic()
        self._new: list[Metrics] = []
        self.bar = bar(MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.4f}"))
        total, completed = epochs * len(sizes), len(history) * len(sizes)
        self._task = self.bar.add_task("training", total=total, completed=completed, loss=float("nan"))

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss, the last of several."""
        return min(reversed(self.history), key=lambda metrics: metrics.rounded().val_loss).epoch

    def note_steps(self, metrics: Metrics) -> None:
        """Record loss and accuracy of the steps since the last call, float32[S, 2]."""
        self._new.append(metrics)
        self.bar.update(self._task, advance=len(metrics), loss=float(metrics[-1, 0]))

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
        say(line) if self.bar.disable else self.bar.console.print(line, highlight=False)

    def write(self, folder: Path) -> None:
        """Write `history.csv` and `batches.csv` into a folder."""
        for name, rows in (
            ("history", pd.DataFrame(self.history)),
            ("batches", pd.DataFrame(self.batches, columns=["epoch", "batch", "loss"])),
        ):
            rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.6f", na_rep="nan", lineterminator="\n")

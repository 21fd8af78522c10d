"""Follows a fit: history of each epoch, loss of each batch, and progress on stderr."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any, Final

import keras
from rich.progress import TextColumn

from .progress import bar, say

COLUMNS: Final = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")


class Recorder(keras.callbacks.Callback):  # type: ignore[misc]
    """A Keras callback.

    Attributes:
        history: a row for each epoch: number from 1, and the four metrics of `COLUMNS`.
        batches: a row for each batch: epoch, batch, and the mean loss of that batch alone.
    """

    def __init__(self, epochs: int, pictures: int, batch_size: int) -> None:
        super().__init__()
        self.history: list[tuple[float, ...]] = []
        self.batches: list[tuple[int, int, float]] = []
        self._epochs, self._pictures, self._batch_size = epochs, pictures, batch_size
        self._steps = -(-pictures // batch_size)
        self._bar = bar(TextColumn("loss {task.fields[loss]:.4f}"))

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Start the clock and the bar."""
        self._started = time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task("training", total=self._epochs * self._steps, loss=float("nan"))

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Take the bar away."""
        self._bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Start the epoch's sum of losses."""
        self._seen, self._sum = 0, 0.0
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the loss of one batch: Keras tells the epoch's mean so far, from which the batch's own follows."""
        before = self._sum
        size = min(self._batch_size, self._pictures - self._seen)
        self._seen += size
        self._sum = float(logs["loss"]) * self._seen
        loss = (self._sum - before) / size
        self.batches.append((self._epoch, batch + 1, loss))
        self._bar.update(self._task, advance=1, loss=loss)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch's metrics and say them."""
        row = (epoch + 1, *(float(logs[name]) for name in COLUMNS[1:]))
        self.history.append(row)
        elapsed = time.monotonic() - self._started
        left = elapsed / (epoch + 1) * (self._epochs - epoch - 1)
        line = (
            f"epoch {epoch + 1:>2}/{self._epochs}  loss {row[1]:.4f}  accuracy {row[2]:.2%}  "
            f"val_loss {row[3]:.4f}  val_accuracy {row[4]:.2%}  {left:.0f} s left"
        )
        say(line) if self._bar.disable else self._bar.console.print(line, highlight=False)

    def write(self, folder: Path) -> None:
        """Write `history.csv` and `batches.csv`."""
        _write_csv(folder / "history.csv", COLUMNS, self.history)
        _write_csv(folder / "batches.csv", ("epoch", "batch", "loss"), self.batches)


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row[0], *(f"{v:.6f}" if isinstance(v, float) else v for v in row[1:])] for row in rows)

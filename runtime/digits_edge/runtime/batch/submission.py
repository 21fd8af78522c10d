"""Write a Kaggle submission: `ImageId,Label` for each row of a test.csv."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..atomic_file import replacing
from ..classifier import Classifier
from ..errors import UsageError
from .csv_rows import Rows, read_rows
from .ordered_map import ordered_map


def write_submission(
    classifier: Classifier,
    source: Path,
    target: Path,
    *,
    batch_size: int,
    threads: int = 1,
    seen: Callable[[int, float | None], None] | None = None,
) -> int:
    """Classify every row of a Kaggle test.csv, in memory that does not grow with the file, and return their number.

    `target` is replaced only when the new one is complete. `seen` is called now and then with the number of rows done,
    and the share of the source that has been read. A target that cannot be written is a UsageError.
    """
    if os.path.realpath(target) == os.path.realpath(source):
        raise UsageError(f"{target}: expected another file for the submission, received the test.csv itself")
    rows = 0
    with replacing(target, text=True) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("ImageId", "Label"))
        for labels, share in ordered_map(partial(_label, classifier, batch_size), read_rows(source), threads):
            writer.writerows(enumerate(labels, rows + 1))
            rows += len(labels)
            if seen:
                seen(rows, share)
    return rows


def _label(classifier: Classifier, batch_size: int, rows: Rows) -> tuple[list[str], float | None]:
    labels: list[str] = []
    for start in range(0, len(rows.pixels), batch_size):
        best = classifier.predict_proba(rows.pixels[start : start + batch_size]).argmax(axis=1)
        labels.extend(classifier.labels[index] for index in best)
    return labels, rows.share

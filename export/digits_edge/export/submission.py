"""A Kaggle submission: `ImageId,Label` for each row of a test.csv."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Final

from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import UsageError
from digits_edge.trainer.datasets.kaggle_csv import read_unlabelled
from digits_edge.trainer.progress import progress

CHUNK: Final = 1000


def write_submission(classifier: Classifier, source: Path, target: Path) -> int:
    """Classify every row of a Kaggle test.csv.

    Args:
        classifier: of 28 x 28 pictures.
        source: `pixel0` … `pixel783`, plain or .gz.
        target: the CSV to write; replaced only when it is complete.

    Returns:
        how many rows.

    Raises:
        DatasetError: the source cannot be read.
        UsageError: the target cannot be written.
    """
    target = target.resolve()
    if target == source.resolve():
        raise UsageError(f"{target}: expected another file for the submission, received the test.csv itself")
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"{target}: expected a file in an existing folder")
    pixels = read_unlabelled(source)
    labels: list[str] = []
    with progress("classifying", -(-len(pixels) // CHUNK)) as step:
        for start in range(0, len(pixels), CHUNK):
            best = classifier.predict_proba(pixels[start : start + CHUNK]).argmax(axis=1)
            labels.extend(classifier.labels[index] for index in best)
            step()
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("ImageId", "Label"))
            writer.writerows(enumerate(labels, 1))
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from None
    return len(labels)

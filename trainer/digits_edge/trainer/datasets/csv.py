"""The CSV of Kaggle's Digit Recognizer, whole: a `label` column and 784 columns `pixel0` … `pixel783`, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.kaggle import Rows, read_blocks


def read_labelled(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read a `train.csv` (or `.csv.gz`).

    Returns:
        pixels uint8[N, 28, 28], and classes int64[N] or, where they are not all numbers, str[N].

    Raises:
        DatasetError: with the row and column of the first cell that cannot be used.
    """
    parts = list(_rows(path, labelled=True))
    classes = [kind for rows in parts for kind in rows.classes]
    numbers = all(isinstance(kind, int) for kind in classes)
    return _pixels(parts), np.array(classes, np.int64) if numbers else np.array([str(kind) for kind in classes])


def read_unlabelled(path: Path) -> npt.NDArray[np.uint8]:
    """Read a `test.csv` (or `.csv.gz`): pixels uint8[N, 28, 28]; a `label` column is passed over.

    Raises:
        DatasetError: as `read_labelled`.
    """
    return _pixels(list(_rows(path, labelled=False)))


def _rows(path: Path, *, labelled: bool) -> Iterator[Rows]:
    for block in read_blocks(path, labelled=labelled):
        rows = block.rows()
        if rows.error:
            raise rows.error
        yield rows


def _pixels(parts: list[Rows]) -> npt.NDArray[np.uint8]:
    return np.concatenate([rows.pixels for rows in parts])

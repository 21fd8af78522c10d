"""Read the CSV of Kaggle's Digit Recognizer with its labels: `label` and `pixel0` to `pixel783`, in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.batch.csv_rows import INDEX, LABEL, SIDE, Header, open_csv, read_cells, read_class, read_header
from digits_edge.runtime.errors import DatasetError

CHUNK: Final = 4096  # rows, which pandas holds in 25 MiB; with fewer its work for each column takes longer

Labelled = tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]


def read_labelled(path: Path) -> Labelled:
    """Read a `train.csv` or `train.csv.gz`; pandas' index column is left out.

    Returns:
        Pixels uint8[N, 28, 28], and classes int64[N] or, if they are not all whole numbers, str[N].

    Raises:
        DatasetError: The file cannot be read, its header is not that of a Digit Recognizer CSV, it has no rows, or a
            row is wrong; the message names the row, its line, and the column.
    """
    with open_csv(path, str(path)) as (text, _):
        header = read_header(text, str(path), labelled=True)
        try:
            pixels, classes = _read_with_pandas(text, header)
        except ValueError:  # a second look tells what is wrong, or only unusual
            pixels, classes = _read_cell_by_cell(path)
    if not len(pixels):
        raise DatasetError(f"{path}: expected rows of pictures, found only the header")
    if INDEX in header.columns:
        say(f"{path}: the first column has no name and counts the rows from 0: it is left out")
    return pixels, classes


def _read_with_pandas(text: TextIO, header: Header) -> Labelled:
    """Read all rows.

    Raises:
        ValueError: A row is not one of whole numbers from 0 to 255 and a class.
    """
    import pandas as pd

    pixels, labels = [np.empty((0, SIDE, SIDE), np.uint8)], []
    with pd.read_csv(
        text,
        sep=header.separator,
        header=None,
        names=header.columns,
        dtype={LABEL: str},
        na_filter=False,
        low_memory=False,
        chunksize=CHUNK,
    ) as chunks:
        for rows in chunks:
            if not isinstance(rows.index, pd.RangeIndex):
                raise ValueError("rows with more cells than the header has: pandas makes an index of the first")
            if INDEX in header.columns and not np.array_equal(rows[INDEX], rows.index):
                raise DatasetError(f"{header.where}: expected the first column, without a name, to count rows from 0")
            pixels.append(_pixels(rows.iloc[:, header.pixels].to_numpy()))
            labels.append(rows[LABEL])
    codes, cells = pd.factorize(pd.concat(labels))
    return np.concatenate(pixels), _classes([read_class(cell) for cell in cells])[codes]


def _read_cell_by_cell(path: Path) -> Labelled:
    with open_csv(path, str(path)) as (text, _):
        rows = list(read_cells(text, read_header(text, str(path), labelled=True), first=2))
    pixels = np.frombuffer(b"".join(row for row, _ in rows), np.uint8)
    return pixels.reshape(-1, SIDE, SIDE), _classes([kind for _, kind in rows])


def _pixels(cells: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Turn the cells of rows into pixels uint8[N, 28, 28].

    Raises:
        ValueError: A cell is not a whole number from 0 to 255.
    """
    if cells.dtype.kind not in "iuf":
        raise ValueError("text or truth values among the pixels")
    with np.errstate(invalid="ignore"):
        pixels = cells.astype(np.uint8)
    if not np.array_equal(pixels, cells):
        raise ValueError("fractions, or numbers below 0 or above 255, among the pixels")
    return pixels.reshape(-1, SIDE, SIDE)


def _classes(kinds: list[int | str | None]) -> npt.NDArray[Any]:
    """Make an array of classes: int64[N], or str[N] if any is a name.

    Raises:
        ValueError: One is missing.
    """
    if None in kinds:
        raise ValueError("a label that is no class")
    return np.array(kinds, np.int64 if all(isinstance(kind, int) for kind in kinds) else str)

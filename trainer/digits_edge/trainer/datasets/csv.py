"""Read the CSV of Kaggle's Digit Recognizer with its labels: `label` and `pixel0` to `pixel783`, in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say
from digits_edge.runtime.batch.csv_rows import INDEX, LABEL, SIDE, Header, open_csv, read_cells, read_class, read_header
from digits_edge.runtime.errors import DatasetError, first_line

CHUNK: Final = 4096  # rows; with fewer, what pandas does for each column takes longer: benchmarks/bulk.py --train


def read_labelled(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read a `train.csv` or `train.csv.gz`; the index that pandas writes is left out.

    The result is pixels uint8[N, 28, 28], and classes int64[N] or, if they are not all whole numbers, str[N]. The
    DatasetError of a wrong row names the row, its line, and the column.
    """
    with open_csv(path, str(path)) as (text, _):
        header = read_header(text, str(path), labelled=True)
        try:
            pixels, labels = _read_with_pandas(text, header)
        except ValueError as error:
            raise _find_error(path, error) from None
    if not len(pixels):
        raise DatasetError(f"{path}: expected rows of pictures, found only the header")
    if INDEX in header.columns:
        say(f"{path}: the first column has no name and counts the rows from 0: it is left out")
    return pixels, labels


def _read_with_pandas(text: TextIO, header: Header) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read the rows after the header, or raise ValueError unless each has whole numbers from 0 to 255 and a class."""
    import pandas as pd

    pixels, labels = [], []
    options = {"sep": header.separator, "header": None, "names": header.columns, "dtype": {LABEL: str}}
    with pd.read_csv(text, **options, na_filter=False, low_memory=False, chunksize=CHUNK) as chunks:
        for rows in chunks:
            if not isinstance(rows.index, pd.RangeIndex):  # made of the first cells where rows have too many
                raise ValueError(f"expected {len(header.columns)} cells in each row, found more")
            if INDEX in header.columns and not np.array_equal(rows[INDEX], rows.index):
                raise DatasetError(f"{header.where}: expected the first column, without a name, to count rows from 0")
            cells = rows.iloc[:, header.pixels].to_numpy()
            if len(cells) and cells.dtype.kind not in "iuf":
                raise ValueError("expected numbers, found text")
            with np.errstate(invalid="ignore"):
                found = cells.astype(np.uint8)
            if not np.array_equal(found, cells):
                raise ValueError("expected whole numbers from 0 to 255")
            pixels.append(found.reshape(-1, SIDE, SIDE))
            labels.append(rows[LABEL])
    codes, names = pd.factorize(pd.concat(labels))
    classes = [read_class(name) for name in names]
    if None in classes:
        raise ValueError("expected a class in each row")
    kind = np.int64 if all(isinstance(one, int) for one in classes) else np.str_
    return np.concatenate(pixels), np.array(classes, kind)[codes]


def _find_error(path: Path, error: ValueError) -> DatasetError:
    """Name the cell that is wrong, by reading the file once more, cell by cell; else say what pandas said."""
    try:
        with open_csv(path, str(path)) as (text, _):
            for _ in read_cells(text, read_header(text, str(path), labelled=True), first=2):
                pass
    except DatasetError as found:
        return found
    return DatasetError(f"{path}: {first_line(error)}")

"""Read a CSV of labelled pictures, one a row, and any table with such columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TextIO

import numpy as np

from digits_edge.common.progress import say
from digits_edge.runtime.batch.csv_header import Header, read_header
from digits_edge.runtime.batch.csv_rows import open_csv, read_cells, read_class
from digits_edge.runtime.errors import DatasetError, first_line

from .pixels import Labelled, to_bytes

CHUNK: Final = 4096  # rows; with fewer, what pandas does for each column takes longer: benchmarks/bulk.py --train


def read_labelled(path: Path, label_column: str | None = None, shape: tuple[int, ...] | None = None) -> Labelled:
    """Read a CSV, plain or packed, with or without a header; what is guessed about its columns is said.

    The pixels are uint8[N, H, W] or uint8[N, H, W, 3], the classes int64[N] or, if they are not all whole numbers,
    str[N]. The DatasetError of a wrong row names the row, its line, and the column.
    """
    with open_csv(path, str(path)) as (text, _):
        header = read_header(text, str(path), labelled=True, label_column=label_column, shape=shape)
    with open_csv(path, str(path)) as (text, _):
        for _line in range(header.named):
            text.readline()
        try:
            found = _read_with_pandas(text, header)
        except ValueError as error:
            raise _find_error(path, header, error) from None
    if not len(found.pixels):
        raise DatasetError(f"{path}: expected rows of pictures, found only the header")
    for guess in header.guesses:
        say(guess)
    return found


def _read_with_pandas(text: TextIO, header: Header) -> Labelled:
    """Read the rows after the header, or raise ValueError unless each has pixels and a class."""
    import pandas as pd

    pixels, labels = [], []
    names = range(len(header.columns))
    with pd.read_csv(
        text,
        sep=header.separator,
        header=None,
        names=names,
        dtype={header.label: str},
        na_filter=False,
        low_memory=False,
        chunksize=CHUNK,
    ) as chunks:
        for rows in chunks:
            if not isinstance(rows.index, pd.RangeIndex):  # made of the first cells where rows have too many
                raise ValueError(f"expected {len(header.columns)} cells in each row, found more")
            cells = rows.iloc[:, header.pixels].to_numpy()
            if len(cells) and cells.dtype.kind not in "iuf":
                raise ValueError("expected numbers, found text")
            with np.errstate(invalid="ignore"):
                found = cells.astype(np.uint8)
            pixels.append(found if np.array_equal(found, cells) else cells.astype(np.float32))
            labels.append(rows[header.label])
    codes, cells = pd.factorize(pd.concat(labels))
    classes = [read_class(cell) for cell in cells]
    if None in classes:
        raise ValueError("expected a class in each row")
    kind = np.int64 if all(isinstance(one, int) for one in classes) else np.str_
    return Labelled(
        to_bytes(np.concatenate(pixels), header.where, whole=True).reshape(-1, *header.shape),
        np.array(classes, kind)[codes],
    )


def _find_error(path: Path, header: Header, error: ValueError) -> DatasetError:
    """Name the cell that is wrong, by reading the file once more, cell by cell; else say what pandas said."""
    try:
        with open_csv(path, str(path)) as (text, _):
            for _line in range(header.named):
                text.readline()
            for _row in read_cells(text, header, header.first):
                pass
    except DatasetError as found:
        return found
    return DatasetError(f"{path}: {first_line(error)}")

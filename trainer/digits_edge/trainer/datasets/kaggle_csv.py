"""The CSV of Kaggle's Digit Recognizer: a `label` column and 784 columns `pixel0` … `pixel783`, in any order."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from digits_edge.runtime.errors import DatasetError, first_line

SIDE: Final = 28
PIXELS: Final = tuple(f"pixel{i}" for i in range(SIDE * SIDE))
LABEL: Final = "label"


def read_labelled(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read a `train.csv` (or `.csv.gz`).

    Returns:
        pixels uint8[N, 28, 28], and classes int64[N] or, where they are not all numbers, str[N].

    Raises:
        DatasetError: with the row and column of the first cell that cannot be used.
    """
    frame = _read(path, labelled=True)
    names = [str(name).strip() for name in frame[LABEL]]
    kinds = {name: _class(name) for name in set(names)}
    if any(kind is None for kind in kinds.values()):
        raise _diagnose(path, _header(path), True, ValueError("a label that is no class"))
    if all(isinstance(kind, int) for kind in kinds.values()):
        return _pixels(frame), np.array([kinds[name] for name in names], np.int64)
    return _pixels(frame), np.array(names)


def read_unlabelled(path: Path) -> npt.NDArray[np.uint8]:
    """Read a `test.csv` (or `.csv.gz`): pixels uint8[N, 28, 28]; a `label` column is passed over.

    Raises:
        DatasetError: as `read_labelled`.
    """
    return _pixels(_read(path, labelled=False))


def _pixels(frame: pd.DataFrame) -> npt.NDArray[np.uint8]:
    flat = frame[list(PIXELS)].to_numpy()
    return np.ascontiguousarray(flat).reshape(-1, SIDE, SIDE)


def _read(path: Path, *, labelled: bool) -> pd.DataFrame:
    header = _header(path)
    _check_header(path, header, labelled=labelled)
    types = {**dict.fromkeys(PIXELS, np.uint8), LABEL: str}
    try:
        with _opened(path) as stream:
            # pandas refuses what does not fit a uint8 (256, -1, 1.5, text, an empty cell) instead of wrapping it
            frame = pd.read_csv(
                stream, names=header, header=0, dtype=cast(Any, types), engine="c", keep_default_na=False
            )
    except (ValueError, OverflowError) as error:  # pandas' ParserError is a ValueError
        raise _diagnose(path, header, labelled, error) from None
    if not isinstance(frame.index, pd.RangeIndex):  # every row has a cell too many: pandas takes the first for names
        raise _diagnose(path, header, labelled, ValueError("rows longer than the header"))
    if frame.empty:
        raise DatasetError(f"{path}: expected rows of pictures, found only the header")
    return frame


def _class(name: str) -> int | str | None:
    """A whole number from 0, a name, or None for what is neither: an empty cell, -1, 2.5."""
    try:
        number = float(name)
    except ValueError:
        return name or None
    return int(number) if number.is_integer() and 0 <= number < 2**53 else None


def _is_pixel(cell: str) -> bool:
    try:
        return float(cell).is_integer() and 0 <= float(cell) <= 255
    except ValueError:
        return False


def _header(path: Path) -> list[str]:
    with _opened(path) as stream:
        line = stream.readline(1_000_000)
    if not line.strip():
        raise DatasetError(f"{path}: expected a CSV with a header, received an empty file")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DatasetError(f"{path}: expected a CSV, received binary data")
    try:
        return [name.strip() for name in next(csv.reader([text]))]
    except csv.Error as error:
        raise DatasetError(f"{path}: expected a CSV with a header line: {error}") from None


def _check_header(path: Path, header: list[str], *, labelled: bool) -> None:
    pixels = [name for name in header if name.startswith("pixel")]
    if labelled and LABEL not in header:
        raise DatasetError(f"{path}: expected a column {LABEL!r}, found none among {len(header)} columns")
    if len(pixels) != len(PIXELS):
        raise DatasetError(f"{path}: expected {len(PIXELS)} columns pixel0 to pixel783, found {len(pixels)}")
    if missing := next((name for name in PIXELS if name not in pixels), None):
        raise DatasetError(f"{path}: expected columns pixel0 to pixel783, found no {missing!r}")
    if (strange := next((name for name in header if name != LABEL and name not in PIXELS), None)) is not None:
        raise DatasetError(f"{path}: expected only {LABEL!r} and pixel columns, found {strange!r}")
    if header.count(LABEL) > 1:
        raise DatasetError(f"{path}: expected one column {LABEL!r}, found {header.count(LABEL)}")


def _diagnose(path: Path, header: list[str], labelled: bool, error: Exception) -> DatasetError:
    """Find the first cell that the fast reader could not take: slow, and only ever run on a bad file."""
    row = -1
    try:
        with _opened(path) as stream:
            reader = csv.reader(line.decode("utf-8", errors="replace") for line in stream)
            next(reader)
            for cells in reader:
                row = reader.line_num - 2
                if cells and len(cells) != len(header):
                    return DatasetError(
                        f"{path}: row {row + 1} (line {row + 2}): expected {len(header)} cells, found {len(cells)}"
                    )
                for name, cell in zip(header, cells, strict=False):
                    if name == LABEL:
                        if labelled and _class(cell.strip()) is None:
                            return _cell_error(path, row, name, cell, "a class: a whole number from 0, or a name")
                    elif not _is_pixel(cell):
                        return _cell_error(path, row, name, cell, "a whole number from 0 to 255")
    except csv.Error as csv_error:  # an opening quote without a closing one, for example
        return DatasetError(f"{path}: from line {row + 3} on: expected rows of a CSV: {csv_error}")
    return DatasetError(f"{path}: not readable as a CSV of pixels: {first_line(error)}")


def _cell_error(path: Path, row: int, column: str, value: object, expected: str) -> DatasetError:
    found = "an empty cell" if str(value).strip() == "" else f"{str(value)[:40]!r}"
    return DatasetError(
        f"{path}: row {row + 1} (line {row + 2}), column {column!r}: expected {expected}, found {found}"
    )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where its name ends in .gz."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except gzip.BadGzipFile:
        raise DatasetError(f"{path}: expected gzip data, as its name says, received something else") from None
    except (EOFError, zlib.error):
        raise DatasetError(f"{path}: the gzip data ends too early or is damaged") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None

"""Read a CSV of Kaggle's Digit Recognizer as a stream, with numpy alone.

The columns are `pixel0` to `pixel783` and perhaps `label`, in any order.
"""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from io import BufferedReader, StringIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO, cast

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError

SIDE: Final = 28
PIXELS: Final = tuple(f"pixel{i}" for i in range(SIDE * SIDE))
LABEL: Final = "label"
INDEX: Final = ""  # pandas writes its index into a first column without a name
BLOCK: Final = 2**19  # characters, about 290 rows
LONGEST: Final = 2**24  # characters in a line, or between two quotes
GZIP: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
Source = str | os.PathLike[str] | BufferedReader  # a path, or an open stream


class Header(NamedTuple):
    """The first line of a CSV."""

    where: str  # the file's name in messages
    columns: tuple[str, ...]  # names in the file's order
    separator: str  # between two cells: a comma, a semicolon or a tab
    pixels: list[int]  # the columns of `pixel0` to `pixel783`, from 0
    labelled: bool  # whether the labels are read; otherwise a `label` column is ignored


class Rows(NamedTuple):
    """Rows that were read together."""

    pixels: npt.NDArray[np.uint8]  # uint8[N, 28, 28]
    share: float | None = None  # of the file that has been read, from 0 to 1; None if its size is unknown


def is_csv(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path has the name of a CSV, plain or packed with gzip."""
    return os.fspath(path).endswith((".csv", ".csv.gz"))


def begins_a_csv(beginning: bytes) -> bool:
    """Tell whether a stream that begins with these bytes is a CSV, plain or packed with gzip, and not a picture."""
    name = beginning.removeprefix(BYTE_ORDER_MARK).lstrip(b'"')
    return beginning.startswith(GZIP) or name.startswith((b"pixel", b"label"))


def read_rows(source: Source, *, name: str | None = None) -> Iterator[Rows]:
    """Read the pictures of a CSV in blocks, in memory that does not grow with the file. A `label` column is ignored.

    Raises:
        DatasetError: The file cannot be read, its header is not that of a Digit Recognizer CSV, it has no rows, or a
            row is wrong. The rows before a wrong one are read first.
    """
    name = name or (os.fspath(source) if isinstance(source, str | os.PathLike) else "the CSV")
    with open_csv(source, name) as (text, share):
        header = read_header(text, name)
        line, empty = 2, True
        for block in _blocks(text):
            pixels, error = _read_block(block, header, line)
            if len(pixels):
                yield Rows(pixels, share())
                empty = False
            if error:
                raise error
            line += block.count("\n")
        if empty:
            raise DatasetError(f"{name}: expected rows of pictures, found only the header")


@contextmanager
def open_csv(source: Source, name: str) -> Iterator[tuple[TextIO, Callable[[], float | None]]]:
    """Open a CSV, plain or packed with gzip, as text, with a function that tells the share that was read; see `Rows`.

    Bytes that are not UTF-8 become U+FFFD. An open stream stays open. What fails within the `with` block, too, is a
    DatasetError.
    """
    try:
        with ExitStack() as stack:
            file = source if isinstance(source, BufferedReader) else stack.enter_context(Path(source).open("rb"))
            packed = file.peek(2)[:2] == GZIP
            data = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
            text = TextIOWrapper(data, encoding="utf-8-sig", errors="replace")
            stack.callback(text.detach)
            total = file.seekable() and os.fstat(file.fileno()).st_size
            yield text, lambda: min(1.0, file.tell() / total) if total else None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DatasetError(f"{name}: the gzip data ends too early or is damaged") from None
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a path with a null character
        raise DatasetError(f"{name!r}: not a path: {error}") from None


def read_header(text: TextIO, where: str, *, labelled: bool = False) -> Header:
    """Read the first line of a CSV; a DatasetError if a column is missing, unknown, or there twice.

    If it is `labelled`, a column `label` is needed, and an index column may come first.
    """
    line = text.readline(LONGEST)
    if not line.strip():
        raise DatasetError(f"{where}: expected a CSV with a header, received an empty file")
    if "\0" in line or "\ufffd" in line:
        raise DatasetError(f"{where}: expected a CSV, received binary data")
    separator = max(",;\t", key=line.count)
    try:
        columns = [name.strip() for name in next(csv.reader([line], delimiter=separator))]
    except csv.Error as error:
        raise DatasetError(f"{where}: expected a CSV with a header line: {error}") from None
    pixels = sum(name.startswith("pixel") for name in columns)
    if labelled and LABEL not in columns:
        raise DatasetError(f"{where}: expected a column {LABEL!r}, found none among {len(columns)} columns")
    if pixels != len(PIXELS):
        raise DatasetError(f"{where}: expected {len(PIXELS)} columns pixel0 to pixel783, found {pixels}")
    if missing := next((name for name in PIXELS if name not in columns), None):
        raise DatasetError(f"{where}: expected columns pixel0 to pixel783, found no {missing!r}")
    named = columns[1:] if labelled and columns[0] == INDEX else columns
    if others := list(Counter(named) - Counter([*PIXELS, LABEL])):
        raise DatasetError(f"{where}: expected only pixel columns and one {LABEL!r}, found also {others[0]!r}")
    return Header(where, tuple(columns), separator, [columns.index(name) for name in PIXELS], labelled)


def read_cells(lines: Iterable[str], header: Header, first: int) -> Iterator[bytes]:
    """Read the 784 pixels of each row cell by cell: slowly, but in all notations, and with the place of a wrong cell.

    The line numbers in a DatasetError count from `first`, the number of the first of these lines in the file.
    """
    reader = csv.reader(lines, delimiter=header.separator, strict=True)
    line = first - 1
    try:
        for cells in reader:
            line = first + reader.line_num - 1
            if len(cells) > 1 or "".join(cells).strip():
                yield _read_row(cells, header, f"{header.where}: row {line - 1} (line {line})")
    except csv.Error as error:  # for example, an opening quote without a closing one
        raise DatasetError(f"{header.where}: from line {line + 1} on: expected rows of a CSV: {error}") from None


def read_class(cell: str) -> int | str | None:
    """Read a class: a whole number from 0, or a name; None for anything else, such as an empty cell, -1 or 2.5."""
    name = cell.strip()
    try:
        float(name)
    except ValueError:
        return name if name and "\ufffd" not in name else None
    return _whole_number(name)


def _blocks(text: TextIO) -> Iterator[str]:
    """Cut a text into blocks of whole lines; a line break between quotes does not end a line."""
    rest = ""
    while chunk := text.read(BLOCK):
        rest += chunk
        end = rest.rfind("\n") + 1
        if rest.count('"', 0, end) % 2:
            end = 0
        if not end and len(rest) > LONGEST:  # no CSV; reading it tells what is wrong
            end = len(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _read_block(block: str, header: Header, first: int) -> tuple[npt.NDArray[np.uint8], DatasetError | None]:
    """Read the pixels uint8[N, 28, 28] of the rows before the first that is wrong, and what is wrong with that one."""
    try:
        return _read_integers(block, header), None
    except ValueError:  # a second look tells whether a cell is wrong or only unusual
        rows, error = [], None
        try:
            for row in read_cells(StringIO(block), header, first):
                rows.append(row)
        except DatasetError as found:
            error = found
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, SIDE, SIDE), error


def _read_integers(block: str, header: Header) -> npt.NDArray[np.uint8]:
    """Read the pixels uint8[N, 28, 28] of rows in which each is a plain integer; a ValueError for other rows."""
    lines = [line for line in block.split("\n") if line.strip(" ")]
    if not lines or block.count('"') % 2 or any(mark in block for mark in ".eEnN"):
        raise ValueError("no row, an open quote, or a fraction or nan, from which NumPy 1.26 would make an integer")
    columns = header.columns
    cells = np.loadtxt(
        lines,
        np.int64,  # NumPy 1.26 wraps numbers that do not fit in fewer bits
        comments=None,
        delimiter=header.separator,
        converters={columns.index(LABEL): len} if LABEL in columns else None,  # a number in its place, not used
        ndmin=2,
        encoding=None,
        quotechar='"',
    )
    if cells.shape[1] != len(columns) or cells.min() < 0 or cells.max() > 255:
        raise ValueError("too few or too many cells in a row, or a number that is no pixel")
    return cells.astype(np.uint8).take(header.pixels, axis=1).reshape(-1, SIDE, SIDE)


def _read_row(cells: list[str], header: Header, where: str) -> bytes:
    """Read the 784 pixels of a row."""
    if len(cells) != len(header.columns):
        raise DatasetError(f"{where}: expected {len(header.columns)} cells, found {len(cells)}")
    pixels = [_pixel(cells[column]) for column in header.pixels]
    expected, wrong = "a whole number from 0 to 255", header.pixels[pixels.index(-1)] if -1 in pixels else None
    if wrong is None and header.labelled and read_class(cells[header.columns.index(LABEL)]) is None:
        expected, wrong = "a class: a whole number from 0, or a name", header.columns.index(LABEL)
    if wrong is not None:
        found = f"{cells[wrong][:40]!r}" if cells[wrong].strip() else "an empty cell"
        raise DatasetError(f"{where}, column {header.columns[wrong]!r}: expected {expected}, found {found}")
    return bytes(pixels)


@lru_cache(512)
def _pixel(cell: str) -> int:
    """Read a whole number from 0 to 255; -1 for anything else."""
    number = _whole_number(cell)
    return -1 if number is None or number > 255 else number


def _whole_number(cell: str) -> int | None:
    """Read a whole number from 0, also in the forms 12.0, +12 and 1e2; None for anything else."""
    text = cell.strip()
    try:
        number = float(text)
    except ValueError:
        return None
    if "_" in text or not text.isascii():  # numbers in Python, but not in a CSV
        return None
    return int(number) if number.is_integer() and 0 <= number < 2**53 else None

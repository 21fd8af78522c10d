"""Read the pictures of a CSV as a stream, with numpy alone; `csv_header` tells what its columns are."""

from __future__ import annotations

import csv
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from io import BufferedReader, StringIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO, cast

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError
from .csv_header import LONGEST, Header, read_header

BLOCK: Final = 2**19  # characters, about 290 rows
GZIP: Final = b"\x1f\x8b"
CSV_NAME: Final = re.compile(r".*\.(csv|tsv)(\.(gz|bz2|xz|zip))?", re.IGNORECASE | re.DOTALL)
CSV_BEGINNING: Final = re.compile(rb"(pixel|label|\d{1,3}[\",;\t.])", re.IGNORECASE)
DAMAGED: Final = "the packed data ends too early or is damaged"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
Source = str | os.PathLike[str] | BufferedReader  # a path, or an open stream


class Rows(NamedTuple):
    """Rows that were read together."""

    pixels: npt.NDArray[np.uint8]  # uint8[N, H, W] or uint8[N, H, W, 3]
    share: float | None = None  # of the file that has been read, from 0 to 1; None if its size is unknown


def is_csv(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path has the name of a CSV, plain or packed."""
    return CSV_NAME.fullmatch(os.fspath(path)) is not None


def begins_a_csv(beginning: bytes) -> bool:
    """Tell whether a stream that begins with these bytes is a CSV, plain or packed with gzip, and not a picture."""
    name = beginning.removeprefix(BYTE_ORDER_MARK).lstrip(b'"')
    return beginning.startswith(GZIP) or CSV_BEGINNING.match(name) is not None


def read_rows(source: Source, *, name: str | None = None) -> Iterator[Rows]:
    """Read the pictures of a CSV in blocks, in memory that does not grow with the file. A `label` column is ignored.

    Raises:
        DatasetError: The file cannot be read, its columns are not those of pictures, it has no rows, or a row is wrong.
            The rows before a wrong one are read first.
    """
    name = name or (os.fspath(source) if isinstance(source, str | os.PathLike) else "the CSV")
    with open_csv(source, name) as (text, share):
        header = read_header(text, name)
        line, empty = header.first, True
        for block in _blocks(text, header.ahead):
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
    """Open a CSV, plain or packed, as text, with a function that tells the share that was read; see `Rows`.

    Bytes that are not UTF-8 become U+FFFD. An open stream stays open. What fails within the `with` block, too, is a
    DatasetError.
    """
    try:
        with ExitStack() as stack:
            file = source if isinstance(source, BufferedReader) else stack.enter_context(Path(source).open("rb"))
            text = TextIOWrapper(_unpacked(file, stack, name), encoding="utf-8-sig", errors="replace")
            stack.callback(text.detach)
            total = file.seekable() and os.fstat(file.fileno()).st_size
            yield text, lambda: min(1.0, file.tell() / total) if total else None
    except OSError as error:
        if error.strerror:
            raise DatasetError(f"{name}: cannot be read: {error.strerror}") from None
        if type(error) in (OSError, gzip.BadGzipFile):  # of bz2 and gzip; not what a signal handler raised
            raise DatasetError(f"{name}: {DAMAGED}") from None
        raise
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise DatasetError(f"{name!r}: not a path: {error}") from None
    except Exception as error:
        if isinstance(error, EOFError | zlib.error) or type(error).__module__ in ("zipfile", "_lzma"):
            raise DatasetError(f"{name}: {DAMAGED}") from None
        raise


def _unpacked(file: BufferedReader, stack: ExitStack, name: str) -> BinaryIO:
    """The content of a file that may be packed; its first bytes tell how."""
    beginning = file.peek(6)[:6]
    if beginning.startswith(GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if beginning.startswith(b"BZh"):
        import bz2  # here and below: rarely needed

        return cast(BinaryIO, bz2.BZ2File(file))
    if beginning.startswith(b"\xfd7zXZ"):
        import lzma

        return cast(BinaryIO, lzma.LZMAFile(file))
    if beginning.startswith(b"PK\x03\x04"):
        import zipfile

        archive = stack.enter_context(zipfile.ZipFile(file))
        names = [entry for entry in archive.namelist() if CSV_NAME.fullmatch(entry) and "__MACOSX" not in entry]
        if len(names) != 1:
            raise DatasetError(f"{name}: expected one CSV in the archive, found {', '.join(names) or 'none'}")
        try:
            return cast(BinaryIO, stack.enter_context(archive.open(names[0])))
        except (RuntimeError, NotImplementedError) as error:  # a password, or an unusual method
            raise DatasetError(f"{name}: cannot be unpacked: {error}") from None
    return file


def read_cells(lines: Iterable[str], header: Header, first: int) -> Iterator[bytes]:
    """Read the pixels of each row cell by cell: slowly, but in all notations, and with the place of a wrong cell.

    The line numbers in a DatasetError count from `first`, the number of the first of these lines in the file.
    """
    reader = csv.reader(lines, delimiter=header.separator, strict=True)
    line = first - 1
    try:
        for cells in reader:
            line = first + reader.line_num - 1
            if len(cells) > 1 or "".join(cells).strip():
                yield _read_row(cells, header, f"{header.where}: row {line - header.first + 1} (line {line})")
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


def _blocks(text: TextIO, rest: str) -> Iterator[str]:
    """Cut a text that goes on after `rest` into blocks of whole lines; a line break in quotes does not end a line."""
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
    """Read the pixels uint8[N, ...] of the rows before the first that is wrong, and what is wrong with that one."""
    try:
        return _read_integers(block, header), None
    except ValueError:  # a second look tells whether a cell is wrong or only unusual
        rows, error = [], None
        try:
            for row in read_cells(StringIO(block), header, first):
                rows.append(row)
        except DatasetError as found:
            error = found
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, *header.shape), error


def _read_integers(block: str, header: Header) -> npt.NDArray[np.uint8]:
    """Read the pixels uint8[N, ...] of rows in which each is a plain integer; a ValueError for other rows."""
    lines = [line for line in block.split("\n") if line.strip(" ")]
    if not lines or block.count('"') % 2 or any(mark in block for mark in ".eEnN"):
        raise ValueError("no row, an open quote, or a fraction or nan, from which NumPy 1.26 would make an integer")
    columns = header.columns
    cells = np.loadtxt(
        lines,
        np.int64,  # NumPy 1.26 wraps numbers that do not fit in fewer bits
        comments=None,
        delimiter=header.separator,
        converters=dict.fromkeys(set(range(len(columns))) - set(header.pixels), len),  # a number, not used
        ndmin=2,
        encoding=None,
        quotechar='"',
    )
    if cells.shape[1] != len(columns):
        raise ValueError("too few or too many cells in a row")
    if cells.min() < 0 or cells.max() > 255:
        raise ValueError("a number that is no pixel")
    return cells.astype(np.uint8).take(header.pixels, axis=1).reshape(-1, *header.shape)


def _read_row(cells: list[str], header: Header, where: str) -> bytes:
    """Read the pixels of a row."""
    if len(cells) != len(header.columns):
        raise DatasetError(f"{where}: expected {len(header.columns)} cells, found {len(cells)}")
    pixels = [_pixel(cells[column]) for column in header.pixels]
    expected, wrong = "a whole number from 0 to 255", header.pixels[pixels.index(-1)] if -1 in pixels else None
    if wrong is None and header.labelled and header.label is not None and read_class(cells[header.label]) is None:
        expected, wrong = "a class: a whole number from 0, or a name", header.label
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

"""From lines of a Kaggle CSV to pixels.

Plain lines, digits between commas, are read by numpy, all cells at once. Whatever is unusual in them (quotes, spaces,
`1e2`, an empty line) or wrong is read again cell by cell, and what is wrong is named.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError
from .layout import LABEL, SIDE, Layout

_NUMBERS: Final = {str(number): number for number in range(256)}
_NO_FRACTION: Final = re.compile(rb"(?<=\d)\.0*(?=[,\n])")


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a CSV.

    Attributes:
        pixels: uint8[N, 28, 28].
        classes: of each row, a whole number from 0 or a name; empty where they were not asked for.
        error: what is wrong with the row after these; None where all could be read.
    """

    pixels: npt.NDArray[np.uint8]
    classes: tuple[int | str, ...] = ()
    error: DatasetError | None = None


def read_rows(lines: bytes, layout: Layout, first: int) -> Rows:
    """Read whole lines.

    Args:
        lines: each with its line end, the last perhaps without.
        layout: what the header says.
        first: the number of the first of these lines in the file, from 1; for messages.
    """
    plain = lines if lines.endswith(b"\n") else lines + b"\n"
    if b"\r" in plain:
        plain = plain.replace(b"\r\n", b"\n")
    if b"." in plain:
        plain = _NO_FRACTION.sub(b"", plain)
    cells = _all_at_once(np.frombuffer(plain, np.uint8), len(layout.columns))
    if cells is None:
        return _one_by_one(lines, layout, first)
    return Rows(_pixels(cells, layout), () if layout.label is None else tuple(cells[:, layout.label].tolist()))


def _pixels(cells: npt.NDArray[np.uint8], layout: Layout) -> npt.NDArray[np.uint8]:
    first = int(layout.pixels[0])
    in_order = np.array_equal(layout.pixels, np.arange(first, first + SIDE * SIDE))
    pixels = cells[:, first : first + SIDE * SIDE] if in_order else cells[:, layout.pixels]
    return np.ascontiguousarray(pixels).reshape(-1, SIDE, SIDE)


def _all_at_once(text: npt.NDArray[np.uint8], columns: int) -> npt.NDArray[np.uint8] | None:
    """uint8[N, columns], or None where any cell is other than one to three digits of at most 255.

    Each byte's value, tens and hundreds come from its neighbours to the left; those of a cell's last digit count.
    """
    digits = np.empty(len(text) + 3, np.uint8)  # three bytes more in front, so that every separator has three before it
    digits[:3] = 255
    np.subtract(text, ord("0"), out=digits[3:])
    is_digit = digits < 10
    is_end = ~is_digit[3:]
    ends, lines = np.flatnonzero(is_end), np.flatnonzero(text == ord("\n"))
    if len(ends) != len(lines) * columns or not np.array_equal(ends[columns - 1 :: columns], lines):
        return None
    if np.count_nonzero(text == ord(",")) + len(lines) != len(ends):
        return None
    if is_end[:1].any() or (is_end[1:] & is_end[:-1]).any():  # an empty cell
        return None
    pairs = is_digit[1:] & is_digit[:-1]
    if (pairs[2:] & pairs[:-2]).any():  # four digits
        return None
    digits *= is_digit
    hundreds = digits[:-3] * pairs[1:-1]
    below = digits[1:-2] * is_digit[2:-1] * np.uint8(10) + digits[2:-1]
    values = hundreds * np.uint8(100) + below  # of text[i]'s three neighbours to the left, modulo 256
    if hundreds.max(initial=0) > 2 or (values < below).any():  # 300 and more, or 256 to 299, which wrap around
        return None
    return values.take(ends).reshape(-1, columns)


def _one_by_one(lines: bytes, layout: Layout, first: int) -> Rows:
    rows: list[bytes] = []
    classes: list[int | str] = []
    error, line = None, first - 1
    try:
        reader = csv.reader(io.StringIO(lines.decode("utf-8"), newline=""))
        for cells in reader:
            line = first + reader.line_num - 1
            if len(cells) < 2 and not "".join(cells).strip():
                continue
            row, kind = _read_row(cells, layout, line)
            rows.append(row)
            classes.append(kind)
    except DatasetError as wrong:
        error = wrong
    except csv.Error as wrong:  # an opening quote without a closing one, for example
        error = DatasetError(f"{layout.where}: from line {line + 1} on: expected rows of a CSV: {wrong}")
    except UnicodeDecodeError:
        error = DatasetError(f"{layout.where}: from line {first} on: expected text in UTF-8, received something else")
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, len(layout.columns))
    return Rows(_pixels(table, layout), () if layout.label is None else tuple(classes), error)


def _read_row(cells: list[str], layout: Layout, line: int) -> tuple[bytes, int | str]:
    """A row's bytes, 0 for its label, and its class, which is 0 where it was not asked for."""
    where = f"{layout.where}: row {line - 1} (line {line})"
    if len(cells) != len(layout.columns):
        raise DatasetError(f"{where}: expected {len(layout.columns)} cells, found {len(cells)}")
    row, kind = bytearray(len(cells)), None
    for column, (name, cell) in enumerate(zip(layout.columns, cells, strict=True)):
        if name != LABEL:
            number = _NUMBERS[cell] if cell in _NUMBERS else _number(cell)
            if number is None or number > 255:
                raise _bad_cell(where, name, cell, "a whole number from 0 to 255")
            row[column] = number
        elif column == layout.label:
            kind = _class(cell)
            if kind is None:
                raise _bad_cell(where, name, cell, "a class: a whole number from 0, or a name")
    return bytes(row), 0 if kind is None else kind


def _number(cell: str) -> int | None:
    """A whole number from 0, also written 12.0, +12 or 1e2, or None."""
    text = cell.strip()
    try:
        number = float(text)
    except ValueError:
        return None
    if "_" in text or not text.isascii():  # Python's own notation, which no CSV means
        return None
    return int(number) if number.is_integer() and 0 <= number < 2**53 else None


def _class(cell: str) -> int | str | None:
    """A whole number from 0, a name, or None for what is neither: an empty cell, -1, 2.5."""
    name = cell.strip()
    try:
        float(name)
    except ValueError:
        return name or None
    return _number(name)


def _bad_cell(where: str, column: str, cell: str, expected: str) -> DatasetError:
    found = "an empty cell" if not cell.strip() else f"{cell[:40]!r}"
    return DatasetError(f"{where}, column {column!r}: expected {expected}, found {found}")

"""What the header of a Kaggle CSV says: `pixel0` … `pixel783` and perhaps a `label`, in any order."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import DatasetError

SIDE: Final = 28
PIXELS: Final = tuple(f"pixel{i}" for i in range(SIDE * SIDE))
LABEL: Final = "label"


@dataclass(frozen=True, eq=False)
class Layout:
    """Which column is what.

    Attributes:
        where: what messages call the file.
        columns: the names, in the file's order.
        pixels: intp[784], the columns of `pixel0` to `pixel783`.
        label: the column of the classes; None where there is none or it is passed over.
    """

    where: str
    columns: tuple[str, ...]
    pixels: npt.NDArray[np.intp]
    label: int | None


def read_layout(line: bytes, where: str, *, labelled: bool) -> Layout:
    """Understand a header.

    Args:
        line: the first of the file; a byte order mark, quotes, and spaces around names are allowed.
        where: what messages call the file.
        labelled: whether the classes are wanted; else a `label` column is passed over.

    Raises:
        DatasetError: it is no header, or a column is missing, strange, or there twice.
    """
    header = _names(line, where)
    pixels = [name for name in header if name.startswith("pixel")]
    if labelled and LABEL not in header:
        raise DatasetError(f"{where}: expected a column {LABEL!r}, found none among {len(header)} columns")
    if len(pixels) != len(PIXELS):
        raise DatasetError(f"{where}: expected {len(PIXELS)} columns pixel0 to pixel783, found {len(pixels)}")
    place = {name: column for column, name in enumerate(header)}
    if missing := next((name for name in PIXELS if name not in place), None):
        raise DatasetError(f"{where}: expected columns pixel0 to pixel783, found no {missing!r}")
    if (strange := next((name for name in header if name != LABEL and not name.startswith("pixel")), None)) is not None:
        raise DatasetError(f"{where}: expected only {LABEL!r} and pixel columns, found {strange!r}")
    if header.count(LABEL) > 1:
        raise DatasetError(f"{where}: expected one column {LABEL!r}, found {header.count(LABEL)}")
    return Layout(where, tuple(header), np.array([place[n] for n in PIXELS]), place[LABEL] if labelled else None)


def _names(line: bytes, where: str) -> list[str]:
    if not line.strip():
        raise DatasetError(f"{where}: expected a CSV with a header, received an empty file")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DatasetError(f"{where}: expected a CSV, received binary data")
    try:
        return [name.strip() for name in next(csv.reader([text]))]
    except csv.Error as error:
        raise DatasetError(f"{where}: expected a CSV with a header line: {error}") from None

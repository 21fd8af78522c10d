"""The file labels.csv of a folder of pictures: what each of them is, with the columns `file` and `label`.

A picture with an empty label is none of the classes; one that is not in the file has not been labelled yet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from digits_edge.runtime.atomic_file import replacing
from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.files import read_file

NAME: Final = "labels.csv"
COLUMNS: Final = ("file", "label")
NONE: Final = ""  # the label of what is none of the classes
MOST: Final = 2**26  # bytes


def read_labels(path: Path, *, alone: bool = False) -> dict[str, str] | None:
    """Read the label of each file, whose path is relative to the folder; None if there is no such file.

    A file without the two columns is None as well, unless they must be `alone`.

    Raises:
        DatasetError: The file cannot be read, or a row is wrong.
    """
    try:
        text = read_file(str(path), MOST).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: expected a CSV: {error}") from None
    header = rows[0] if rows else []
    if alone and tuple(header) != COLUMNS:
        raise DatasetError(f"{path}: expected the columns {','.join(COLUMNS)}, found {','.join(header)}")
    if not set(COLUMNS) <= set(header):
        return None
    file, label = map(header.index, COLUMNS)
    labels: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise DatasetError(f"{path}: row {number}: expected {len(header)} cells, found {len(row)}")
        if row[file] in labels:
            raise DatasetError(f"{path}: row {number}: expected each file once, found {row[file]!r} again")
        if Path(row[file]).is_absolute() or ".." in Path(row[file]).parts:
            raise DatasetError(f"{path}: row {number}: expected a file in the folder, found {row[file]!r}")
        labels[row[file]] = row[label].strip()
    return labels


def write_labels(path: Path, labels: Mapping[str, str]) -> None:
    """Replace the file, sorted by name. A UsageError tells that it cannot be written."""
    with replacing(path, text=True) as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *sorted(labels.items())])

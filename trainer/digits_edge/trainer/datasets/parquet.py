"""Read parquet files of labelled pictures, as Hugging Face stores them, with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.batch.csv_header import LABELS, read_header
from digits_edge.runtime.errors import DatasetError, MissingExtra, first_line

from .arrays import PARTS, words
from .claims import ALWAYS, check_unpacked, open_file, size_of
from .picture_folder import Picture
from .pixels import Labelled, labelled, to_classes

MOST_ROWS: Final = 1024  # in a batch


class Table(NamedTuple):
    """What is in some files: encoded pictures that are still to be decoded, or pixels, with their classes."""

    content: list[Picture] | Labelled
    names: tuple[str, ...] | None  # of the classes, in the order that Hugging Face's metadata give, if they do


def find(files: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each part, by the words in their names, such as `train-00000-of-00001.parquet`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(files):
        parts = [PARTS[word] for word in words(path.name) if word in PARTS]
        found.setdefault(parts[0] if parts else "train", []).append(path)
    return found


def read(files: Sequence[Path], label_column: str | None, shape: tuple[int, ...] | None) -> Table:
    """Read the rows of some files.

    Raises:
        DatasetError: A file cannot be read, or has no column of pictures or of classes.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "reading parquet files") from None
    where = str(files[0])
    try:
        table = pa.concat_tables(map(_read_file, files))
    except DatasetError:
        raise
    except Exception as error:  # whatever pyarrow makes of damaged files
        raise DatasetError(f"{where}: not readable as parquet: {first_line(error)}") from None
    if not len(table):
        raise DatasetError(f"{where}: expected rows of pictures, found none")
    first = {name: table[name][0].as_py() for name in table.column_names}
    picture = next((name for name, value in first.items() if isinstance(value, bytes | list | dict)), None)
    if picture is None:  # a column for each pixel
        text = StringIO(",".join(table.column_names))
        header = read_header(text, where, labelled=True, label_column=label_column, shape=shape)
        cells = table.to_pandas().to_numpy()
        pixels = cells[:, header.pixels].astype(np.float32)
        return Table(labelled(pixels, cells[:, header.label].tolist(), where, header.shape), None)
    label = _label_column(table.column_names, label_column, where)
    classes, names = to_classes(table[label].to_pylist(), where), _names(table.schema.metadata, label)
    if names and classes.dtype.kind == "i" and classes.max() < len(names):
        classes = np.array(names)[classes]
    values = table[picture].to_pylist()
    if isinstance(values[0], list):
        return Table(labelled(_stacked(values, where), classes, f"{where}: {picture}", shape), names)
    encoded: list[Any] = [value.get("bytes") if isinstance(value, dict) else value for value in values]
    if None in encoded:
        raise DatasetError(f"{where}: expected the bytes of each picture in column {picture!r}, found only a path")
    rows = enumerate(zip(encoded, classes.tolist(), strict=True), 1)
    return Table([Picture(f"{where}: row {row}", data, label) for row, (data, label) in rows], names)


def _read_file(path: Path) -> Any:
    """Read a file's rows in batches of at most a gigabyte, and count what packed ones become."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_file(path) as file:
        content, held = pq.ParquetFile(file), size_of(file)
        groups = [content.metadata.row_group(index) for index in range(content.metadata.num_row_groups)]
        sizes = [
            group.column(column).total_uncompressed_size for group in groups for column in range(group.num_columns)
        ]
        check_unpacked(max(content.metadata.num_rows, sum(sizes)), held, str(path))
        batches, size = [], 0
        for batch in content.iter_batches(max(1, min(MOST_ROWS, ALWAYS // max(sizes, default=1)))):
            batches.append(batch)
            size += batch.nbytes
            check_unpacked(size, held, str(path))
    return pa.Table.from_batches(batches, content.schema_arrow)


def _label_column(columns: list[str], label_column: str | None, where: str) -> str:
    lower = {name.lower(): name for name in columns}
    wanted = (label_column.lower(),) if label_column else LABELS
    found = next((lower[name] for name in wanted if name in lower), None)
    if found is None:
        raise DatasetError(
            f"{where}: expected a column {label_column or 'label'!r}, found {', '.join(columns)}; "
            "--label-column names another"
        )
    return found


def _stacked(values: list[Any], where: str) -> npt.NDArray[Any]:
    try:
        return np.array(values)
    except ValueError:
        raise DatasetError(f"{where}: expected pictures of one size, found lists of several lengths") from None


def _names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """The names of the classes that Hugging Face's metadata give, if they do."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
        return tuple(names) if all(isinstance(name, str) for name in names) else None
    except (KeyError, ValueError, TypeError):
        return None

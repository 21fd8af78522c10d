"""A Kaggle CSV in blocks of whole lines, so that memory is bounded and several can be read at once."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, cast

from ..errors import DatasetError
from .cells import Rows, read_rows
from .layout import Layout, read_layout

BLOCK: Final = 2**19  # bytes, about 290 rows: few enough to stay in a CPU's cache
LONGEST: Final = 2**24  # bytes without a line's end
GZIP: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class Block:
    """Whole lines of a CSV; `rows()` reads them, in any thread or process.

    Attributes:
        layout: what the header says.
        lines: their bytes.
        first: the number of the first of them, from 1.
        share: how much of the file has been read, from 0 to 1; None where its size is not known.
    """

    layout: Layout
    lines: bytes
    first: int
    share: float | None = None

    def rows(self) -> Rows:
        """Their pixels and classes, up to the first row that cannot be used."""
        return read_rows(self.lines, self.layout, self.first)


def read_blocks(
    source: str | os.PathLike[str] | BufferedReader,
    *,
    name: str | None = None,
    labelled: bool = False,
    size: int = BLOCK,
) -> Iterator[Block]:
    """Read a CSV as it comes.

    Args:
        source: the path of a CSV, plain or .gz, or an open stream of either.
        name: what messages call it; the path unless given.
        labelled: whether the classes are wanted; else a `label` column is passed over.
        size: of a block, about, in bytes.

    Raises:
        DatasetError: the file cannot be read, has no rows, or its header is not that of a Kaggle CSV.
    """
    name = name or (os.fspath(source) if isinstance(source, str | os.PathLike) else "the CSV")
    with _opened(source, name) as (stream, beneath):
        layout = read_layout(stream.readline(LONGEST), name, labelled=labelled)
        total = beneath.seekable() and os.fstat(beneath.fileno()).st_size
        some = False
        for lines, first in _cut(stream, size):
            some = some or bool(lines.strip())
            yield Block(layout, lines, first, min(1.0, beneath.tell() / total) if total else None)
        if not some:
            raise DatasetError(f"{name}: expected rows of pictures, found only the header")


def begins_a_csv(beginning: bytes) -> bool:
    """Whether bytes with this beginning are meant as a Kaggle CSV, plain or packed, and not as a picture."""
    name = beginning.removeprefix(BYTE_ORDER_MARK).lstrip(b'"')
    return beginning.startswith(GZIP) or name.startswith((b"pixel", b"label"))


def _cut(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Whole lines and the number of the first; a line's end within quotes does not count."""
    rest, first = b"", 2
    while chunk := stream.read(size):
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if rest.count(b'"', 0, end) % 2:
            end = 0
        if not end and len(rest) > LONGEST:  # no CSV, and what is wrong is told by who reads it
            end = len(rest)
        if end:
            yield rest[:end], first
            first += rest.count(b"\n", 0, end)
            rest = rest[end:]
    if rest:
        yield rest, first


@contextmanager
def _opened(source: str | os.PathLike[str] | BufferedReader, name: str) -> Iterator[tuple[BinaryIO, BufferedReader]]:
    """The CSV's bytes, and the file beneath them: the same, or packed."""
    try:
        if isinstance(source, str | os.PathLike):
            with Path(source).open("rb") as beneath:
                packed = Path(source).suffix == ".gz"
                yield (cast(BinaryIO, gzip.GzipFile(fileobj=beneath)) if packed else beneath), beneath
        else:
            packed = source.peek(2)[:2] == GZIP
            yield (cast(BinaryIO, gzip.GzipFile(fileobj=source)) if packed else source), source
    except gzip.BadGzipFile:
        raise DatasetError(f"{name}: expected gzip data, as its name says, received something else") from None
    except (EOFError, zlib.error):
        raise DatasetError(f"{name}: the gzip data ends too early or is damaged") from None
    except OSError as error:
        raise DatasetError(f"{name}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a path with a null character
        raise DatasetError(f"{name!r}: not a path: {error}") from None

"""Compare what a file claims to hold with what it can hold, before anything is unpacked or allocated."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO, Final

from digits_edge.runtime.errors import DatasetError
from digits_edge.runtime.files import open_regular

ALWAYS: Final = 2**30  # bytes that any file may unpack to
RATIO: Final = 100  # times its own size that a larger one may; digits pack to a tenth, a bomb to a thousandth
BLOCK: Final = 2**20


def open_file(path: Path) -> BinaryIO:
    """Open a regular file; a pipe, which could block for ever, or a device is a DatasetError."""
    try:
        return open_regular(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None


def size_of(file: BinaryIO) -> int:
    """The size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def check_unpacked(size: int, packed: int, where: str) -> None:
    """Raise a DatasetError if `packed` bytes claim to hold far more, as a decompression bomb does."""
    if size > max(ALWAYS, RATIO * packed):
        raise DatasetError(
            f"{where}: expected packed data of up to {RATIO} times its size, received {packed:,} bytes that hold "
            f"{size:,} or more"
        )


def check_deflated(file: BinaryIO, packed: int, where: str) -> None:
    """Unpack the next bytes of a file without keeping them, and raise a DatasetError once they are too many."""
    unpacker, unpacked, left = zlib.decompressobj(), 0, packed
    while left > 0 and (block := file.read(min(BLOCK, left))) and not unpacker.eof:
        left -= len(block)
        while block and not unpacker.eof:
            unpacked += len(unpacker.decompress(block, BLOCK))
            check_unpacked(unpacked, packed, where)
            block = unpacker.unconsumed_tail

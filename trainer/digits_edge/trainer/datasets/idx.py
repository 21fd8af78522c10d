"""Read IDX files, the format that MNIST and Fashion-MNIST are published in.

The format, by http://yann.lecun.com/exdb/mnist/: two zero bytes, a type code, the number of dimensions, each dimension
as a big-endian 32-bit number, then the data.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError

from .claims import check_unpacked, open_file, size_of

UNSIGNED_BYTE: Final = 0x08


def read_array(path: Path) -> npt.NDArray[np.uint8]:
    """Read a file, plain or `.gz`: pictures uint8[N, H, W], or classes uint8[N] if its name speaks of labels."""
    dimensions = 1 if "label" in path.name.lower() else 3
    try:
        with open_file(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
            shape = _read_shape(stream, dimensions, path)
            header, count = 4 + 4 * dimensions, prod(shape)
            held = size_of(file) - header
            if packed:
                check_unpacked(count, size_of(file), str(path))
            data = stream.read(count + 1) if packed or held == count else b""
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    received = len(data) if packed else held
    if received != count:
        more = " or more" if packed and received > count else ""
        raise DatasetError(
            f"{path}: expected {header + count:,} bytes for shape {list(shape)}, received {header + received:,}{more}"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _read_shape(stream: BinaryIO, dimensions: int, path: Path) -> tuple[int, ...]:
    header = 4 + 4 * dimensions
    data = stream.read(header)
    expected = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if data[:4] != expected:
        raise DatasetError(
            f"{path}: expected an IDX file with magic {expected.hex()}, received {data[:4].hex() or 'none'}"
        )
    if len(data) < header:
        raise DatasetError(f"{path}: expected an IDX header of {header} bytes, the file ends after {len(data)}")
    return struct.unpack(f">{dimensions}I", data[4:])

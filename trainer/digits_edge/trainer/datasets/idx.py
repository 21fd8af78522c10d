"""Read IDX files, the format that MNIST and Fashion-MNIST are published in.

The format, by http://yann.lecun.com/exdb/mnist/: two zero bytes, a type code, the number of dimensions, each dimension
as a big-endian 32-bit number, then the data.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError

UNSIGNED_BYTE: Final = 0x08


def read_array(path: Path) -> npt.NDArray[np.uint8]:
    """Read a file, plain or `.gz`: pictures uint8[N, H, W], or classes uint8[N] if its name speaks of labels."""
    dimensions = 1 if "label" in path.name.lower() else 3
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from None
    expected = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if data[:4] != expected:
        raise DatasetError(
            f"{path}: expected an IDX file with magic {expected.hex()}, received {data[:4].hex() or 'none'}"
        )
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise DatasetError(f"{path}: expected an IDX header of {header} bytes, the file ends after {len(data)}")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    size = header + int(np.prod(shape, dtype=object))
    if len(data) != size:
        raise DatasetError(f"{path}: expected {size:,} bytes for shape {list(shape)}, received {len(data):,}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)

"""Read a folder of IDX files, the format that MNIST and Fashion-MNIST are published in.

The format, by http://yann.lecun.com/exdb/mnist/: two zero bytes, a type code, the number of dimensions, each dimension
as a big-endian 32-bit number, then the data.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError

PREFIX: Final = {"train": "train", "test": "t10k"}
UNSIGNED_BYTE: Final = 0x08


def find(folder: Path, part: Literal["train", "test"]) -> tuple[Path, Path] | None:
    """Find the images and labels of a part (plain or .gz, `-idx3-ubyte` or `.idx3-ubyte`); None if there are none."""
    images = _one_of(folder, f"{PREFIX[part]}-images", "idx3-ubyte")
    labels = _one_of(folder, f"{PREFIX[part]}-labels", "idx1-ubyte")
    if images and labels:
        return images, labels
    if images or labels:
        raise DatasetError(f"{folder}: expected images and labels, found only {(images or labels or folder).name}")
    return None


def read(images: Path, labels: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read one part: pixels uint8[N, H, W] and classes int64[N]."""
    pixels, classes = _read_array(images, 3), _read_array(labels, 1)
    if len(pixels) != len(classes):
        raise DatasetError(
            f"{images.parent}: expected as many labels as images, found {len(pixels):,} images in {images.name} "
            f"and {len(classes):,} labels in {labels.name}"
        )
    return pixels, classes.astype(np.int64)


def _one_of(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}{joint}{kind}{packed}" for joint in "-." for packed in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_array(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
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

"""Read an `.npz` file with arrays `x` (pictures) and `y` (classes)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError, first_line


def read(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read pixels uint8[N, H, W] or uint8[N, H, W, 3], and classes int64[N] or str[N]; pickled objects never."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if missing := {"x", "y"} - set(arrays.files):
                raise DatasetError(f"{path}: expected arrays x and y, found no {sorted(missing)[0]} in {arrays.files}")
            x, y = arrays["x"], arrays["y"]
    except DatasetError:
        raise
    except Exception as error:  # zipfile, zlib, tokenize, memory and type errors alike
        raise DatasetError(f"{path}: not readable as an .npz of plain arrays: {first_line(error)}") from None
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        raise DatasetError(f"{path}: expected arrays x and y, found other files in the archive")
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or x.shape[3:] not in ((), (3,)):
        raise DatasetError(
            f"{path}: expected x: uint8[N, H, W] or uint8[N, H, W, 3], white ink on black, "
            f"received {x.dtype}{list(x.shape)}"
        )
    whole = y.dtype.kind in "iu"
    if y.ndim != 1 or len(y) != len(x) or not (whole or y.dtype.kind == "U"):
        raise DatasetError(
            f"{path}: expected y: a class for each of {len(x):,} pictures, received {y.dtype}{list(y.shape)}"
        )
    if whole and len(y) and not 0 <= y.min() <= y.max() < 2**53:
        raise DatasetError(f"{path}: expected classes from 0 up in y, received {y.min()} to {y.max()}")
    return x, y.astype(np.int64) if whole else y

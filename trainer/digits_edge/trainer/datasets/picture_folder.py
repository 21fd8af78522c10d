"""Read a folder with one sub-folder of pictures per class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import DatasetError, PictureError
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture.decode import SUFFIXES, read_picture
from digits_edge.runtime.picture.preprocess import prepare


def find(folder: Path) -> list[tuple[Path, str]]:
    """Find all pictures, each with the name of its sub-folder, sorted by name; hidden files are skipped."""
    try:
        classes = _by_name(entry for entry in folder.iterdir() if entry.is_dir())
        found = [(path, entry.name) for entry in classes for path in _pictures_in(entry)]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror}") from None
    if not found:
        raise DatasetError(f"{folder}: expected IDX files, or one sub-folder of pictures per class; found neither")
    if empty := {entry.name for entry in classes} - {name for _, name in found}:
        raise DatasetError(f"{folder / min(empty)}: expected pictures of class {min(empty)!r}, found none")
    return found


def read(
    found: list[tuple[Path, str]], preprocess: Preprocess, shape: tuple[int, ...], step: Callable[[], None]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Read pictures and bring them to the form that models take, with the code that `predict` uses.

    The result is pixels uint8[N, *shape] and classes str[N]; `step` is called after each picture. If pictures cannot be
    read or have no ink, DatasetError names the first and counts the others.
    """
    pixels = np.empty((len(found), *shape), np.uint8)
    bad: list[str] = []
    for row, (path, _) in enumerate(found):
        try:
            ready = prepare(read_picture(path), preprocess, shape).pixels
            if ready is None:
                bad.append(f"{path}: expected ink, found none")
            else:
                pixels[row] = ready
        except PictureError as error:
            bad.append(str(error))
        step()
    if bad:
        others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DatasetError(f"{bad[0]}{others}")
    return pixels, np.array([name for _, name in found])


def _pictures_in(folder: Path) -> list[Path]:
    return _by_name(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _by_name(paths: Iterable[Path]) -> list[Path]:
    """Sort paths without hidden ones, in the same order on every system: the order is part of the fingerprint."""
    return sorted((path for path in paths if not path.name.startswith(".")), key=lambda path: path.name)

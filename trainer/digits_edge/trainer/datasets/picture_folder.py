"""A folder with one sub-folder of pictures for each class."""

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
    """Every picture with the name of its sub-folder, sorted; hidden files and other kinds of file are passed over.

    Raises:
        DatasetError: there is none, or a sub-folder has none.
    """
    try:
        classes = _by_name(entry for entry in folder.iterdir() if entry.is_dir())
        found = [(path, entry.name) for entry in classes for path in pictures_in(entry)]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {error.strerror}") from None
    if not found:
        raise DatasetError(f"{folder}: expected IDX files, or a sub-folder of pictures for each class; found neither")
    if empty := {entry.name for entry in classes} - {name for _, name in found}:
        raise DatasetError(f"{folder / min(empty)}: expected pictures of class {min(empty)!r}, found none")
    return found


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in a folder, by name."""
    return _by_name(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def choose_preprocess(found: list[tuple[Path, str]]) -> Preprocess:
    """`digit` where each class is named by one character, as handwritten characters are; else `resize`."""
    return "digit" if all(len(name) == 1 for _, name in found) else "resize"


def read(
    found: list[tuple[Path, str]], preprocess: Preprocess, shape: tuple[int, ...], step: Callable[[], None]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Bring the pictures to the model's form, by the very code that `predict` uses.

    Args:
        found: what `find` gave.
        preprocess: how.
        shape: of each picture, (H, W) or (H, W, 3).
        step: called after each picture.

    Returns:
        pixels uint8[N, *shape] and classes str[N].

    Raises:
        DatasetError: pictures cannot be read or have no ink; the first is named, the others counted.
    """
    pixels = np.empty((len(found), *shape), np.uint8)
    bad: list[str] = []
    for row, (path, _) in enumerate(found):
        try:
            ready = prepare(read_picture(path), preprocess, shape).pixels
            if ready is None:
                bad.append(f"{path}: there is no ink in it")
            else:
                pixels[row] = ready
        except PictureError as error:
            bad.append(str(error))
        step()
    if bad:
        others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise DatasetError(f"{bad[0]}{others}")
    return pixels, np.array([name for _, name in found])


def _by_name(paths: Iterable[Path]) -> list[Path]:
    """Sorted alike on every system, so that the same pictures have the same fingerprint; without hidden ones."""
    return sorted((path for path in paths if not path.name.startswith(".")), key=lambda path: path.name)

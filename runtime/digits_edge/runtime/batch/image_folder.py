"""Find the pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePath

from ..picture.decode import SUFFIXES


def pictures_in(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of all pictures under a folder, sorted, with one folder's names in memory at a time.

    Hidden files and folders are skipped, and links to folders are not followed. A folder that cannot be listed is
    yielded as a path, so that opening it tells the reason.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(name for entry in entries if (name := _name(entry)))
    except OSError:
        yield os.fspath(folder)
        return
    for name in names:
        path = str(PurePath(folder, name))
        if name.endswith("/"):
            yield from pictures_in(path)
        else:
            yield path


def _name(entry: os.DirEntry[str]) -> str | None:
    """Give a picture's name, or a folder's with a slash, which sorts it among the paths; None for anything else."""
    if entry.name.startswith("."):
        return None
    if entry.is_dir(follow_symlinks=False):
        return f"{entry.name}/"
    return entry.name if PurePath(entry.name).suffix.lower() in SUFFIXES and not entry.is_dir() else None

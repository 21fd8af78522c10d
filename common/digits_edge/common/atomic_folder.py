"""Replace a folder atomically: a reader sees the whole old folder or the whole new one, even after a power failure."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from digits_edge.runtime.atomic_file import flush_folder, try_to_write
from digits_edge.runtime.bundle import set_aside
from digits_edge.runtime.errors import UsageError, first_line
from digits_edge.runtime.files import read_json

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextmanager
def publishing(target: Path, *, marker: str, kind: str) -> Iterator[Path]:
    """Replace a folder by a new one when the block ends without an exception; otherwise leave it as it was.

    Yields an empty folder beside `target` to write into. Our folders are recognised by a JSON file, the `marker`, e.g.
    `run.json`, with this `kind` in it.

    Raises:
        UsageError: `target` holds something else, cannot be written, or is being written by another process.
    """
    target = target.resolve()  # follow links, so that a link is kept
    work, old = partial(target), set_aside(target)
    check_ours(target, marker=marker, kind=kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(target), timeout=0):
            _tidy(work, target, old, marker)
            work.mkdir()
            try:
                yield work
                _flush(work)
                _swap(work, target, old, marker)
            finally:
                _tidy(work, target, old, marker)
    except Timeout:
        raise UsageError(
            f"{target}: another digits-edge is writing there; wait for it or choose another --out"
        ) from None
    except ConnectionError:  # of stdout or stderr
        raise
    except OSError as error:
        raise _cannot_write(target, error, error.filename) from None


def check_ours(target: Path, *, marker: str, kind: str) -> None:
    """Raise a UsageError unless a path is free, or holds an earlier result of the same kind, and can be written."""
    _check_free(target, marker=marker, kind=kind)
    place = next(parent for parent in target.parents if parent.exists())
    try:
        try_to_write(place / target.name)
    except OSError as error:
        raise _cannot_write(target, error, place) from None
    if sys.platform == "win32":  # whose permissions are others
        return
    for folder, _, _ in os.walk(target):
        if not os.access(folder, os.W_OK) and Path(folder).stat().st_uid != os.getuid():
            raise UsageError(f"{target}: expected a folder that can be replaced, found another user's: {folder}")


def _cannot_write(target: Path, error: OSError, place: Path | None) -> UsageError:
    where = f" ({place})" if place else ""
    return UsageError(f"{target}: cannot be written: {error.strerror or first_line(error)}{where}")


def _check_free(target: Path, *, marker: str, kind: str) -> None:
    if target.is_dir():
        if Path.cwd().is_relative_to(target):
            raise UsageError(f"{target}: expected a folder other than the current one, which cannot be replaced")
        if not any(target.iterdir()) or is_ours(target, marker=marker, kind=kind):
            return
        raise UsageError(f"{target}: expected a new folder or an earlier {kind}, found a folder with other content")
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: expected a new folder or an earlier {kind}, found a file")
    if not next(parent for parent in target.parents if parent.exists()).is_dir():
        raise UsageError(f"{target}: expected a path for a folder, found a file among its parents")


def is_ours(folder: Path, *, marker: str, kind: str) -> bool:
    """Whether the marker file of a folder names this kind."""
    try:
        data = read_json(folder / marker)
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("kind") == kind


def is_being_written(target: Path) -> bool:
    """Whether another process is writing a folder now."""
    try:
        with FileLock(_lock(target.resolve()), timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a place that is not ours to write
        return False


def partial(target: Path) -> Path:
    """The folder that is written before it replaces `target`; without a writer it is left over from a killed one."""
    return target.with_name(f".{target.name}.partial")


def _lock(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _tidy(work: Path, target: Path, old: Path, marker: str) -> None:
    whole = not old.is_symlink() and (old / marker).is_file()
    if whole and (work.is_dir() or not target.exists()):  # a swap was killed half-way
        _remove(target)
        old.rename(target)
    for leftover in (old, work):
        _remove(leftover)


def _remove(folder: Path) -> None:
    """Remove a folder as far as possible, also a read-only one, or a link in its place."""
    with suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
        for inner, _, _ in os.walk(folder):
            Path(inner).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _swap(work: Path, target: Path, old: Path, marker: str) -> None:
    with suppress(OSError):
        target.rmdir()  # if it is empty
    if not target.exists():
        work.rename(target)
    elif not _exchange(work, target):
        _set_aside(target, old, marker)  # until the next line readers find it there: `find_published`
        work.rename(target)
    flush_folder(target.parent)


def _set_aside(target: Path, old: Path, marker: str) -> None:
    try:
        target.rename(old)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # overlayfs renames no folder of a lower layer, such as one in a container's image: what has the marker is whole
        shutil.copytree(target, old, symlinks=True, ignore=lambda *_: {marker})
        shutil.copy2(target / marker, old)
        _remove(target)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step with Linux's `renameat2(2)`; False if that does not work here."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = (AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other))
    return bool(renameat2(*names, RENAME_EXCHANGE) == 0)


def _flush(folder: Path) -> None:
    """Flush everything in a folder to disk before it is renamed."""
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)

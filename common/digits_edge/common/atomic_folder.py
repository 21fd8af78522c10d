"""Writing a folder whole: a reader sees all of the old one or all of the new one, whenever the power goes."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from digits_edge.runtime.bundle import set_aside
from digits_edge.runtime.errors import UsageError

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextmanager
def publishing(target: Path, *, marker: str, kind: str) -> Iterator[Path]:
    """Give a folder to fill that takes `target`'s place when the block ends well; else `target` stays as it was.

    Args:
        target: where the result is to stand.
        marker: the JSON file by which a folder of ours is known, e.g. `run.json`.
        kind: what that file says under `kind`.

    Yields:
        an empty folder beside `target`.

    Raises:
        UsageError: `target` is not ours, cannot be written, or is being written by another process.
    """
    target = target.resolve()  # through links, so that a link stays one
    check_ours(target, marker=marker, kind=kind)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(target), timeout=0):
            yield from _publish(target)
    except Timeout:
        raise UsageError(
            f"{target}: another digits-edge is writing there; wait for it, or choose another --out"
        ) from None
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror} ({error.filename})") from None


def check_ours(target: Path, *, marker: str, kind: str) -> None:
    """Refuse a path that holds anything but an earlier result of ours.

    Raises:
        UsageError: it is a file, or a folder with something else in it.
    """
    if target.is_dir():
        if Path.cwd().is_relative_to(target):
            raise UsageError(f"{target}: expected another folder than the current one, which cannot be swapped")
        if not any(target.iterdir()) or is_ours(target, marker=marker, kind=kind):
            return
        raise UsageError(
            f"{target}: expected a new folder or an earlier {kind}, found a folder with other things in it"
        )
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: expected a new folder or an earlier {kind}, found a file")
    if not next(parent for parent in target.parents if parent.exists()).is_dir():
        raise UsageError(f"{target}: expected a place for a folder, found a file on the way there")


def is_ours(folder: Path, *, marker: str, kind: str) -> bool:
    """Whether a folder's marker file says that it is of this kind."""
    try:
        data = json.loads((folder / marker).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and data.get("kind") == kind


def is_being_written(target: Path) -> bool:
    """Whether a process is filling a folder's successor now."""
    try:
        with FileLock(_lock(target.resolve()), timeout=0):
            return False
    except Timeout:
        return True


def partial(target: Path) -> Path:
    """Where a folder is filled before it takes `target`'s place; what is there without a writer was killed."""
    return target.with_name(f".{target.name}.partial")


def _lock(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _publish(target: Path) -> Iterator[Path]:
    work, old = partial(target), set_aside(target)
    _tidy(work, target, old)
    work.mkdir()
    try:
        yield work
        _flush(work)
        _swap(work, target, old)
    finally:
        _tidy(work, target, old)


def _tidy(work: Path, target: Path, old: Path) -> None:
    if old.is_dir() and not target.exists():  # a swap was cut short between its two renames
        old.rename(target)
    for leftover in (work, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _swap(work: Path, target: Path, old: Path) -> None:
    if not target.exists():
        work.rename(target)
    elif not _exchange(work, target):
        target.rename(old)  # a reader that comes now finds the old one aside: `find_published`
        work.rename(target)
    _flush_folder(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step with Linux's `renameat2(2)`; False where system or filesystem cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _flush(folder: Path) -> None:
    """Have everything in a folder on the disk before it is renamed."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle for a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network and FUSE mounts cannot
            os.fsync(handle)
    finally:
        os.close(handle)

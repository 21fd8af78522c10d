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

from digits_edge.runtime.bundle import set_aside
from digits_edge.runtime.errors import UsageError
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
            _tidy(work, target, old)
            work.mkdir()
            try:
                yield work
                _flush(work)
                _swap(work, target, old)
            finally:
                _tidy(work, target, old)
    except Timeout:
        raise UsageError(
            f"{target}: another digits-edge is writing there; wait for it or choose another --out"
        ) from None
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror} ({error.filename})") from None


def check_ours(target: Path, *, marker: str, kind: str) -> None:
    """Raise a UsageError unless a path is free, or holds an earlier result of the same kind."""
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


def partial(target: Path) -> Path:
    """The folder that is written before it replaces `target`; without a writer it is left over from a killed one."""
    return target.with_name(f".{target.name}.partial")


def _lock(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _tidy(work: Path, target: Path, old: Path) -> None:
    if old.is_dir() and not target.exists():  # killed between the two renames of a swap
        old.rename(target)
    for leftover in (work, old):
        shutil.rmtree(leftover, ignore_errors=True)


def _swap(work: Path, target: Path, old: Path) -> None:
    if not target.exists():
        work.rename(target)
    elif not _exchange(work, target):
        target.rename(old)  # until the next line readers find the old one here: `find_published`
        work.rename(target)
    _flush_folder(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step with Linux's `renameat2(2)`; False if system or file system does not support it."""
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
    """Flush everything in a folder to disk before it is renamed."""
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _flush_folder(path)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not supported by some network and FUSE file systems
            os.fsync(handle)
    finally:
        os.close(handle)

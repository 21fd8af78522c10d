"""Replace a file atomically: a reader sees the whole old file or the whole new one, even after a power failure."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from .errors import UsageError

if sys.platform != "win32":  # where nobody can remove a file that another process has open
    import fcntl

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replacing(target: Path, *, text: bool = False) -> Iterator[IO[Any]]:
    """Replace a file by what the block writes, when that ends without an exception; otherwise leave it as it was.

    Yields a new file beside `target`, open for bytes or for UTF-8 text. Where several processes write one file, the
    last to finish wins. The file keeps its mode. A link is kept and what it names is replaced, unless the system does
    not follow it (Linux: one that another user has put into `/tmp`).

    Raises:
        UsageError: `target` is a folder, a device or a pipe, has no folder, or cannot be written.
    """
    real = Path(os.path.realpath(target))
    new = _beside(real)
    try:
        mode = _mode(target)
        if not real.parent.is_dir():
            raise UsageError(f"{target}: expected a file in an existing folder")
        remove_leftovers(real)
        handle = _create(new, 0o666 if mode is None else 0o600)
        try:
            with os.fdopen(handle, *(("w", -1, "utf-8", None, "") if text else ("wb",))) as file:
                yield file
                file.flush()
                os.fsync(handle)
                if os.name == "nt":
                    file.close()  # only then it can be renamed
                elif mode is not None:
                    os.fchmod(handle, mode)
                new.replace(real)
        except BaseException:  # also Ctrl-C
            with suppress(OSError):
                new.unlink()
            raise
        flush_folder(real.parent)
    except OSError as error:
        if isinstance(error, ConnectionError) or error.filename not in (None, str(target), str(new)):
            raise  # of something else in the block
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}") from None


def write_new(path: Path, data: bytes) -> None:
    """Write a new file, whole or not at all; an OSError if that fails.

    It is not flushed to disk, which takes long on a memory card: after a power failure it may be empty.
    """
    new = path.with_name(f".{path.name}.partial")
    try:
        with new.open("xb") as file:
            file.write(data)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def try_to_write(target: Path) -> None:
    """Make a new file beside a target, and remove it: the OSError is that of writing the target later."""
    remove_leftovers(target)
    new = _beside(target)
    os.close(_create(new, 0o600))
    new.unlink()


def remove_leftovers(target: Path) -> None:
    """Remove what killed processes have left of writing a file. That of a living one is locked, and stays."""
    leftover = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.partial")
    with suppress(OSError):
        for path in target.parent.iterdir():
            if leftover.fullmatch(path.name):
                with suppress(OSError):
                    _remove_unless_locked(path)


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of files to disk, where the file system supports it."""
    if os.name == "nt":  # Windows cannot open folders
        return
    with suppress(OSError):  # not supported by some network and FUSE file systems
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.partial")


def _mode(target: Path) -> int | None:
    """The mode of a file that is there; None for a new one."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise UsageError(f"{target}: expected a file in an existing folder, found a folder, a device or a pipe")
    return mode & 0o777


def _create(new: Path, mode: int) -> int:
    """Open a new file, and lock it for as long as it is open."""
    while True:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0), mode)
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # before it was locked, another process took it for a leftover


def _remove_unless_locked(path: Path) -> None:
    if sys.platform == "win32":
        path.unlink()
        return
    handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | _NO_LINK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)

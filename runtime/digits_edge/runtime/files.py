"""Read files and JSON safely and hash them, without pathlib and hashlib, which take 6 ms to import."""

from __future__ import annotations

import errno
import importlib
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_FOR_OPENSSL: Final = 2**20
MAX_JSON_BYTES: Final = 2**25
MAX_JSON_VALUES: Final = 2**21


def read_file(path: str, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes; a larger one, a pipe or a device is an OSError and is not read."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"expected at most {limit:,} bytes, found {size:,}")
        return file.read(size)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading; a pipe, which is not waited for, or a device is an OSError."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115, its caller closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "expected a regular file")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file of at most 32 MiB and two million values; an OSError or a ValueError says what is wrong."""
    return parse_json(read_file(os.fspath(path), MAX_JSON_BYTES))


def parse_json(data: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """Parse JSON of at most 32 MiB and two million values; a ValueError says what is wrong.

    Python needs up to a hundred times the memory of a text of many small values, so these are counted first.
    """
    import json

    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"expected at most {MAX_JSON_BYTES:,} bytes of JSON, received {len(data):,}")
    if (values := sum(map(data.count, (b",", b"[", b"{")))) > MAX_JSON_VALUES:
        raise ValueError(f"expected at most {MAX_JSON_VALUES:,} values, found {values:,}")
    try:
        return json.loads(data.decode(), parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def leads_outside(folder: str, path: str) -> bool:
    """Whether a path below a folder leads outside of it through a link."""
    root, real = os.path.realpath(folder), os.path.realpath(path)
    try:
        return os.path.commonpath((root, real)) != root
    except ValueError:  # on another drive
        return True


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits.

    Short data are hashed by Python's built-in module (as `random` does). hashlib loads OpenSSL, 3 MiB, which is faster
    for long data.
    """
    if len(data) < BYTES_FOR_OPENSSL:
        for name in ("_sha2", "_sha256"):  # from Python 3.12 on, and before
            try:
                return str(importlib.import_module(name).sha256(data).hexdigest())
            except ImportError:
                continue
    import hashlib

    return hashlib.sha256(data).hexdigest()

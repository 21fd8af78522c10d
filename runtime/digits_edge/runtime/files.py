"""Read files safely and hash them, without pathlib and hashlib, which take 6 ms to import."""

from __future__ import annotations

import errno
import importlib
import os
import stat
from typing import Final

BYTES_FOR_OPENSSL: Final = 2**20


def read_file(path: str, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes; a larger one, a pipe or a device is an OSError and is not read."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "expected a regular file")
    if found.st_size > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit:,} bytes, found {found.st_size:,}")
    with open(path, "rb") as file:
        return file.read(found.st_size)


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

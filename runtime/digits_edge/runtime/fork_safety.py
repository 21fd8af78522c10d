"""Replace sessions that have threads in forked child processes.

A forked child inherits a session's thread handles, but not the threads. Running such a session can block forever, and
freeing it joins threads that do not exist, which crashes the child at exit. So the child neither runs nor frees it, and
the owner opens a new session when it needs one.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Final, Protocol


class Owner(Protocol):
    """An object that has a session with threads, and opens a new one where it finds None."""

    _session: Any


_owners: Final[weakref.WeakSet[Owner]] = weakref.WeakSet()


def forget_session_in_children(owner: Owner) -> None:
    """Set `owner._session` to None in every child that this process forks from now on."""
    _owners.add(owner)


def _after_fork() -> None:
    for owner in list(_owners):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner._session))  # never freed
        owner._session = None
    _owners.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

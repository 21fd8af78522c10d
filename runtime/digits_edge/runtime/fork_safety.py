"""Replace sessions that have threads in forked child processes.

A forked child inherits a session's thread handles, but not the threads. Running such a session can block forever, and
freeing it joins threads that do not exist, which crashes the child at exit. So the child neither runs nor frees it, and
the owner opens a new session when it needs one.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Final

# The objects whose `_session` has threads. It becomes None in every child that this process forks from now on.
owners: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for owner in list(owners):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner._session))  # never freed
        owner._session = None
    owners.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

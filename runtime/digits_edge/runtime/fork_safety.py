"""After a fork the child has a session's handles of its threads, but not the threads.

To run such a session may wait for ever, and to free it joins what is not there: a crash at the child's exit. So in the
child it is neither run nor freed, and its owner opens another when it needs one.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, Final, Protocol


class Owner(Protocol):
    """What has a session with threads, and opens it again where it finds None."""

    _session: Any


_owners: Final[weakref.WeakSet[Owner]] = weakref.WeakSet()


def forget_session_in_children(owner: Owner) -> None:
    """From now on, set `owner._session` to None in every child that this process forks."""
    _owners.add(owner)


def _after_fork() -> None:
    for owner in list(_owners):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner._session))  # never freed
        owner._session = None
    _owners.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

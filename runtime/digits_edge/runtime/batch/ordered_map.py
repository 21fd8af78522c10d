"""The same work on many things, on several threads: lazily, in order, a few ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from .errors import DigitsEdgeError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 2  # items for each thread that are read before their turn


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """`work(item)` of each item, in the order of `items`, which are read a few ahead at most.

    Worth it where the work leaves Python's lock alone, as numpy, onnxruntime, pillow and zlib do.

    Raises:
        DigitsEdgeError: reading the items ends with one; it comes after the results of those before.
        Exception: whatever `work` raises, in its turn.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # it takes its time

    failure = None
    waiting: deque[Future[Result]] = deque()
    coming = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                try:
                    waiting.append(pool.submit(work, next(coming)))
                except StopIteration:
                    break
                except DigitsEdgeError as error:
                    failure = error
                    break
                while len(waiting) > AHEAD * threads or waiting[0].done():
                    yield waiting.popleft().result()
                    if not waiting:
                        break
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
    if failure:
        raise failure

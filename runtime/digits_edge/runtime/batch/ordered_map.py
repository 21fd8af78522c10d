"""Map a function over many items on several threads: lazily, in order, a few items ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from ..errors import DigitsEdgeError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD: Final = 2  # items per thread that are read before their results are needed


def cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield `work(item)` for each item, in the order of `items`.

    Threads help where the work releases Python's lock, as onnxruntime, pillow and zlib do. The items are read on the
    calling thread. If that fails, the DigitsEdgeError is raised after the results of the items before.
    """
    from concurrent.futures import Future, ThreadPoolExecutor  # here, because the import is slow

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
                while waiting and (len(waiting) > AHEAD * threads or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
    if failure:
        raise failure

"""A bar on stderr for work whose results go to stdout meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(title: str, *, prints: bool) -> Iterator[Callable[[int, float | None], None]]:
    """What it yields is told how many pictures are done, and how much of the work, from 0 to 1 or None if unknown.

    Args:
        title: in front of the bar.
        prints: whether results are printed meanwhile: on a terminal these show progress enough.
    """
    if not sys.stderr.isatty() or (prints and sys.stdout.isatty()):
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    counted = TextColumn("{task.fields[pictures]:,} pictures")
    columns = (TextColumn("{task.description}"), BarColumn(), counted, TimeRemainingColumn())
    # rich would send what is printed to stderr, too
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as shown:
        task = shown.add_task(title, total=None, pictures=0)

        def show(pictures: int, share: float | None) -> None:
            total = None if share is None else 1.0
            shown.update(task, total=total, completed=share or 0.0, pictures=pictures)

        yield show


def _nothing(*_: object) -> None:
    pass

"""Progress of long work, on stderr: a bar with time left on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of `total` steps that shows while the block runs; what it yields is called after each step."""
    if not sys.stderr.isatty():
        print(f"{title} ({total:,})", file=sys.stderr, flush=True)  # noqa: T201
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


def say(line: str) -> None:
    """One line of what is going on."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201

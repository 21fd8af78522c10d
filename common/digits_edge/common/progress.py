"""Progress of long work, on stderr: a bar with time left on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def bar(*more: ProgressColumn) -> Progress:
    """A bar on stderr with time left, `more` columns before that; disabled where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *more, TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of `total` steps that shows while the block runs; what it yields is called after each step."""
    with bar() as shown:
        if shown.disable:
            say(f"{title} ({total:,})")
        task = shown.add_task(title, total=total)
        yield lambda: shown.advance(task)


def say(line: str) -> None:
    """One line of what is going on."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201

"""Progress of long work on stderr: a bar with the time left on a terminal, otherwise a line where it helps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from digits_edge.runtime.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

PAUSE: Final = 30  # seconds between two lines


def bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr with these columns and the time left; disabled if stderr is not a terminal."""
    from rich.console import Console  # here: rich is not part of the base install, and slow to import
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # rich would move results from stdout to stderr
        disable=not sys.stderr.isatty(),
    )


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar, or print a line with its title if stderr is no terminal; yield a function to call after each step."""
    from rich.progress import MofNCompleteColumn

    with bar(MofNCompleteColumn()) as shown:
        if shown.disable:
            say(f"{title} ({total:,})")
        task = shown.add_task(title, total=total)
        yield lambda: shown.advance(task)


@contextmanager
def long_progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """As `progress`; if stderr is no terminal, print a line with the time left every half minute, none at the start."""
    from rich.progress import MofNCompleteColumn

    started = said = monotonic()
    done = 0

    def step() -> None:
        nonlocal done, said
        done += 1
        shown.advance(task)
        if shown.disable and (now := monotonic()) - said > PAUSE and done < total:
            said = now
            left = (now - started) / done * (total - done)
            words = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
            say(f"{title}: {done} of {total} steps, about {words} left")

    with bar(MofNCompleteColumn()) as shown:
        task = shown.add_task(title, total=total)
        yield step


@contextmanager
def picture_progress(title: str, *, prints: bool) -> Iterator[Callable[[int, float | None], None]]:
    """Show a bar that counts pictures; nothing if stderr is not a terminal.

    Yields a function to call with the number of pictures so far and the finished share of the work, from 0 to 1, or
    None if that is unknown. Results that are printed on a terminal meanwhile show progress enough, without a bar.
    """
    if not sys.stderr.isatty() or (prints and sys.stdout.isatty()):
        yield lambda _pictures, _share: None
        return
    from rich.progress import TextColumn

    with bar(TextColumn("{task.fields[pictures]:,} pictures")) as shown:
        task = shown.add_task(title, total=None, pictures=0)
        yield lambda pictures, share: shown.update(
            task, total=None if share is None else 1.0, completed=share or 0.0, pictures=pictures
        )


def say(*lines: str) -> None:
    """Print lines of news on stderr, whatever names are in them; that nobody can read them is no error."""
    with suppress(OSError):
        print(*map(printable, lines), sep="\n", file=sys.stderr, flush=True)  # noqa: T201

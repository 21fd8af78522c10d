"""Print results on stdout: lines for people, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from digits_edge.common.silence import discard
from digits_edge.runtime.errors import printable


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    print_text(json.dumps(value, indent=1))


def print_lines(*lines: str) -> None:
    """Print lines for people on stdout, whatever names are in them."""
    print_text("\n".join(map(printable, lines)))


def print_text(text: str) -> None:
    """Print lines on stdout at once. It is no error that their reader has gone, as that of `| head -1` does."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, "stdout") from None


def stream_lines(lines: Iterable[str]) -> None:
    """The lines on stdout, for a reader to have now."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """End quietly when the reader of stdout has had enough, as `| head` does."""
    try:
        yield
    except BrokenPipeError:
        discard(sys.stdout)
        raise typer.Exit(0) from None

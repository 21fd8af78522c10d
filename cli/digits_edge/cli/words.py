"""What the commands share: choosing one of several words, and printing for people or machines."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from digits_edge.runtime.errors import UsageError

T = TypeVar("T", bound=str)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Data = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="sample (5,000 embedded digits), mnist (downloaded), a Kaggle CSV (also .gz), a folder of IDX files, "
        "an .npz (x, y), or a folder with one sub-folder of pictures per class.",
    ),
]


def one_of(option: str, value: str, choices: Iterable[T]) -> T:
    """`value` if it is among `choices`.

    Raises:
        UsageError: it is not; a near match is named.
    """
    known = list(choices)
    for choice in known:
        if choice == value:
            return choice
    near = difflib.get_close_matches(value, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{option}: expected {' or '.join(known)}, received {value!r}{hint}")


def shown(path: Path) -> Path:
    """A path as one would type it here: without the current folder in front."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(json.dumps(value, indent=1))


def print_columns(rows: Sequence[Sequence[object]]) -> None:
    """Rows with their columns lined up, the first flushed left and the others right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    for row in cells:
        line = "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        typer.echo(line.rstrip())

"""What the commands share: choosing one of several words, and printing for people or machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Data = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="sample (5,000 embedded digits), mnist (downloaded), a Kaggle CSV (also .gz), a folder of IDX files, "
        "an .npz (x, y), or a folder with one sub-folder of pictures per class.",
    ),
]


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

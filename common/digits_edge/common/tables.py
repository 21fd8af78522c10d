"""Tables for a terminal and for Markdown, drawn by rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from digits_edge.runtime.errors import printable

WIDEST = 10_000  # characters in a line, so that nothing is wrapped


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, markdown: bool = True) -> str:
    """Draw a table, with or without Markdown's lines: the first column to the left, the others to the right."""
    columns = [
        Column(Text(printable(title)), justify="right" if place else "left") for place, title in enumerate(header)
    ]
    drawn = Table(*columns, box=MARKDOWN if markdown else None, pad_edge=markdown, header_style="")
    for row in rows:
        drawn.add_row(*(Text(printable(str(cell))) for cell in row))
    console = Console(width=WIDEST, color_system=None)
    with console.capture() as capture:
        console.print(drawn)
    lines = [line.rstrip() for line in capture.get().splitlines() if line.strip()]
    if markdown:  # rich does not mark columns that are aligned to the right
        left, *right = lines[1].strip("|").split("|")
        lines[1] = "|" + "|".join((left, *(f"{rule[:-1]}:" for rule in right))) + "|"
    return "\n".join(lines if markdown else map(printable, lines))

"""Put the tables that a benchmark prints where the documentation has tables with the same header.

python benchmarks/photographs.py --photos FOLDER --drawn drawn.npz --data FOLDER | python benchmarks/update_docs.py

Everything is printed on, with a line for each file that changed. A table that the documentation lacks changes nothing.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

TABLE = re.compile(r"^\|.*\|\n\|[-:| ]+\|\n(?:\|.*\|\n)+", re.MULTILINE)


def header(text: str) -> tuple[str, ...]:
    """The cells of a table's first line."""
    return tuple(cell.strip() for cell in text.splitlines()[0].strip("|").split("|"))


def updated(text: str, tables: dict[tuple[str, ...], str]) -> str:
    """A page with the tables in place of its own with the same header."""
    return TABLE.sub(lambda found: tables.get(header(found[0]), found[0]), text)


def pages() -> Iterator[Path]:
    yield Path("README.md")
    yield from sorted(Path("docs").rglob("*.md"))


def main() -> None:
    printed = sys.stdin.read()
    print(printed, end="")
    tables = {header(found[0]): found[0] for found in TABLE.finditer(printed)}
    for page in pages():
        before = page.read_text(encoding="utf-8")
        if (after := updated(before, tables)) != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page}: updated", file=sys.stderr)


if __name__ == "__main__":
    main()

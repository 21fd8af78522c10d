"""Read the code blocks of a page of the documentation, and run them from top to bottom."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r'^(?:<!-- ([^\n]+) -->\n)?```(\w*)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment above it."""

    where: str
    note: str
    language: str
    title: str
    code: str

    @property
    def skipped(self) -> bool:
        return self.note.startswith("not run: ")


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(f"{name}:{text.count(chr(10), 0, found.start()) + 1}", *(found[i] or "" for i in (1, 2, 3, 4)))
        for found in FENCE.finditer(text)
    ]


def shell(code: str, digits_edge: Callable[..., Any]) -> str:
    """Run a block's commands one after the other, and give what they printed."""
    printed = ""
    for line in code.replace("\\\n", "").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["digits-edge"] and not {"|", "&&", ">"} & set(words):
            done = digits_edge(*words[1:])
            assert done.code == 0, f"{line}\n{done.err}"
            printed += done.out
        elif words:
            path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
            ran = subprocess.run(
                ["bash", "-c", line], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
            )
            assert ran.returncode == 0, f"{line}\n{ran.stderr}"
            printed += ran.stdout
    return printed


def perform(page: Path, digits_edge: Callable[..., Any]) -> None:
    """Run the blocks of a page from top to bottom."""
    names: dict[str, object] = {}
    printed: str | None = None
    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(block.code)
        if block.language == "text":
            if printed is not None and not block.note:
                assert printed.rstrip("\n") == block.code.rstrip("\n"), block.where
        elif block.skipped:
            printed = None
        elif block.language == "sh":
            printed = shell(block.code, digits_edge)
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(block.code, block.where, "exec"), names)
            printed = out.getvalue()

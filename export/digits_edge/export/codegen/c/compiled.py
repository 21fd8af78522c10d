"""Compile a network in C with this machine's compiler, and run it: the example that is written with it, on pictures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import ExportError

if TYPE_CHECKING:
    from .sources import Sources

COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-std=c99", "-O2")
TIME_LIMIT: Final = 600  # seconds, of a compilation and of a run


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Attributes:
        command: its words.
        version: the first line of what it says of itself.
    """

    command: tuple[str, ...]
    version: str

    @classmethod
    def find(cls) -> Compiler | None:
        """The one that the variable CC names, else this machine's; None where there is none."""
        named = shlex.split(os.environ.get("CC", ""))
        for command in [named] if named else [[name] for name in COMPILERS]:
            if shutil.which(command[0]) is None:
                continue
            said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
            if said.returncode == 0 and said.stdout.strip():
                return cls(tuple(command), said.stdout.splitlines()[0])
        return None


def run_compiled(
    sources: Sources, compiler: Compiler, pixels: npt.NDArray[np.uint8], flags: tuple[str, ...] = FLAGS
) -> npt.NDArray[np.int8]:
    """Logits int8[N, C] of uint8[N, H, W] or uint8[N, H, W, 3].

    Raises:
        ExportError: it does not compile, or does not end as it should.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name, text in sources.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        program = folder / f"{sources.name}.program"
        words = [*compiler.command, *flags, "-o", str(program), "main.c", f"{sources.name}.c"]
        _run(words, folder, b"")
        lines = _run([str(program)], folder, pixels.tobytes()).decode().splitlines()
    try:
        # a label, then the logits
        return np.array([line.rsplit("\t", sources.classes)[1:] for line in lines], np.int16).astype(np.int8)
    except ValueError:
        raise ExportError(f"{sources.name}.c: it prints something else than logits: {lines[0]!r:.80}") from None


def _run(words: list[str], folder: Path, fed: bytes) -> bytes:
    try:
        ended = subprocess.run(words, cwd=folder, input=fed, capture_output=True, check=False, timeout=TIME_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{words[0]}: {error}") from None
    if ended.returncode:
        said = next(iter(ended.stderr.decode(errors="replace").splitlines()), "no word")
        raise ExportError(f"{Path(words[0]).name} ended with exit code {ended.returncode}: {said:.200}")
    return ended.stdout

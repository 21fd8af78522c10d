"""Compile a network's C with this machine's compiler, and run its example program on pictures."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import ExportError

if TYPE_CHECKING:
    from ..int8_network import Logits
    from .sources import Sources

COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = ("-std=c99", "-O2")
TIME_LIMIT: Final = 600  # seconds, of the compilation and of each run


@dataclass(frozen=True)
class Compiler:
    """A C compiler."""

    command: tuple[str, ...]
    version: str  # the first line that it prints about itself

    @classmethod
    def find(cls) -> Compiler | None:
        """The compiler that the environment variable CC names, otherwise this machine's; None without one."""
        named = shlex.split(os.environ.get("CC", ""))
        for command in [named] if named else [[name] for name in COMPILERS]:
            if shutil.which(command[0]) is None:
                continue
            ended = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
            if ended.returncode == 0 and ended.stdout.strip():
                return cls(tuple(command), ended.stdout.splitlines()[0])
        return None


@contextmanager
def compiled(sources: Sources, compiler: Compiler, flags: tuple[str, ...] = FLAGS) -> Iterator[Logits]:
    """Compile a network once, to run it as often as needed in the block.

    Raises ExportError if the C does not compile. What it yields raises it if the program does not exit with code 0, or
    prints something else than logits.
    """
    with TemporaryDirectory() as work:
        folder = Path(work)
        for name, text in sources.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        program = folder / f"{sources.name}.program"
        _run([*compiler.command, *flags, "-o", str(program), "main.c", f"{sources.name}.c"], folder, b"")

        def logits(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
            lines = _run([str(program)], folder, pixels.tobytes()).decode().splitlines()
            try:
                # a label, then the logits
                return np.array([line.rsplit("\t", sources.classes)[1:] for line in lines], np.int16).astype(np.int8)
            except ValueError:
                raise ExportError(f"{sources.name}.c: expected logits, received {lines[0]!r:.80}") from None

        yield logits


def _run(words: list[str], folder: Path, stdin: bytes) -> bytes:
    """The standard output of a command."""
    try:
        ended = subprocess.run(words, cwd=folder, input=stdin, capture_output=True, check=False, timeout=TIME_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{words[0]}: {error}") from None
    if ended.returncode:
        message = next(iter(ended.stderr.decode(errors="replace").splitlines()), "no message")
        raise ExportError(f"{Path(words[0]).name} ended with exit code {ended.returncode}: {message:.200}")
    return ended.stdout

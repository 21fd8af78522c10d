"""What a child process in which a model runs does about itself, with the standard library alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

HEADROOM: Final = 7 * 2**27  # bytes that any model may take: with Python and a runtime less than a gigabyte
COPIES: Final = 8  # of its file, that a model may take as well: parsed, rearranged for the CPU
LARGEST: Final = 2**31  # bytes; neither a flatbuffer nor a protobuf message can be larger


def memory_for(size: int) -> int:
    """The bytes that opening and running a model file of this size may take."""
    return HEADROOM + COPIES * min(size, LARGEST)


def limit_memory(more: int) -> None:
    """Let this process take `more` bytes than it has now, and write no core file. Only Linux can limit it."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError):
        return
    threads = 2**24 * (os.cpu_count() or 1)  # stacks of two threads for each CPU, as onnxruntime may start by itself
    now = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = now + threads + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))


def keep_stdout() -> BinaryIO:
    """Reserve stdout for answers: redirect what libraries print there to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers

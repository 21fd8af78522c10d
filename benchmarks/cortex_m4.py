"""Run the C of a network on a Cortex-M4 that qemu emulates, without an operating system.

For c_engine.py and for tests/test_c_cross.py. It needs arm-none-eabi-gcc with newlib, and qemu-system-arm; cortex_m4.c
is what runs there.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

HERE: Final = Path(__file__).resolve().parent
COMPILER: Final = "arm-none-eabi-gcc"
MACHINE: Final = "qemu-system-arm"
TARGET: Final = ("-mcpu=cortex-m4", "-mthumb", "-O2")
HOST: Final = "enable=on,target=native"
BOARD: Final = (
    "-M",
    "mps2-an386",
    "-nographic",
    "-icount",
    "shift=0",
    "-semihosting-config",
    "enable=on,target=native",
)


def tell(*words: object, cwd: Path, given: bytes = b"") -> str:
    """What a command printed, on stdout or on stderr, where qemu has what a bare machine prints.

    Raises:
        AssertionError: it ended with another exit code than 0.
    """
    pipe, together = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(list(map(str, words)), cwd=cwd, input=given, stdout=pipe, stderr=together, timeout=500)
    said = done.stdout.decode()
    assert done.returncode == 0, f"{words[0]}: exit code {done.returncode}\n{said}"
    return said


def classify(name: str, folder: Path, pixels: npt.NDArray[np.uint8]) -> tuple[dict[str, int], npt.NDArray[np.int8]]:
    """Classify uint8[N, ...] pictures by the network NAME.c in a folder.

    Returns:
        numbers: of `pictures`, `instructions` of all of them, `stack` in bytes, and what a tick was calibrated by.
        answers: int8[N, 1 + C], of each picture its class and its logits.
    """
    (folder / "pictures").write_bytes(pixels.tobytes())
    said = run(name, folder)
    numbers = {what: int(number) for what, number in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    return numbers, np.fromfile(folder / "logits", np.int8).reshape(len(pixels), -1)


def run(name: str, folder: Path, more: Sequence[str] = ()) -> str:
    """Compile cortex_m4.c with NAME.c in a folder, and with more sources and flags; what it printed."""
    macros = {
        "HEADER": f'"{name}.h"',
        "CLASSIFY": f"{name}_classify",
        "PIXELS": f"{name.upper()}_PIXELS",
        "CLASSES": f"{name.upper()}_CLASSES",
    }
    defined = [f"-D{key}={value}" for key, value in macros.items()]
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", *TARGET, *defined, "-I.")
    linked = ("-nostartfiles", "-T", HERE / "cortex_m4.ld", "-o", "bare.elf")
    tell(COMPILER, *flags, *linked, HERE / "cortex_m4.c", f"{name}.c", *more, cwd=folder)
    return tell(MACHINE, *BOARD, "-kernel", "bare.elf", cwd=folder)

"""Run the C of a network on a Cortex-M that qemu emulates, without an operating system.

For c_engine.py and for tests/test_c_cross.py. It needs arm-none-eabi-gcc with newlib, and qemu-system-arm; cortex_m.c
is what runs there.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

HERE: Final = Path(__file__).resolve().parent
COMPILER: Final = "arm-none-eabi-gcc"
MACHINE: Final = "qemu-system-arm"


@dataclass(frozen=True)
class Core:
    """A processor, and one of Arm's boards that has it or one that runs its instructions, too."""

    cpu: str
    board: str
    abi: str = "soft"  # where floating-point and vector instructions are, "hard" lets them be used
    vectors: int = 0
    flash: int = 0x400
    ram: int = 0x20000000

    @property
    def target(self) -> tuple[str, ...]:
        """Flags of GCC."""
        return f"-mcpu={self.cpu}", f"-mfloat-abi={self.abi}", "-mthumb", "-masm-syntax-unified"


CORES: Final = {
    "M0+": Core("cortex-m0plus", "mps2-an385"),
    "M3": Core("cortex-m3", "mps2-an385"),
    "M4": Core("cortex-m4", "mps2-an386"),
    "M7": Core("cortex-m7", "mps2-an500"),
    "M33": Core("cortex-m33", "mps2-an505", vectors=0x10000000, flash=0x10000400, ram=0x38000000),
    "M55": Core("cortex-m55", "mps3-an547", abi="hard", flash=0x01000000),
}
M4: Final = CORES["M4"]


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


def classify(
    name: str, folder: Path, pixels: npt.NDArray[np.uint8], core: Core = M4, more: Sequence[str] = ("-O2",)
) -> tuple[dict[str, int], npt.NDArray[np.int8]]:
    """Classify uint8[N, ...] pictures by the network NAME.c in a folder, compiled with more flags.

    Returns:
        numbers: of `pictures`, `instructions` of all of them, `stack` in bytes, and what a tick was calibrated by.
        answers: int8[N, 1 + C], of each picture its class and its logits.
    """
    (folder / "pictures").write_bytes(pixels.tobytes())
    said = run(name, folder, core, more)
    numbers = {what: int(number) for what, number in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    return numbers, np.fromfile(folder / "logits", np.int8).reshape(len(pixels), -1)


def run(name: str, folder: Path, core: Core = M4, more: Sequence[str] = ("-O2",)) -> str:
    """Compile cortex_m.c with NAME.c in a folder, and with more sources and flags; what it printed."""
    macros = {
        "HEADER": f'"{name}.h"',
        "CLASSIFY": f"{name}_classify",
        "PIXELS": f"{name.upper()}_PIXELS",
        "CLASSES": f"{name.upper()}_CLASSES",
    }
    defined = [f"-D{key}={value}" for key, value in macros.items()]
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", *core.target, *defined, "-I.")
    places = {"vectors_at": core.vectors, "flash_at": core.flash, "ram_at": core.ram}
    placed = [f"-Wl,--defsym={symbol}={place}" for symbol, place in places.items()]
    linked = ("-nostartfiles", "-T", HERE / "cortex_m.ld", *placed, "-o", "bare.elf")
    tell(COMPILER, *flags, *linked, HERE / "cortex_m.c", f"{name}.c", *more, cwd=folder)
    board = ("-M", core.board, "-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native")
    return tell(MACHINE, *board, "-kernel", "bare.elf", cwd=folder)

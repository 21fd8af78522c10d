"""Run the C of a network on a processor that qemu emulates, without an operating system.

For c_engine.py, c_camera.py and tests/export/test_c_cross.py. Cortex-M needs arm-none-eabi-gcc with newlib and
qemu-system-arm, 32-bit RISC-V needs riscv64-unknown-elf-gcc with picolibc and qemu-system-riscv32. bare_metal.c is what
runs there.
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


@dataclass(frozen=True)
class Core:
    """A processor, a board that has it or one that runs its instructions, too, and the tools for both."""

    target: tuple[str, ...]  # flags of GCC
    board: str
    compiler: str = "arm-none-eabi-gcc"
    machine: str = "qemu-system-arm"
    start: int = 0
    flash: int = 0x400
    ram: int = 0x20000000


def cortex(name: str, abi: str = "soft") -> tuple[str, ...]:
    """Flags for a Cortex-M; with the ABI "hard" it may use floating-point and vector instructions."""
    return f"-mcpu=cortex-{name}", f"-mfloat-abi={abi}", "-mthumb", "-masm-syntax-unified"


CORES: Final = {
    "M0+": Core(cortex("m0plus"), "mps2-an385"),
    "M3": Core(cortex("m3"), "mps2-an385"),
    "M4": Core(cortex("m4"), "mps2-an386"),
    "M7": Core(cortex("m7"), "mps2-an500"),
    "M33": Core(cortex("m33"), "mps2-an505", start=0x10000000, flash=0x10000400, ram=0x38000000),
    "M55": Core(cortex("m55", "hard"), "mps3-an547", flash=0x01000000),
    "RV32": Core(
        ("-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs"),
        "virt",
        "riscv64-unknown-elf-gcc",
        "qemu-system-riscv32",
        start=0x80000000,
        flash=0x80000400,
        ram=0x80400000,
    ),
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
    """Compile bare_metal.c with NAME.c in a folder, and with more sources and flags; what it printed."""
    macros = {
        "HEADER": f'"{name}.h"',
        "CLASSIFY": f"{name}_classify",
        "PIXELS": f"{name.upper()}_PIXELS",
        "CLASSES": f"{name.upper()}_CLASSES",
    }
    defined = [f"-D{key}={value}" for key, value in macros.items()]
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", *core.target, *defined, "-I.")
    places = {"start_at": core.start, "flash_at": core.flash, "ram_at": core.ram}
    placed = [f"-Wl,--defsym={symbol}={place}" for symbol, place in places.items()]
    linked = ("-nostartfiles", "-T", HERE / "bare_metal.ld", *placed, "-o", "bare.elf")
    tell(core.compiler, *flags, *linked, HERE / "bare_metal.c", f"{name}.c", *more, cwd=folder)
    board = ("-M", core.board, "-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native")
    return tell(core.machine, *board, "-bios", "none", "-kernel", "bare.elf", cwd=folder)

"""What the released models take as C: of a Cortex-M4's memory, and of time; and how near their answers are to LiteRT's.

python benchmarks/c_engine.py --data mnist-idx-folder [--model micro ...]

Flash is of the object that arm-none-eabi-gcc makes with -O2; instructions and the deepest stack are counted on a
Cortex-M4 that qemu emulates (tests/c/cortex_m4.c). Every picture of t10k is classified here by gcc's -O2, whose logits
are compared with LiteRT's, and again under the address and undefined-behaviour sanitizers. Times are ratios to LiteRT
on one thread, picture by picture, in turns with it. A dash stands where a tool is missing.
"""

import argparse
import ctypes
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from release import RECIPES

from digits_edge.export.c.sources import Sources, write_sources
from digits_edge.export.engines import MicroModel, TfliteModel, open_interpreter, run_interpreter
from digits_edge.export.from_tflite import read_network
from digits_edge.export.report import table
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer.datasets import read

ROOT = Path(__file__).parents[1]
BARE = ROOT / "tests/c/cortex_m4.c", ROOT / "tests/c/cortex_m4.ld"
MODEL = "model.int8.tflite"
NONE = "–"
M4 = ("-mcpu=cortex-m4", "-mthumb", "-O2")
BOARD = ("-M", "mps2-an386", "-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
EMULATED = 100  # pictures on the Cortex-M4
TIMED, ROUNDS = 500, 7  # pictures, and how often; the fastest round counts


@dataclass(frozen=True)
class Program:
    """The C of a model, in a folder."""

    sources: Sources
    folder: Path
    classes: int

    def run(self, *words: object, given: bytes = b"") -> str:
        """A command in the folder; what it printed. Semihosting prints on stderr."""
        pipe, together = subprocess.PIPE, subprocess.STDOUT
        done = subprocess.run(list(map(str, words)), cwd=self.folder, input=given, stdout=pipe, stderr=together)
        said = done.stdout.decode()
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{said}")
        return said

    def logits(self, flags: tuple[str, ...], pixels: np.ndarray) -> np.ndarray:
        """int[N, C] by main.c, compiled by gcc; whatever else it prints is an error."""
        self.run("gcc", "-std=c99", *flags, "-o", "model", "main.c", f"{self.sources.name}.c")
        lines = self.run(self.folder / "model", given=pixels.tobytes()).splitlines()
        if len(lines) != len(pixels):
            raise SystemExit(f"expected {len(pixels)} lines, received {len(lines)}:\n" + "\n".join(lines[-20:]))
        return np.array([line.split("\t")[1:] for line in lines], int)


def written(name: str, folder: Path) -> tuple[Program, bytes, int]:
    """The C of a released model, its TFLite file, and its MACs."""
    bundle = Bundle.open(ROOT / "artifacts" / name)
    data = bundle.read(MODEL)
    network = read_network(data)
    sources = write_sources(network, bundle.contract(), TfliteModel.load(data, name).output, "not judged here")
    for file, text in sources.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return Program(sources, folder, network.classes), data, network.macs


def missing(*tools: str) -> bool:
    return not all(map(shutil.which, tools))


def flash(program: Program) -> tuple[str, str]:
    """Bytes of constants and of code in the object for a Cortex-M4."""
    if missing("arm-none-eabi-gcc", "arm-none-eabi-size"):
        return NONE, NONE
    program.run("arm-none-eabi-gcc", "-std=c99", *M4, "-c", "-o", "m4.o", f"{program.sources.name}.c")
    sections = re.findall(r"^\.(text|rodata)\S* +(\d+)", program.run("arm-none-eabi-size", "-A", "m4.o"), re.MULTILINE)
    constants, code = (sum(int(size) for kind, size in sections if kind == of) for of in ("rodata", "text"))
    return f"{constants:,}", f"{code:,}"


def on_cortex_m4(program: Program, pixels: np.ndarray) -> tuple[str, str]:
    """Bytes of stack, and instructions a picture."""
    if missing("arm-none-eabi-gcc", "qemu-system-arm"):
        return NONE, NONE
    name, (source, script) = program.sources.name, BARE
    macros = (f'-DHEADER="{name}.h"', f"-DCLASSIFY={name}_classify")
    macros += (f"-DPIXELS={name.upper()}_PIXELS", f"-DCLASSES={name.upper()}_CLASSES")
    words = ("-std=c99", *M4, *macros, "-I.", "-nostartfiles", "-T", script, "-o", "bare.elf", source, f"{name}.c")
    program.run("arm-none-eabi-gcc", *words)
    (program.folder / "pictures").write_bytes(pixels.tobytes())
    said = program.run("qemu-system-arm", *BOARD, "-kernel", "bare.elf")
    numbers = {what: int(number) for what, number in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}
    return f"{numbers['stack']:,}", f"{numbers['instructions'] / numbers['pictures']:,.0f}"


def compared(program: Program, expected: np.ndarray, pixels: np.ndarray) -> tuple[str, str, str, str]:
    """Labels and pictures that differ from LiteRT's, the largest difference of a logit, and the sanitizers' finding."""
    if missing("gcc"):
        return NONE, NONE, NONE, NONE
    logits = program.logits(("-O2",), pixels)
    apart = np.abs(logits - expected)
    labels = (logits.argmax(axis=1) != expected.argmax(axis=1)).sum()
    watched = program.logits(SANITIZERS, pixels)
    clean = "clean" if np.array_equal(watched, logits) else "other logits"
    return f"{labels:,}", f"{apart.any(axis=1).sum():,}", str(apart.max()), clean


def ratio_to_litert(program: Program, compiler: str, data: bytes, pixels: np.ndarray, ready: np.ndarray) -> str:
    """Time a picture by a compiler's -O3, in LiteRT's."""
    if missing(compiler):
        return NONE
    name, library = program.sources.name, program.folder / f"{compiler}.so"
    program.run(compiler, "-std=c99", "-O3", "-shared", "-fPIC", "-o", library, f"{name}.c")
    classify = getattr(ctypes.CDLL(str(library)), f"{name}_classify")
    logits = (ctypes.c_int8 * program.classes)()
    images = [(ctypes.c_uint8 * picture.size).from_buffer_copy(picture) for picture in pixels]
    interpreter = open_interpreter(data, name)
    where = interpreter.get_input_details()[0]["index"]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for image in images:
            classify(image, logits)
        ours.append(time.perf_counter() - started)
        spent = 0.0
        for picture in ready:
            interpreter.set_tensor(where, picture)
            started = time.perf_counter()
            interpreter.invoke()
            spent += time.perf_counter() - started
        theirs.append(spent)
    return f"{min(ours) / min(theirs):.2f}"


def row(name: str, pixels: np.ndarray, folder: Path) -> tuple[str, ...]:
    program, data, macs = written(name, folder)
    ready = TfliteModel.load(data, name).form.feed(pixels)[:, None]
    interpreter = open_interpreter(data, name)
    expected = np.array([run_interpreter(interpreter, picture)[0] for picture in ready]).astype(int)
    constants, code = flash(program)
    stack, instructions = on_cortex_m4(program, pixels[:EMULATED])
    arena = program.sources.arena
    micro = MicroModel.load(data, name).arena_bytes if MicroModel.available() else None
    return (
        name,
        constants,
        code,
        f"{arena:,}",
        stack,
        f"{micro:,}" if micro else NONE,
        f"{micro / arena:.1f}" if micro else NONE,
        f"{macs:,}",
        instructions,
        *compared(program, expected, pixels),
        *(ratio_to_litert(program, compiler, data, pixels[:TIMED], ready[:TIMED]) for compiler in ("gcc", "clang")),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--model", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES), help="some of them")
    options = parser.parse_args()
    pixels = read(options.data, part="test").pixels
    rows = []
    for name in options.model:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, pixels, Path(folder)))
    print(table(HEADER, rows))


HEADER = (
    "model",
    "constants, bytes",
    "code, bytes",
    "arena, bytes",
    "stack, bytes",
    "TFLM's arena, bytes",
    "times ours",
    "MACs",
    "instructions",
    "other labels than LiteRT",
    "other logits",
    "at most by",
    "sanitizers",
    "gcc -O3 to LiteRT",
    "clang -O3 to LiteRT",
)

if __name__ == "__main__":
    main()

"""What the released models take as C: of a Cortex-M4's memory, and of time; and how near their answers are to LiteRT's.

python benchmarks/c_engine.py --data mnist-idx-folder [--model micro ...]

Flash is of the object that arm-none-eabi-gcc makes with -O2; instructions and the deepest stack are counted on a
Cortex-M4 that qemu emulates (cortex_m4.py). Every picture of t10k is classified here by gcc's -O2, whose logits
are compared with LiteRT's, and again under the address and undefined-behaviour sanitizers. Times are ratios to LiteRT
on one thread, picture by picture, in turns with it. A dash stands where a tool is missing.
"""

import argparse
import ctypes
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cortex_m4 import COMPILER, MACHINE, TARGET, classify, tell
from release import RECIPES

from digits_edge.common.tables import table
from digits_edge.export.codegen.c.compiled import Compiler, compiled
from digits_edge.export.codegen.c.sources import Sources, write_sources
from digits_edge.export.codegen.int8_network import Int8Network
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.engines.litert import TfliteModel, open_interpreter
from digits_edge.export.engines.tflm import MicroModel
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer import read_dataset

ROOT = Path(__file__).parents[1]
NONE = "–"
GCC = Compiler(("gcc",), "GCC")
SANITIZERS = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
EMULATED = 100  # pictures on the Cortex-M4
TIMED, ROUNDS = 500, 7  # pictures, and how often; the fastest round counts


@dataclass(frozen=True)
class Program:
    """A released model: its int8 TFLite, what that says, and its C in a folder."""

    data: bytes
    tflite: TfliteModel
    network: Int8Network
    sources: Sources
    folder: Path


def written(name: str, folder: Path) -> Program:
    bundle = Bundle.open(ROOT / "artifacts" / name)
    data = bundle.read("model.int8.tflite")
    network, tflite = read_network(data), TfliteModel.load(data, name)
    sources = write_sources(network, bundle.contract(), tflite.spec.output)
    for file, text in sources.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return Program(data, tflite, network, sources, folder)


def missing(*tools: str) -> bool:
    return not all(map(shutil.which, tools))


def flash(program: Program) -> tuple[str, str]:
    """Bytes of constants and of code in the object for a Cortex-M4."""
    if missing(COMPILER, "arm-none-eabi-size"):
        return NONE, NONE
    tell(COMPILER, "-std=c99", *TARGET, "-c", "-o", "m4.o", f"{program.sources.name}.c", cwd=program.folder)
    listed = tell("arm-none-eabi-size", "-A", "m4.o", cwd=program.folder)
    sections = re.findall(r"^\.(text|rodata)\S* +(\d+)", listed, re.MULTILINE)
    constants, code = (sum(int(size) for kind, size in sections if kind == of) for of in ("rodata", "text"))
    return f"{constants:,}", f"{code:,}"


def on_cortex_m4(program: Program, pixels: np.ndarray) -> tuple[str, str]:
    """Bytes of stack, and instructions a picture."""
    if missing(COMPILER, MACHINE):
        return NONE, NONE
    numbers, _ = classify(program.sources.name, program.folder, pixels)
    return f"{numbers['stack']:,}", f"{numbers['instructions'] / numbers['pictures']:,.0f}"


def cost(name: str, program: Program, pixels: np.ndarray) -> tuple[str, ...]:
    """What it takes of a Cortex-M4."""
    constants, code = flash(program)
    stack, instructions = on_cortex_m4(program, pixels[:EMULATED])
    arena = program.sources.arena
    micro = MicroModel.load(program.data, name).arena_bytes if MicroModel.available() else None
    theirs = (f"{micro:,}", f"{micro / arena:.1f}") if micro else (NONE, NONE)
    return name, constants, code, f"{arena:,}", stack, *theirs, f"{program.network.macs:,}", instructions


def agreement(name: str, program: Program, pixels: np.ndarray) -> tuple[str, ...]:
    """Labels and pictures that differ from LiteRT's, the largest difference of a logit, what sanitizers find, times."""
    times = [ratio_to_litert(program, compiler, pixels[:TIMED]) for compiler in ("gcc", "clang")]
    if missing("gcc"):
        return name, NONE, NONE, NONE, NONE, *times
    expected = program.tflite.logits(pixels).astype(int)
    with compiled(program.sources, GCC) as run:
        logits = run(pixels).astype(int)
    apart = np.abs(logits - expected)
    labels = (logits.argmax(axis=1) != expected.argmax(axis=1)).sum()
    with compiled(program.sources, GCC, SANITIZERS) as run:
        watched = run(pixels)
    clean = "clean" if np.array_equal(watched, logits) else "other logits"
    return name, f"{labels:,}", f"{apart.any(axis=1).sum():,}", str(apart.max()), clean, *times


def ratio_to_litert(program: Program, compiler: str, pixels: np.ndarray) -> str:
    """Time a picture by a compiler's -O3, in LiteRT's."""
    if missing(compiler):
        return NONE
    name, library = program.sources.name, program.folder / f"{compiler}.so"
    tell(compiler, "-std=c99", "-O3", "-shared", "-fPIC", "-o", library, f"{name}.c", cwd=program.folder)
    classify_ = getattr(ctypes.CDLL(str(library)), f"{name}_classify")
    logits = (ctypes.c_int8 * program.network.classes)()
    images = [(ctypes.c_uint8 * picture.size).from_buffer_copy(picture) for picture in pixels]
    interpreter, ready = open_interpreter(program.data, name), program.tflite.spec.feed(pixels)[:, None]
    where = interpreter.get_input_details()[0]["index"]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for image in images:
            classify_(image, logits)
        ours.append(time.perf_counter() - started)
        spent = 0.0
        for picture in ready:
            interpreter.set_tensor(where, picture)
            started = time.perf_counter()
            interpreter.invoke()
            spent += time.perf_counter() - started
        theirs.append(spent)
    return f"{min(ours) / min(theirs):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--model", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES), help="some of them")
    options = parser.parse_args()
    pixels = read_dataset(options.data, part="test").pixels
    costs, agreements = [], []
    for name in options.model:
        with tempfile.TemporaryDirectory() as folder:
            program = written(name, Path(folder))
            costs.append(cost(name, program, pixels))
            agreements.append(agreement(name, program, pixels))
    print(table(COST, costs), table(AGREEMENT, agreements), sep="\n\n")


COST = ("model", "constants", "code", "arena", "stack", "TFLM's arena", "times ours", "MACs", "instructions a picture")
AGREEMENT = (
    "model",
    "labels not LiteRT's",
    "pictures with other logits",
    "at most by",
    "sanitizers",
    "gcc -O3, of LiteRT's time",
    "clang -O3",
)

if __name__ == "__main__":
    main()

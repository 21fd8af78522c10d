"""What the released models take as C: of a Cortex-M4's memory, and of time; and how near their answers are to LiteRT's.

python benchmarks/c_engine.py --data mnist-idx-folder [--model micro ...]

Flash is of the object that GCC makes with -O2; instructions and the deepest stack are counted under qemu
(bare_metal.py). Every picture of t10k is classified here by gcc's -O2, whose logits are compared with LiteRT's, and
again under the address and undefined-behaviour sanitizers. Times are ratios to LiteRT on one thread, in turns with it.
A dash stands where a tool is missing.
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
from bare_metal import CORES, M4, Core, classify, tell

from digits_edge.common.tables import table
from digits_edge.export.codegen.c.compiled import Compiler, compiled
from digits_edge.export.codegen.c.sources import Sources, write_sources
from digits_edge.export.codegen.int8_network import Int8Network
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.engines.litert import TfliteModel, open_interpreter
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer import read_dataset
from digits_edge.trainer.released import NAMES

ROOT = Path(__file__).parents[1]
NONE = "–"
GCC = Compiler(("gcc",), "GCC")
SANITIZERS = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
LEVELS = (("-O2",), ("-O3",), ("-Os",), ("-Os", "-D{}_SMALL"))
HOST = (("gcc", "-O2"), ("gcc", "-O3"), ("gcc", "-Os"), ("clang", "-O3"))
TFLM_ARENA = {"micro": 7940, "compact": 20324}  # bytes, of the same models where pointers have 32 bits
FEW = 3  # pictures on the other cores: instructions hardly depend on the picture
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


def flash(program: Program, core: Core = M4) -> tuple[str, str]:
    """Bytes of constants and of code in the object."""
    size = core.compiler.replace("gcc", "size")
    if missing(core.compiler, size):
        return NONE, NONE
    source = f"{program.sources.name}.c"
    tell(core.compiler, "-std=c99", *core.target, "-O2", "-c", "-o", "object.o", source, cwd=program.folder)
    listed = tell(size, "-A", "object.o", cwd=program.folder)
    sections = re.findall(r"^\.(text|rodata)\S* +(\d+)", listed, re.MULTILINE)
    constants, code = (sum(int(size) for kind, size in sections if kind == of) for of in ("rodata", "text"))
    return f"{constants:,}", f"{code:,}"


def on_core(
    program: Program, pixels: np.ndarray, core: Core = M4, level: tuple[str, ...] = ("-O2",)
) -> tuple[str, str]:
    """Bytes of stack, and instructions a picture."""
    if missing(core.compiler, core.machine):
        return NONE, NONE
    name = program.sources.name
    flags = [flag.format(name.upper()) for flag in level]
    numbers, _ = classify(name, program.folder, pixels, core, flags)
    return f"{numbers['stack']:,}", f"{numbers['instructions'] / numbers['pictures']:,.0f}"


def on_cores(name: str, program: Program, pixels: np.ndarray) -> list[tuple[str, ...]]:
    """On each core the bytes of code by -O2, and instructions a picture at each level of optimization."""
    return [
        (name, core, flash(program, of)[1], *(on_core(program, pixels, of, level)[1] for level in LEVELS))
        for core, of in CORES.items()
    ]


def cost(name: str, program: Program, pixels: np.ndarray) -> tuple[str, ...]:
    """What it takes of a Cortex-M4."""
    constants, code = flash(program)
    stack, instructions = on_core(program, pixels[:EMULATED])
    arena = program.sources.arena
    micro = TFLM_ARENA.get(name)
    theirs = (f"{micro:,}", f"{micro / arena:.1f}") if micro else (NONE, NONE)
    return name, constants, code, f"{arena:,}", stack, *theirs, f"{program.network.macs:,}", instructions


def agreement(name: str, program: Program, pixels: np.ndarray) -> tuple[str, ...]:
    """Labels and pictures that differ from LiteRT's, the largest difference of a logit, what sanitizers find, times."""
    times = [ratio_to_litert(program, compiler, level, pixels[:TIMED]) for compiler, level in HOST]
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


def ratio_to_litert(program: Program, compiler: str, level: str, pixels: np.ndarray) -> str:
    """Time a picture by a compiler, in LiteRT's."""
    if missing(compiler):
        return NONE
    name, library = program.sources.name, program.folder / f"{compiler}{level}.so"
    tell(compiler, "-std=c99", level, "-shared", "-fPIC", "-o", library, f"{name}.c", cwd=program.folder)
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
    return f"{min(ours) / min(theirs):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--model", nargs="+", choices=NAMES, default=NAMES, help="some of them")
    options = parser.parse_args()
    pixels = read_dataset(options.data, part="test").pixels
    costs, instructions, agreements = [], [], []
    for name in options.model:
        with tempfile.TemporaryDirectory() as folder:
            program = written(name, Path(folder))
            costs.append(cost(name, program, pixels))
            instructions += on_cores(name, program, pixels[:FEW])
            agreements.append(agreement(name, program, pixels))
    tables = ((COST, costs), (INSTRUCTIONS, instructions), (PUBLISHED, OTHERS), (AGREEMENT, agreements))
    print(*(table(head, rows) for head, rows in tables), sep="\n\n")


COST = ("model", "constants", "code", "arena", "stack", "TFLM's arena", "times ours", "MACs", "instructions a picture")
INSTRUCTIONS = ("model", "core", "code at -O2", "-O2", "-O3", "-Os", "-Os, NAME_SMALL")
PUBLISHED = ("engine", "network", "instructions a picture", "accuracy on t10k", "by")
ON_M4 = "a Cortex-M4 under qemu, as ours"
OTHERS = (
    ("CMSIS-NN", "micro", "1,762,514", "the same", ON_M4),
    ("CMSIS-NN", "compact", "4,983,428", "the same", ON_M4),
    ("CMSIS-NN", "notebook", "20,399,860", "the same", ON_M4),
    ("TFLM's reference kernels", "micro", "22.95 a MAC", "the same", ON_M4),
    ("TFLM's reference kernels", "compact", "15.01 a MAC", "the same", ON_M4),
    ("BitNetMCU", "its own", "1.31 M", "99.54 %", "published"),
    ("TinyMaix", "its own", "0.20 M", "95.6 %", "published"),
    ("NNoM", "its own", "9.2 M", "98.9 %", "published"),
)
AGREEMENT = (
    "model",
    "labels not LiteRT's",
    "pictures with other logits",
    "at most by",
    "sanitizers",
    "gcc -O2, of LiteRT's time",
    "gcc -O3",
    "gcc -Os",
    "clang -O3",
)

if __name__ == "__main__":
    main()

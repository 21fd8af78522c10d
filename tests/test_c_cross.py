"""The C of an export gives the same bytes on other machines: a Cortex-M4, RISC-V, big-endian s390x (`make test-c`)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras import layers

from digits_edge.export import conversions
from digits_edge.export.c.sources import Sources, write_sources
from digits_edge.export.engines import TfliteModel
from digits_edge.export.from_tflite import read_network
from digits_edge.export.int8 import Int8Network
from digits_edge.export.network import Network
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.contract import Contract, Golden

pytestmark = pytest.mark.cross

HERE = Path(__file__).resolve().parent
RELEASED = HERE.parent / "artifacts"
BARE = HERE / "c/cortex_m4.c", HERE / "c/cortex_m4.ld"
PICTURES = {"micro": 300, "compact": 60, "notebook": 12, "own": 60}  # more of what is quick
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
M4 = ("-mcpu=cortex-m4", "-mthumb")
BOARD = ("-M", "mps2-an386", "-nographic", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native")
MACHINES = {
    "riscv64": ("riscv64-linux-gnu-gcc", "qemu-riscv64"),
    "s390x": ("s390x-linux-gnu-gcc", "qemu-s390x"),
}
PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
    "s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu libc6-dev-s390x-cross",
    "qemu-riscv64": "qemu-user",
    "qemu-s390x": "qemu-user",
    "clang": "clang",
}
COMPILERS = {"arm-none-eabi-gcc": M4, "riscv64-linux-gnu-gcc": (), "s390x-linux-gnu-gcc": (), "clang": ()}


@dataclass(frozen=True)
class Case:
    """A network with its C in a folder, pictures, and the logits int8[N, C] that numpy makes of them."""

    sources: Sources
    folder: Path
    pixels: npt.NDArray[np.uint8]
    logits: npt.NDArray[np.int8]


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(f"{name}-static")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {PACKAGES[name]})")
    return found


def run(*words: object, cwd: Path, given: bytes | None = None) -> str:
    """What it printed, on stdout or on stderr, where qemu has what a bare machine prints."""
    pipe, together = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(list(map(str, words)), cwd=cwd, input=given or b"", stdout=pipe, stderr=together, timeout=500)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def colourful() -> keras.Sequential:
    """Colour, padding on all sides, strides, windows of odd shapes, every kind of layer that C has."""
    parts = [
        layers.Conv2D(6, (3, 5), strides=2, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.Conv2D(5, 3, padding="same", activation="relu6"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    ]
    return keras.Sequential([keras.Input((20, 24, 3)), *parts])


def own(folder: Path) -> tuple[Int8Network, TfliteModel, Contract]:
    keras.utils.set_random_seed(3)
    model, drawn = colourful(), np.random.default_rng(3)
    model.set_weights([w + np.abs(drawn.normal(0, 0.1, w.shape)) for w in model.get_weights()])
    model.save(folder / "own.keras")
    pixels = drawn.integers(0, 256, (64, 20, 24, 3), dtype=np.uint8)
    data = conversions.tflite(Network(folder / "own.keras", "-1..1"), pixels)
    golden = Golden(pixels[:4], np.zeros((4, 3), np.float32))
    contract = Contract("own", ("no", "yes", "perhaps"), (20, 24, 3), "resize", 0.5, 0.5, golden)
    return read_network(data), TfliteModel.load(data, "own"), contract


def released(name: str) -> tuple[Int8Network, TfliteModel, Contract]:
    bundle = Bundle.open(RELEASED / name)
    data = bundle.read("model.int8.tflite")
    return read_network(data), TfliteModel.load(data, name), bundle.contract()


@pytest.fixture(scope="module")
def cases(digits, tmp_path_factory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            network, model, contract = own(folder) if name == "own" else released(name)
            count = PICTURES[name]
            drawn = np.random.default_rng(5).integers(0, 256, (count, *contract.shape), dtype=np.uint8)
            pixels = drawn if name == "own" else digits.pixels[:: len(digits) // count][:count]
            sources = write_sources(network, contract, model.output, "not judged here")
            for file, text in sources.files.items():
                (folder / file).write_text(text, encoding="utf-8")
            made[name] = Case(sources, folder, pixels, network.logits(pixels))
        return made[name]

    return get


@pytest.fixture(params=PICTURES)
def case(request, cases):
    return cases(request.param)


def on_cortex_m4(case: Case, source: str = "", flags: Sequence[str] = ()) -> dict[str, int]:
    """Run the bare program on `pictures`, or a self-test; what it printed."""
    (program, script), name = BARE, case.sources.name
    compiler, machine = tool("arm-none-eabi-gcc"), tool("qemu-system-arm")
    macros = {
        "HEADER": f'"{name}.h"',
        "CLASSIFY": f"{name}_classify",
        "PIXELS": f"{name.upper()}_PIXELS",
        "CLASSES": f"{name.upper()}_CLASSES",
    }
    defined = [f"-D{key}={value}" for key, value in macros.items()]
    warnings = ("-std=c99", "-Wall", "-Wextra", "-Werror")
    words = (*warnings, *M4, "-O2", *defined, *flags, "-I.", "-nostartfiles", "-T", script, "-o", "bare.elf", program)
    run(compiler, *words, *filter(None, [source]), f"{name}.c", cwd=case.folder)
    said = run(machine, *BOARD, "-kernel", "bare.elf", cwd=case.folder)
    return {what: int(number) for what, number in re.findall(r"^(\w+) (\d+)$", said, re.MULTILINE)}


def test_a_cortex_m4_gives_the_bytes_of_numpy(case):
    (case.folder / "pictures").write_bytes(case.pixels.tobytes())
    said = on_cortex_m4(case)
    assert said["pictures"] == len(case.pixels)
    answers = np.fromfile(case.folder / "logits", np.int8).reshape(len(case.pixels), -1)
    np.testing.assert_array_equal(answers[:, 1:], case.logits)
    np.testing.assert_array_equal(answers[:, 0], case.logits.argmax(axis=1))


def test_a_cortex_m4_passes_the_self_test(case):
    on_cortex_m4(case, "selftest.c", ("-DSELFTEST", "--specs=rdimon.specs"))


def test_a_tick_of_the_cortex_m4_is_forty_instructions(cases):
    case = cases("micro")
    (case.folder / "pictures").write_bytes(case.pixels[:1].tobytes())
    said = on_cortex_m4(case)
    assert said["loop_instructions"] / said["loop_ticks"] == pytest.approx(40, rel=1e-4)  # of a clock of 25 MHz


@pytest.mark.parametrize("machine", MACHINES)
def test_another_processor_gives_the_bytes_of_numpy(case, machine):
    compiler, emulator = map(tool, MACHINES[machine])
    program, name = f"model-{machine}", case.sources.name
    run(compiler, *STRICT, "-static", "-o", program, "main.c", f"{name}.c", cwd=case.folder)
    said = run(emulator, program, cwd=case.folder, given=case.pixels.tobytes())
    rows = [line.split("\t") for line in said.splitlines()]
    np.testing.assert_array_equal([[int(logit) for logit in row[1:]] for row in rows], case.logits)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_processor_passes_the_self_test(case, machine):
    compiler, emulator = map(tool, MACHINES[machine])
    program = f"selftest-{machine}"
    run(compiler, *STRICT, "-static", "-o", program, "selftest.c", f"{case.sources.name}.c", cwd=case.folder)
    run(emulator, program, cwd=case.folder)


def test_the_self_test_can_fail_where_a_weight_is_another(cases, tmp_path):
    compiler, emulator = map(tool, MACHINES["s390x"])
    case = cases("micro")
    text = case.sources.files["micro.c"]
    first = re.search(r"weights\d+\[\d+\] = \{\s+(-?\d+)", text)
    assert first is not None
    (tmp_path / "micro.c").write_text(f"{text[: first.start(1)]}{-int(first[1]) or 1}{text[first.end(1) :]}")
    for file in ("micro.h", "selftest.c"):
        shutil.copy(case.folder / file, tmp_path)
    run(compiler, *STRICT, "-static", "-o", "selftest", "selftest.c", "micro.c", cwd=tmp_path)
    with pytest.raises(AssertionError, match="other logits than expected"):
        run(emulator, "selftest", cwd=tmp_path)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_compiler_has_nothing_to_say(case, compiler):
    for source in (f"{case.sources.name}.c", "main.c", "selftest.c"):
        run(tool(compiler), *STRICT, *COMPILERS[compiler], "-c", "-o", "object.o", source, cwd=case.folder)


def stated(case: Case) -> tuple[int, int, int]:
    """Bytes of flash, arena and stack, as the header has them."""
    header = case.sources.files[f"{case.sources.name}.h"]
    found = re.search(r"Flash: +([\d,]+) bytes.*\n.*RAM: +([\d,]+) bytes of arena, and ([\d,]+) of stack", header)
    assert found is not None, header
    flash, arena, stack = (int(number.replace(",", "")) for number in found.groups())
    return flash, arena, stack


def frames(case: Case) -> dict[str, tuple[int, str]]:
    """By function: bytes of stack, and of which kind they are, by GCC's own account."""
    usage = (case.folder / "object.su").read_text(encoding="ascii")
    rows = [line.split("\t") for line in usage.splitlines()]
    return {where.rpartition(":")[2]: (int(size), kind) for where, size, kind in rows}


def test_it_takes_no_more_of_a_cortex_m4_than_its_header_states(case):
    flash, arena, stack = stated(case)
    compiler, size = tool("arm-none-eabi-gcc"), tool("arm-none-eabi-size")
    name = case.sources.name
    run(compiler, *STRICT, *M4, "-fstack-usage", "-c", "-o", "object.o", f"{name}.c", cwd=case.folder)
    text, data, bss = map(int, run(size, "object.o", cwd=case.folder).splitlines()[1].split()[:3])
    used = frames(case)
    assert text <= flash
    assert (data, bss) == (0, arena)
    assert {kind for _, kind in used.values()} == {"static"}
    assert sum(bytes for bytes, _ in used.values()) <= stack  # even if each function had called all others
    (case.folder / "pictures").write_bytes(case.pixels[:2].tobytes())
    assert on_cortex_m4(case)["stack"] <= stack


def test_micro_fits_a_small_microcontroller(cases):
    flash, arena, stack = stated(cases("micro"))
    assert flash < 12 * 1024
    assert arena + stack < 8 * 1024

"""The C of an export gives the same bytes on Cortex-M, RISC-V, an AVR and big-endian s390x (`make test-c`)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bare_metal
import numpy as np
import numpy.typing as npt
import pytest
from bare_metal import CORES, M4, Core, tell
from networks import STRICT, plain, released, sources_of, tflite_of

from digits_edge.export.codegen.c.sources import Sources
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.trainer.released import NAMES

pytestmark = pytest.mark.cross

HERE = Path(__file__).parent
PICTURES = {"nano": 300, "micro": 300, "compact": 60, "notebook": 12, "own": 60}  # more of what is quick
MACHINES = {
    "riscv64": ("riscv64-linux-gnu-gcc", "qemu-riscv64"),
    "s390x": ("s390x-linux-gnu-gcc", "qemu-s390x"),
}
PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "qemu-system-riscv32": "qemu-system-misc",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
    "s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu libc6-dev-s390x-cross",
    "qemu-riscv64": "qemu-user",
    "qemu-s390x": "qemu-user",
    "clang": "clang",
    "avr-gcc": "gcc-avr avr-libc",
    "simavr": "simavr",
}
AVR = ("-mmcu=atmega2560",)
COMPILERS = {
    **{(core.compiler, name): core.target for name, core in CORES.items()},
    **{(name, ""): () for name in ("riscv64-linux-gnu-gcc", "s390x-linux-gnu-gcc", "clang")},
}
OTHER_BUILDS = [("M4", ("-O2", "-U__ARM_FEATURE_SIMD32")), ("M4", ("-Os",)), ("M55", ("-O3",))]
BUILDS = [*((core, ("-O2",)) for core in CORES), *OTHER_BUILDS]


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


@pytest.fixture(scope="module")
def cases(digits, tmp_path_factory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            if name in NAMES:
                data, pixels = released(name), digits.pixels[:: len(digits) // PICTURES[name]][: PICTURES[name]]
            else:
                data, pixels = tflite_of(plain, "-1..1", folder)
            network = read_network(data)
            sources = sources_of(network, name=name, golden=pixels[:10])
            for file, text in sources.files.items():
                (folder / file).write_text(text, encoding="utf-8")
            made[name] = Case(sources, folder, pixels, network.logits(pixels))
        return made[name]

    return get


@pytest.fixture(params=PICTURES)
def case(request, cases):
    return cases(request.param)


def tools(core: Core) -> Core:
    """A core, for which the tools are here."""
    tool(core.compiler)
    tool(core.machine)
    return core


@pytest.mark.parametrize(("core", "flags"), BUILDS)
def test_a_bare_processor_gives_the_bytes_of_numpy(case, core, flags):
    said, answers = bare_metal.classify(case.sources.name, case.folder, case.pixels, tools(CORES[core]), flags)
    assert said["pictures"] == len(case.pixels)
    np.testing.assert_array_equal(answers[:, 1:], case.logits)
    np.testing.assert_array_equal(answers[:, 0], case.logits.argmax(axis=1))


def test_a_cortex_m4_passes_the_self_test(case):
    flags = ("-O2", "selftest.c", "-DSELFTEST", "--specs=rdimon.specs")
    said = bare_metal.run(case.sources.name, case.folder, tools(M4), flags)
    assert "10 of 10 golden vectors agree" in said


@pytest.mark.parametrize(("core", "instructions"), [("M4", 40), ("RV32", 1)])  # the Cortex-M4's clock has 25 MHz
def test_a_tick_is_so_many_instructions(cases, core, instructions):
    case = cases("micro")
    said, _ = bare_metal.classify(case.sources.name, case.folder, case.pixels[:1], tools(CORES[core]))
    assert said["loop_instructions"] / said["loop_ticks"] == pytest.approx(instructions, rel=1e-4)


def test_optimized_for_size_it_takes_no_more_instructions_unless_that_is_asked_for(cases):
    case = cases("compact")

    def instructions(*flags: str) -> int:
        numbers: dict[str, int] = bare_metal.classify("compact", case.folder, case.pixels[:1], tools(M4), flags)[0]
        return numbers["instructions"]

    fast = instructions("-O2")
    assert instructions("-Os") <= 1.01 * fast
    assert instructions("-Os", "-DCOMPACT_SMALL") > 1.5 * fast


@pytest.mark.parametrize("machine", MACHINES)
def test_another_processor_gives_the_bytes_of_numpy(case, machine):
    compiler, emulator = map(tool, MACHINES[machine])
    program, name = f"model-{machine}", case.sources.name
    tell(compiler, *STRICT, "-static", "-o", program, "main.c", f"{name}.c", cwd=case.folder)
    said = tell(emulator, program, cwd=case.folder, given=case.pixels.tobytes())
    rows = [line.split("\t") for line in said.splitlines()]
    np.testing.assert_array_equal([[int(logit) for logit in row[1:]] for row in rows], case.logits)


@pytest.mark.parametrize("machine", MACHINES)
def test_another_processor_passes_the_self_test(case, machine):
    compiler, emulator = map(tool, MACHINES[machine])
    program = f"selftest-{machine}"
    tell(compiler, *STRICT, "-static", "-o", program, "selftest.c", f"{case.sources.name}.c", cwd=case.folder)
    assert "10 of 10 golden vectors agree" in tell(emulator, program, cwd=case.folder)


def test_the_self_test_can_fail_where_a_weight_is_another(cases, tmp_path):
    compiler, emulator = map(tool, MACHINES["s390x"])
    case = cases("micro")
    text = case.sources.files["micro.c"]
    first = re.search(r"weights\d+\[\d+\] = \{\s+(-?\d+)", text)
    assert first is not None
    (tmp_path / "micro.c").write_text(f"{text[: first.start(1)]}{-int(first[1]) or 1}{text[first.end(1) :]}")
    for file in ("micro.h", "selftest.c"):
        shutil.copy(case.folder / file, tmp_path)
    tell(compiler, *STRICT, "-static", "-o", "selftest", "selftest.c", "micro.c", cwd=tmp_path)
    with pytest.raises(AssertionError, match="other logits than expected"):
        tell(emulator, "selftest", cwd=tmp_path)


def test_an_avr_gives_the_bytes_of_numpy(cases, tmp_path):
    """With weights that stay in flash: they would not fit its 8 kB of RAM."""
    compiler, emulator, case = tool("avr-gcc"), tool("simavr"), cases("micro")
    rows = ", ".join(f"{{ {', '.join(map(str, picture.ravel()))} }}" for picture in case.pixels[:2])
    (tmp_path / "pictures.h").write_text(f"static const uint8_t pictures[][MICRO_PIXELS] PROGMEM = {{ {rows} }};\n")
    sources = (HERE / "avr.c", case.folder / "micro.c")
    flags = (*STRICT, *AVR, f"-I{case.folder}", "-I.")
    tell(compiler, *flags, "-o", "avr.elf", *sources, cwd=tmp_path)
    said = tell(emulator, "-m", "atmega2560", "-f", "16000000", "avr.elf", cwd=tmp_path)
    lines = re.findall(r"(?:[ -]\d+){10}", said)
    assert [list(map(int, re.findall(r"-?\d+", line))) for line in lines] == case.logits[:2].tolist()


@pytest.mark.parametrize(("compiler", "core"), COMPILERS)
def test_a_compiler_has_nothing_to_say(case, compiler, core):
    for source in (f"{case.sources.name}.c", "main.c", "selftest.c"):
        flags = (*STRICT, *COMPILERS[compiler, core], "-c", "-o", "object.o")
        assert tell(tool(compiler), *flags, source, cwd=case.folder) == ""


@pytest.mark.parametrize("name", ["nano", "micro", "compact", "own"])  # notebook has more weights than an AVR has flash
def test_the_compiler_of_an_avr_has_nothing_to_say(cases, name):
    case = cases(name)
    assert tell(tool("avr-gcc"), *STRICT, *AVR, "-c", "-o", "object.o", f"{name}.c", cwd=case.folder) == ""


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
    compiler, size = tools(M4).compiler, tool("arm-none-eabi-size")
    name = case.sources.name
    tell(compiler, *STRICT, *M4.target, "-fstack-usage", "-c", "-o", "object.o", f"{name}.c", cwd=case.folder)
    text, data, bss = map(int, tell(size, "object.o", cwd=case.folder).splitlines()[1].split()[:3])
    used = frames(case)
    assert text <= flash
    assert (data, bss) == (0, arena)
    assert {kind for _, kind in used.values()} == {"static"}
    assert sum(bytes for bytes, _ in used.values()) <= stack  # even if each function had called all others
    said, _ = bare_metal.classify(name, case.folder, case.pixels[:2])
    assert said["stack"] <= stack


def test_micro_fits_a_small_microcontroller(cases):
    flash, arena, stack = stated(cases("micro"))
    assert flash < 12 * 1024
    assert arena + stack < 8 * 1024

"""The forms in which board people take a library: each is read by its own tool, or as its specification says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from networks import ARTIFACTS, plain, sources_of, tflite_of, write_library

from digits_edge.export.codegen.c.compiled import Compiler
from digits_edge.export.codegen.c.library import library_files
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.engines.tensor_spec import Quantization
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import Contract, Golden

BOARDS = Path(__file__).parents[1] / "boards"  # what stands for the libraries of a board
SEMANTIC_VERSION = r"\d+\.\d+\.\d+(\+[0-9a-f]{8})?"
FILES = {
    "CMakeLists.txt",
    "Makefile",
    "examples/Camera/Camera.ino",
    "examples/Picture/Picture.ino",
    "examples/TouchPanel/TouchPanel.ino",
    "idf_component.yml",
    "library.json",
    "library.properties",
    "main.c",
    "micro.c",
    "micro.h",
    "micro_camera.c",
    "micro_camera.h",
    "micro_mpy.py",
    "selftest.c",
    "shared.c",
    "src/micro.c",
    "src/micro.h",
    "src/micro_camera.c",
    "src/micro_camera.h",
    "zephyr/CMakeLists.txt",
    "zephyr/module.yml",
}

needs_cmake = pytest.mark.skipif(
    shutil.which("cmake") is None or Compiler.find() is None, reason="there is no CMake or no C compiler here"
)
needs_cpp = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made: Path = write_library("micro", tmp_path_factory.mktemp("c") / "micro")
    return made


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_these_files_are_written(folder):
    assert files_below(folder) == FILES


def test_an_export_publishes_them_with_their_hashes(translated):
    names = {name.removeprefix("c/").replace("short", "micro") for name in translated.names if name.startswith("c/")}
    assert names == FILES
    translated.verify()
    assert files_below(translated.path) == {*translated.names, "manifest.json"}


def test_the_same_network_gives_the_same_files(folder, tmp_path):
    again = write_library("micro", tmp_path)
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in FILES)


# Arduino: the library specification, and what arduino-lint asks for.


def test_arduino_finds_a_library(folder):
    lines = (folder / "library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = ["name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"]
    assert [name for name in required if not fields.get(name)] == []
    assert set(fields) <= {*required, "includes"}
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{,62}", fields["name"])
    assert re.fullmatch(SEMANTIC_VERSION, fields["version"])
    assert fields["category"] == "Data Processing"  # one of those that the specification lists
    assert fields["architectures"] == "*"
    assert fields["url"].startswith("https://")
    assert not fields["paragraph"].startswith(fields["sentence"])  # the sentence is shown before it
    assert (folder / "src" / fields["includes"]).is_file()
    for sketch in (folder / "examples").iterdir():
        assert (sketch / f"{sketch.name}.ino").is_file()  # a sketch has the name of its folder
    assert not [path for path in folder.rglob("*") if path.is_symlink() or path.suffix == ".exe"]


@needs_cpp
@pytest.mark.parametrize(
    ("sketch", "said"),
    [("Picture", r"0 in \d+ microseconds"), ("Camera", "3"), ("TouchPanel", "1|7")],
)
def test_a_sketch_compiles_and_says_what_it_sees(sketch, said, folder, tmp_path):
    """The sketch as C++ with a header that stands for Arduino's, and the sources that Arduino would compile."""
    compiler = Compiler.find()
    assert compiler is not None
    include = ("-I", folder / "src", "-I", BOARDS, "-I", tmp_path)
    warnings = ("-Wall", "-Wextra", "-Werror")
    for source in (folder / "src").glob("*.c"):
        run(*compiler.command, "-std=c99", "-c", source, cwd=tmp_path)
    text = (folder / f"examples/{sketch}/{sketch}.ino").read_text()
    golden = Bundle.open(ARTIFACTS / "micro").contract().golden
    three = golden.pixels[golden.probabilities.argmax(axis=1).tolist().index(3)].ravel().tolist()
    (tmp_path / "digit.h").write_text(f"static const uint8_t digit[] = {{ {', '.join(map(str, three))} }};\n")
    (tmp_path / "sketch.cpp").write_text(f'#include <Arduino.h>\n{text}\n#include "{sketch}.inc"\n')
    run("c++", "-std=c++11", *warnings, *include, "-o", "sketch", "sketch.cpp", *tmp_path.glob("*.o"), cwd=tmp_path)
    lines = run("./sketch", cwd=tmp_path).splitlines()
    wanted = said.split("|")
    assert len(lines) == len(wanted)
    for line, pattern in zip(lines, wanted, strict=True):
        assert re.fullmatch(pattern, line), lines


# PlatformIO, ESP-IDF and Zephyr: their manifests.


def test_platformio_finds_a_library(folder):
    manifest = json.loads((folder / "library.json").read_text())
    assert re.fullmatch(r"[a-z0-9_-]{1,50}", manifest["name"])
    assert re.fullmatch(SEMANTIC_VERSION, manifest["version"])
    assert len(manifest["version"]) <= 20
    assert len(manifest["description"]) <= 255
    assert (folder / "src" / manifest["headers"]).is_file()


def test_the_version_is_the_models_own(folder, digits, tmp_path):
    one, other = ((write_library(name, tmp_path / name) / "library.json").read_text() for name in ("micro", "compact"))
    assert json.loads(one)["version"].partition("+")[0] == json.loads(other)["version"].partition("+")[0]
    assert json.loads(one)["version"] != json.loads(other)["version"]


def test_espressifs_component_manager_finds_a_component(folder):
    manifest = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert set(manifest) == {"version", "description", "url"}
    assert re.fullmatch(SEMANTIC_VERSION, manifest["version"])


def test_zephyr_finds_a_module(folder):
    module = yaml.safe_load((folder / "zephyr/module.yml").read_text())
    assert module == {"name": "micro", "build": {"cmake": "zephyr"}}
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()


# CMake


def built(project: Path, *options: str) -> str:
    said = run("cmake", "-S", project, "-B", project / "build", *options, cwd=project)
    assert "warning" not in said.lower()
    return said + run("cmake", "--build", project / "build", cwd=project)


@needs_cmake
def test_cmake_builds_it_alone_and_its_self_test_passes(folder, tmp_path):
    project = shutil.copytree(folder, tmp_path / "micro")
    built(project)
    assert "100% tests passed" in run("ctest", "--test-dir", project / "build", cwd=project)


PROGRAM = """
#include <micro.h>
#include <stdio.h>

int main(void)
{
    static const uint8_t image[MICRO_PIXELS];
    int8_t logits[MICRO_CLASSES];
    printf("class %d\\n", micro_classify(image, logits));
    return 0;
}
"""


@needs_cmake
def test_a_project_adds_it_as_the_pico_sdks_do(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "lib/micro")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13...4.0)\nproject(program LANGUAGES C)\nadd_subdirectory(lib/micro)\n"
        "add_executable(program program.c)\ntarget_link_libraries(program micro)\n"
    )
    built(tmp_path)
    assert re.fullmatch(r"class \d\n", run(tmp_path / "build/program", cwd=tmp_path))
    assert not (tmp_path / "build/lib/micro/selftest").exists()


STANDS_FOR = {
    "ESP-IDF": (
        "set(ESP_PLATFORM 1)",
        """
function(idf_component_register)
  cmake_parse_arguments(c "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  add_library(component STATIC ${c_SRCS})
  target_include_directories(component PUBLIC ${c_INCLUDE_DIRS})
endfunction()""",
        "micro",
    ),
    "Zephyr": (
        "",
        """
function(zephyr_library_named name)
  add_library(component STATIC)
endfunction()
function(zephyr_library_sources)
  target_sources(component PRIVATE ${ARGN})
endfunction()
function(zephyr_include_directories)
  foreach(folder ${ARGN})
    get_filename_component(folder ${folder} ABSOLUTE)
    target_include_directories(component PUBLIC ${folder})
  endforeach()
endfunction()""",
        "micro/zephyr",
    ),
}


@needs_cmake
@pytest.mark.parametrize("system", STANDS_FOR)
def test_the_functions_of_another_build_system_get_what_they_need(system, folder, tmp_path):
    setting, functions, added = STANDS_FOR[system]
    shutil.copytree(folder, tmp_path / "micro")
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.20...4.0)\nproject(program LANGUAGES C)\n{setting}{functions}\n"
        f"add_subdirectory({added})\nadd_executable(program program.c)\ntarget_link_libraries(program component)\n"
    )
    built(tmp_path)
    assert run(tmp_path / "build/program", cwd=tmp_path).startswith("class ")


# Other models


def test_a_model_of_colour_pictures_has_the_sketch_that_fits_it(tmp_path):
    data, pixels = tflite_of(plain, "-1..1", tmp_path)
    network = read_network(data)
    sources = sources_of(network)
    golden = Golden(pixels[:3], np.full((3, network.classes), 1 / 3, np.float32))
    labels = ('say "hi"', "back\\slash??/", "é 七")
    contract = Contract("own", labels, pixels.shape[1:], "resize", 0.5, 0.5, golden)
    files = library_files(sources, contract, Quantization(0.1, 0))
    assert [name for name in files if name.startswith("examples/")] == ["examples/Picture/Picture.ino"]
    assert "20 x 24 pictures" in files["library.properties"]
    pieces = re.findall(r'^    "(.*)",$', files["shared.c"], re.MULTILINE)
    text = re.sub(r"\\(.)", r"\1", "".join(pieces))
    assert Contract.from_json(json.loads(text), "shared.c").labels == labels


def test_a_label_that_could_be_a_trigraph_is_none(tmp_path, folder):
    assert "??" not in (folder / "shared.c").read_text()


def test_the_bundle_of_a_released_model_has_its_contract(folder):
    pieces = re.findall(r'^    "(.*)",$', (folder / "shared.c").read_text(), re.MULTILINE)
    contract = Contract.from_json(json.loads(re.sub(r"\\(.)", r"\1", "".join(pieces))), "shared.c")
    released = Bundle.open(ARTIFACTS / "micro").contract()
    assert (contract.labels, contract.min_score) == (released.labels, released.min_score)

"""The doctor tells what works, what is missing and what is broken, and what to do about it."""

from __future__ import annotations

import json
import sys

import pytest

from digits_edge.cli import extras, health
from digits_edge.cli.health import RUNTIME, Finding, Part, check


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Pretend that pip installed a distribution: its name, its version, and lines of its metadata."""
    monkeypatch.syspath_prepend(tmp_path)

    def installed(name: str, version: str, *lines: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])
        (folder / "METADATA").write_text(text, encoding="utf-8")

    return installed


@pytest.fixture
def few_parts(monkeypatch):
    """The runtime alone is tried: TensorFlow takes seconds."""
    monkeypatch.setattr(health, "PARTS", (RUNTIME,))


def test_an_extra_is_complete_or_says_what_it_lacks(install):
    install("our-tool", "1.0", *(f"Provides-Extra: {name}" for name in ("fast", "old", "elsewhere")))
    assert extras.missing("fast", "our-tool") == []
    install(
        "other-tool",
        "1.0",
        "Requires-Dist: our-tool>=0.9",
        "Requires-Dist: our-tool>=2; extra == 'old'",
        "Requires-Dist: no-such-thing>=1; extra == 'fast'",
        "Requires-Dist: no-such-thing; (sys_platform == 'amiga') and extra == 'elsewhere'",
        "Requires-Dist: other-tool[fast]; extra == 'nested'",
    )
    assert extras.missing("", "other-tool") == []
    assert extras.missing("old", "other-tool") == ["our-tool>=2 (1.0 is installed)"]
    assert extras.missing("fast", "other-tool") == ["no-such-thing"]
    assert extras.missing("elsewhere", "other-tool") == []
    assert extras.missing("nested", "other-tool") == ["no-such-thing"]


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("numpy", ""),
        ("PIL.Image", "image"),
        ("rich.console", "cli"),
        ("keras", "train"),
        ("sklearn.model_selection", "train"),
        ("jax", "jax"),
        ("ai_edge_litert.interpreter", "export"),
        ("py_mini_racer", "web"),
        ("no_such_module", None),
    ],
)
def test_a_module_is_traced_to_the_smallest_extra_that_brings_it(module, extra):
    assert extras.extra_with(extras.distribution_of(module)) == extra


def test_a_package_is_traced_to_the_extra_of_the_command_where_that_brings_it():
    assert extras.extra_with("keras", preferred="export") == "export"
    assert extras.extra_with("mini-racer", preferred="export") == "web"


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("print('noise'); print('version 7')", "version 7"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "its process ended by signal 11",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX"),
        ),
        ("raise SystemExit(3)", "its process ended with exit code 3"),
        ("while True: pass", "no answer within 1 s"),
    ],
    ids=["works", "raises", "crashes", "exits", "hangs"],
)
def test_a_part_is_tried_and_whatever_it_does_is_one_finding(program, detail):
    works = program.startswith("print")
    remedy = None if works else "pip install --force-reinstall pillow"
    expected = Finding("part", "works" if works else "broken", detail, remedy)
    # one second would be short for a loaded machine, and only the last one needs it short
    assert check(Part("part", ("PIL",), program), time_limit=1 if "while" in program else 60) == expected


def test_a_part_that_is_not_installed_is_missing_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(health, "find_spec", lambda name: None)
    assert check(Part("V8", ("py_mini_racer",), "")) == Finding(
        "V8", "missing", "not installed", 'pip install "digits-edge[web]"'
    )
    assert check(Part("Keras on torch", ("torch", "keras"), "")) is None  # which no extra brings


def test_a_backend_without_keras_is_missing_and_not_broken(monkeypatch):
    monkeypatch.setattr(health, "find_spec", lambda name: None if name == "keras" else object())
    told = check(Part("Keras on torch", ("torch", "keras"), "import no_such_module"))
    assert told == Finding("Keras on torch", "missing", "not installed", 'pip install "digits-edge[train]"')


def test_a_gpu_that_keras_does_not_see_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(health, "NVIDIA", tmp_path)
    part = Part("Keras", ("keras",), "print('on cpu:0')", {"KERAS_BACKEND": "tensorflow"})
    assert check(part) == Finding("Keras", "works", "on cpu:0, not on the NVIDIA GPU", 'pip install "digits-edge[gpu]"')
    on_gpu = Part("Keras", ("keras",), "print('on gpu:0')", {"KERAS_BACKEND": "tensorflow"})
    assert check(on_gpu) == Finding("Keras", "works", "on gpu:0")


def test_without_a_c_compiler_it_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    found = health.check_c_compiler()
    assert (found.name, found.state) == ("C compiler", "missing")
    assert "gcc or clang" in str(found.remedy)


def test_every_part_is_in_an_extra_except_torch():
    nowhere = [part.name for part in health.PARTS if extras.extra_with(extras.distribution_of(part.modules[0])) is None]
    assert nowhere == ["Keras on torch"]


def test_the_doctor_reports_for_people_and_for_machines(few_parts, digits_edge):
    told = digits_edge("doctor")
    assert told.code == 0
    assert "[ok] base" in told.out
    assert "[ok] runtime" in told.out
    found = json.loads(digits_edge("doctor", "--json").out)
    assert found["versions"]["digits-edge"]
    assert {"base", "image", "cli", "train", "export"} <= {finding["name"] for finding in found["extras"]}
    assert found["parts"][0] == {
        "name": "runtime",
        "state": "works",
        "detail": found["parts"][0]["detail"],
        "remedy": None,
    }


def test_a_missing_extra_is_named_with_its_command_and_is_no_error(few_parts, install, digits_edge):
    lines = ["Provides-Extra: sound", "Requires-Dist: no-sound; extra == 'sound'"]
    install("digits-edge", "0.1.0", "Requires-Dist: numpy", *lines)
    told = digits_edge("doctor")
    assert told.code == 0
    assert "[ -] sound                  missing: no-sound" in told.out
    assert 'to do: pip install "digits-edge[sound]"' in told.out


@pytest.mark.parametrize("broken", ["requirement", "runtime"])
def test_a_broken_base_install_is_exit_code_1(broken, few_parts, install, monkeypatch, digits_edge):
    if broken == "requirement":
        install("digits-edge", "0.1.0", "Requires-Dist: no-such-thing")
    else:
        monkeypatch.setattr(health, "PARTS", (Part("runtime", ("onnxruntime",), "import no_such_module"),))
    told = digits_edge("doctor")
    assert told.code == 1
    assert "[!!]" in told.out

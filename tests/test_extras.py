"""Each extra does its job where it is the only one that is installed.

`make test` makes an environment with `[image,cli]`; `make soak` installs every other extra in a fresh one.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest
from environments import new_environment, pip
from networks import write_library
from PIL import Image

from digits_edge.runtime import Classifier

READ: Final = """
from digits_edge.runtime import Classifier
assert Classifier.load().predict("seven.png").label == "7"
"""
COMMAND_LINE: Final = """
from digits_edge.cli.app import run
assert run(["selftest"]) == 0
assert run(["predict", "rows.csv"]) == 0
"""
TRAIN: Final = """
from dataclasses import replace
from pathlib import Path
from digits_edge.trainer import RECIPES, TrainOptions, train
run = train(TrainOptions(data="sample", recipe=replace(RECIPES["fast"], epochs=2), out=Path("new-run")))
assert run.info.metrics.val_accuracy > 0.9
"""
PARQUET: Final = """
import pandas
from digits_edge.trainer import read_dataset
cells = {f"pixel{i}": [0, i % 256] for i in range(784)}
pandas.DataFrame({"label": [3, 4], **cells}).to_parquet("rows.parquet")
assert read_dataset("rows.parquet").pixels[1, 0, 9] == 9
"""
HEIC: Final = """
from pathlib import Path
from PIL import Image
from pillow_heif import from_pillow
from digits_edge.trainer import read_dataset
for name in ("a", "b"):
    Path("set", name).mkdir(parents=True)
    from_pillow(Image.open("seven.png")).save(Path("set", name, "seven.heic"))
assert len(read_dataset("set")) == 2
"""
EXPORT: Final = """
from pathlib import Path
from digits_edge.export import ExportOptions, Limits, export
from digits_edge.trainer import Run
limits = Limits(max_drop=0.02, max_error_ratio=3, max_recall_drop=0.1, min_agreement=0.95, max_drift=0.05)
run = Run.open(Path("run"))
bundle = export(ExportOptions(run, Path("bundle"), int8=True, formats={formats}, limits=limits, timed=False))
"""
# What proves an extra: a program that runs beside seven.png, rows.csv and a finished run.
PROOFS: Final = {
    "image": READ,
    "cli": COMMAND_LINE,
    "train": TRAIN,
    "parquet": PARQUET,
    "heic": HEIC,
    "jax": f"import os\nos.environ['KERAS_BACKEND'] = 'jax'\n{TRAIN}",
    "export": EXPORT.format(formats=("onnx", "tflite", "c")) + "assert 'model.int8.tflite' in bundle.names",
    "web": EXPORT.format(formats=("onnx", "web")) + "assert any(name.endswith('.html') for name in bundle.names)",
    "micro": EXPORT.format(formats=("tflite",))
    + "assert any('Microcontrollers' in row['engine'] for row in bundle.manifest['parity']['engines'])",
}
# Where onnxruntime has no wheels, the C runs: words are its library.
NUMPY_ALONE: Final = """
import importlib.util, sys
import numpy as np
from digits_edge.runtime import Classifier
assert importlib.util.find_spec("onnxruntime") is None
classifier = Classifier.load(sys.argv[1])
golden = classifier.contract.golden
labels = [classifier.labels[place] for place in golden.probabilities.argmax(axis=1)]
assert [classifier.predict(digit).label for digit in golden.pixels] == labels
row = np.pad(np.hstack([np.pad(digit, ((0, 0), (6, 6))) for digit in golden.pixels[:3]]), 16)
assert classifier.read(255 - row).text.replace(" ", "") == "".join(labels[:3])
"""
ONLY_RESOLVED: Final = ("gpu", "docs", "dev")  # gigabytes of CUDA; no code of ours; all of the others together
DOCTOR: Final = """
import sys
from digits_edge.cli.extras import missing
from digits_edge.cli.health import check_parts
extra = sys.argv[1]
assert missing(extra) == [], missing(extra)
broken = [part for part in check_parts() if part.state == "broken"]
assert not broken, broken
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with seven.png, a picture of a 7, and rows.csv, with the same digit as a row of pixels."""
    golden = Classifier.load().contract.golden
    digit = golden.pixels[golden.probabilities.argmax(axis=1).tolist().index(7)]
    Image.fromarray(255 - digit).resize((140, 140)).save(tmp_path / "seven.png")
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[f"pixel{i}" for i in range(784)], digit.ravel().tolist()])
    return tmp_path


def succeeds(python: Path | str, program: str, *words: str, cwd: Path) -> None:
    command = [str(python), "-I", "-W", "ignore", "-c", program, *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("extra", PROOFS)
def test_an_extra_installed_alone_does_its_job(extra, wheel, place, trained):
    shutil.copytree(trained.path, place / "run")
    environment = place / "venv"
    try:
        python = new_environment(environment, sys.executable)
        installed = pip(python, "install", f"{wheel}[{extra}]", cwd=place)
        assert installed.returncode == 0, installed.stderr
        succeeds(python, PROOFS[extra], cwd=place)
        if extra != "image":  # which has nothing of the doctor's
            succeeds(python, DOCTOR, extra, cwd=place)
    finally:
        shutil.rmtree(environment, ignore_errors=True)  # up to three gigabytes


@pytest.mark.soak
@pytest.mark.parametrize("extra", ONLY_RESOLVED)
def test_the_largest_extras_can_be_resolved(extra, wheel, place):
    python = new_environment(place / "venv", sys.executable)
    dry = pip(python, "install", "--dry-run", f"{wheel}[{extra}]", cwd=place)
    assert dry.returncode == 0, dry.stderr


@pytest.mark.soak
def test_the_c_runs_where_only_numpy_is_installed(wheel, place):
    folder = write_library("micro", place / "c")
    subprocess.run(["make", "-s", "-C", folder, "shared"], check=True)
    python = new_environment(place / "venv", sys.executable)
    assert pip(python, "install", "numpy", cwd=place).returncode == 0
    assert pip(python, "install", "--no-deps", wheel, cwd=place).returncode == 0
    succeeds(python, NUMPY_ALONE, str(folder / "libmicro.so"), cwd=place)


@pytest.mark.soak
def test_the_sdist_holds_the_sources_without_the_released_models(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "SECURITY.md", "runtime/digits_edge/runtime/default.onnx"} <= names
    assert not [name for name in names if name.startswith(("artifacts", ".ci", "tests"))]
    assert sdist.stat().st_size < 1_000_000


def test_every_extra_has_a_proof():
    import tomllib

    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    assert sorted(extras) == sorted([*PROOFS, *ONLY_RESOLVED])


@pytest.fixture
def device_python() -> str:
    """The interpreter of an environment with `pip install ".[image,cli]"`, which `make test` sets up."""
    python = os.environ.get("DIGITS_EDGE_DEVICE_PYTHON")
    if python is None:
        pytest.skip("no environment with [image,cli]; `make test` makes one")
    return str(Path(python).absolute())


def command_line(python: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [python, "-I", "-m", "digits_edge.cli", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def test_image_and_cli_read_pictures_and_rows_from_the_command_line(device_python, place):
    done = command_line(device_python, "predict", "seven.png", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    assert [answer["label"] for answer in json.loads(done.stdout)] == ["7"]
    succeeds(device_python, COMMAND_LINE, cwd=place)
    bundle = Path(__file__).parents[1] / "artifacts" / "micro"
    assert command_line(device_python, "inspect", str(bundle), cwd=place).stdout.startswith("name             micro\n")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train"], "train"),
        (["export", "run"], "export"),
        (["evaluate", "seven.tflite", "--data", "sample"], "export"),
        (["benchmark", "seven.tflite"], "export"),
    ],
)
def test_a_command_that_needs_another_extra_names_it_in_one_line(device_python, words, extra, place):
    (place / "seven.tflite").write_bytes((Path(__file__).parents[1] / "artifacts/micro/model.int8.tflite").read_bytes())
    done = command_line(device_python, *words, cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    told = rf'digits-edge: [\w-]+ is not installed: pip install "digits-edge\[{extra}\]"\n'
    assert re.fullmatch(told, done.stderr), done.stderr


def test_the_doctor_of_image_and_cli_is_content_and_says_how_to_add_the_rest(device_python, place):
    done = command_line(device_python, "doctor", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    states = {finding["name"]: finding["state"] for finding in found["extras"]}
    assert {name for name, state in states.items() if state == "works"} == {"base", "image", "cli"}
    remedies = {finding["name"]: finding["remedy"] for finding in found["extras"] + found["parts"]}
    assert remedies["web"] == remedies["V8"] == 'pip install "digits-edge[web]"'
    assert "broken" not in {finding["state"] for finding in found["parts"]}

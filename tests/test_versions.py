"""The wheel answers alike with the lowest and the newest numpy, onnxruntime and pillow that install (`make soak`)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from environments import new_environment, pip
from onnx import helper, numpy_helper
from PIL import Image

from digits_edge.runtime import Classifier

pytestmark = pytest.mark.soak

ROOT = Path(__file__).parents[1]
PACKAGES = ("numpy", "onnxruntime", "pillow")

RUN = """
import json, sys
from importlib import metadata
from pathlib import Path
from digits_edge.runtime import BundleError, Classifier

folder = Path(sys.argv[1])
classifier = Classifier.load(folder / "bundle")
assert "site-packages" in sys.modules["digits_edge.runtime"].__file__
assert Classifier.load().self_test().passed
golden = classifier.predict_proba(classifier.contract.golden.pixels).argmax(axis=1).tolist()
pictures = [(p.label, p.accepted) for p in classifier.predict_many(sorted(folder.glob("*.*")))]
try:
    Classifier.load(folder / "huge" / "model.onnx")
    huge = None
except BundleError as error:
    huge = str(error)
versions = {name: metadata.version(name) for name in sys.argv[2:]}
print(json.dumps({"golden": golden, "pictures": pictures, "huge": huge, "versions": versions}))
"""


def pythons() -> list[str]:
    """Every Python from 3.11 on that starts, this one first; others by their names on the PATH."""
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(11, 20):
        path = shutil.which(f"python3.{minor}")
        works = path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
        if path and works:
            found.setdefault((3, minor), path)
    return list(found.values())


def installed(python: Path, name: str, which: str, cwd: Path) -> str:
    """Install the lowest or newest version of a package that has a wheel for this Python, and say which it is."""
    listed = pip(python, "index", "versions", name, "--only-binary", ":all:", cwd=cwd)
    match = re.search(r"Available versions: (.*)", listed.stdout)
    if match is None:
        pytest.skip(f"pip lists no {name}: {(listed.stderr.strip() or 'nothing said').splitlines()[-1]}")
    released = [version for version in match[1].split(", ") if re.fullmatch(r"[\d.]+", version)]
    allowed = [version for version in released if numbers(version) >= lower_bounds()[name]]
    for version in sorted(allowed, key=numbers, reverse=which == "newest"):
        wheel = ("install", "--no-deps", "--only-binary", ":all:", f"{name}=={version}")
        if pip(python, *wheel, cwd=cwd).returncode == 0:
            return version
    pytest.skip(f"pip installs none of {name} {', '.join(allowed)}")


def lower_bounds() -> dict[str, tuple[int, ...]]:
    """What pyproject.toml asks for at least."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["image"]]
    found = (re.fullmatch(r"(\w+)>=([\d.]+)", requirement) for requirement in wanted)
    return {match[1]: numbers(match[2]) for match in found if match}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, exported) -> Path:
    """A bundle, pictures of its golden digits, and a model that asks for a huge tensor."""
    place = tmp_path_factory.mktemp("to-read")
    shutil.copytree(exported.path, place / "bundle")
    for number, digit in enumerate(Classifier.load(exported.path).contract.golden.pixels):
        picture = Image.fromarray(255 - digit).resize((120, 110), Image.Resampling.BILINEAR)
        picture.save(place / f"{number:02}.{'png' if number % 2 else 'jpg'}")
    model = onnx.load_from_string(exported.read("model.onnx"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2**40], np.int64), "sides"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["sides"], ["filled"]))
    (place / "huge").mkdir()
    (place / "huge/model.onnx").write_bytes(model.SerializeToString())
    return place


@pytest.mark.parametrize("which", ["lowest", "newest"])
@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name if path != sys.executable else "this")
def test_the_labels_are_the_same(python, which, wheel, folder, tmp_path):
    inside = new_environment(tmp_path / "venv", python)
    wanted = {name: installed(inside, name, which, tmp_path) for name in PACKAGES}
    assert pip(inside, "install", "--no-deps", wheel, cwd=tmp_path).returncode == 0

    command = [str(inside), "-I", "-W", "error", "-c", RUN, str(folder), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    said = json.loads(done.stdout)
    here = Classifier.load(folder / "bundle")
    expected = [[p.label, p.accepted] for p in here.predict_many(sorted(folder.glob("*.*")))]
    assert said["versions"] == wanted
    assert said["golden"] == here.contract.golden.probabilities.argmax(axis=1).tolist()
    assert said["pictures"] == expected
    assert {label for label, _ in expected} <= set(here.labels)
    assert "expected tensors of up to" in said["huge"]

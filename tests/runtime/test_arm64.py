"""The runtime gives the same labels on 64-bit Arm: the real aarch64 wheels, emulated by qemu (`make test-arm64`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from environments import debian
from PIL import Image

from digits_edge.runtime import Classifier

pytestmark = pytest.mark.arm64

ROOT = Path(__file__).parents[2]
WHEELS = ("onnxruntime==1.23.*", "numpy", "pillow")  # onnxruntime 1.32 crashes under qemu 7.2, whichever CPU it is told
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
CPUS = ("cortex-a53", "cortex-a76")  # a Raspberry Pi 3's, and a Raspberry Pi 5's, which has dot products of int8

RUN = """
import platform, sys
import numpy
from digits_edge.runtime import Classifier

assert platform.machine() == "aarch64", platform.machine()
classifier = Classifier.load()
result = classifier.self_test()
assert result.passed, result
numpy.save("answers.npy", classifier.predict_proba(numpy.load("pixels.npy")))
prediction = classifier.predict("photo.png")
print(prediction.label, prediction.accepted)
"""


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def arm_python(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a Python of 64-bit Arm, of the system's own packages, which has our runtime and its wheels."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("qemu-aarch64 is not installed (Debian: apt-get install qemu-user)")
    place = tmp_path_factory.mktemp("arm64")
    python = debian(place, "arm64", PACKAGES).name
    wheels(place, python)
    shutil.copytree(
        ROOT / "runtime/digits_edge", place / "site/digits_edge", ignore=shutil.ignore_patterns("__pycache__")
    )

    def call(code: str, cpu: str, cwd: Path) -> str:
        environment = ("-E", f"PYTHONPATH={place / 'site'}", "-E", "OPENBLAS_NUM_THREADS=1")
        command = (emulator, "-cpu", cpu, "-L", place / "root", *environment)
        return run(*command, place / "root/usr/bin" / python, "-S", "-c", code, cwd=cwd)

    return call


def wheels(place: Path, python: str) -> None:
    """Unpack aarch64 wheels into `site`."""
    version = python.removeprefix("python")
    tags = ["--python-version", version, "--implementation", "cp", "--abi", f"cp{version.replace('.', '')}"]
    tags += [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip = (sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:")
    done = subprocess.run([*pip, *tags, *WHEELS], cwd=place / "archives", capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip finds no aarch64 wheels for {python}: {done.stderr.strip().splitlines()[-1]}")
    for wheel in (place / "archives").glob("*.whl"):
        assert "aarch64" in wheel.name
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(place / "site")


@pytest.mark.parametrize("cpu", CPUS)
def test_arm_gives_the_labels_that_this_machine_gives(arm_python, cpu, digits, tmp_path):
    pixels = digits.pixels[::5]  # 400, 40 a class
    here = Classifier.load()
    np.save(tmp_path / "pixels.npy", pixels)
    photo = Image.fromarray(255 - here.contract.golden.pixels[0]).resize((150, 140), Image.Resampling.BILINEAR)
    photo.save(tmp_path / "photo.png")
    said = arm_python(RUN, cpu, tmp_path)
    there, expected = np.load(tmp_path / "answers.npy"), here.predict_proba(pixels)
    np.testing.assert_array_equal(there.argmax(axis=1), expected.argmax(axis=1))
    np.testing.assert_allclose(there, expected, atol=0.05)
    prediction = here.predict(tmp_path / "photo.png")
    assert said.split() == [prediction.label, str(prediction.accepted)]

"""A model's C in Python on 32-bit Arm, where onnxruntime has no wheel: Debian's under qemu (`make test-arm64`)."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from environments import debian
from networks import write_library

from digits_edge.runtime import Classifier

pytestmark = pytest.mark.arm64

HARD = sorted((Path(__file__).parent / "hard").glob("*.jpg"))
COMPILER = "arm-linux-gnueabihf-gcc"
LIBRARIES = "root/usr/lib/arm-linux-gnueabihf"

RUN = """
import platform, struct, sys
import numpy
from pip._vendor.packaging.requirements import Requirement
from importlib.metadata import requires
from digits_edge.runtime import Classifier

assert (platform.machine(), struct.calcsize("P")) == ("armv7l", 4)
wanted = map(Requirement, requires("digits-edge"))
assert [each.name for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})] == ["numpy"]
classifier = Classifier.load("libmicro.so")
assert classifier.self_test().passed
numpy.save("answers.npy", classifier.predict_proba(numpy.load("pixels.npy")))
for picture in sys.argv[1:]:
    prediction, reading = classifier.predict(picture), classifier.read(picture)
    print(prediction.label, prediction.reason, reading.text, reading.reason)
assert "onnxruntime" not in sys.modules
"""


@pytest.fixture(scope="module")
def arm_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run Debian's Python of 32-bit Arm, with its numpy, its pillow and our wheel."""
    emulator = shutil.which("qemu-arm") or shutil.which("qemu-arm-static")
    if emulator is None or shutil.which(COMPILER) is None:
        pytest.skip("qemu-arm or a compiler is missing (Debian: apt-get install qemu-user gcc-arm-linux-gnueabihf)")
    place = tmp_path_factory.mktemp("armhf")
    python = debian(place, "armhf", ("python3-minimal", "python3-numpy", "python3-pil", "python3-pip"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place / "site")
    folders = (place / LIBRARIES / "blas", place / LIBRARIES / "lapack", place / LIBRARIES)
    environment = {
        "LD_LIBRARY_PATH": ":".join(map(str, folders)),
        "PYTHONPATH": f"{place / 'site'}:{place / 'root/usr/lib/python3/dist-packages'}",
        "OPENBLAS_NUM_THREADS": "1",
    }
    told = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]

    def call(code: str, *words: object, cwd: Path) -> str:
        command = [emulator, "-L", place / "root", *told, python, "-c", code, *words]
        done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_32_bits_give_the_answers_of_64(arm_python, digits, tmp_path):
    pixels = digits.pixels[::5]
    np.save(tmp_path / "pixels.npy", pixels)
    folder = write_library("micro", tmp_path)
    make = ["make", "-s", "-C", str(folder), "shared"]
    subprocess.run(make, check=True)
    here = Classifier.load(shutil.move(folder / "libmicro.so", tmp_path / "here.so"))
    subprocess.run([*make, f"CC={COMPILER}"], check=True)
    said = arm_python(RUN, *HARD, cwd=tmp_path).splitlines()
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), here.predict_proba(pixels), atol=1e-6)
    expected = [(here.predict(picture), here.read(picture)) for picture in HARD]
    assert said == [f"{one.label} {one.reason} {number.text} {number.reason}" for one, number in expected]

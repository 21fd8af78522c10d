"""A model's C as a library, run through ctypes: the answers of the ONNX, and no onnxruntime."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from networks import ARTIFACTS, released, write_library

from digits_edge.export.codegen.c.compiled import Compiler
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.runtime import BundleError, Classifier, UsageError
from digits_edge.runtime.bundle import MAX_MODEL_BYTES
from digits_edge.runtime.errors import MissingExtra
from digits_edge.runtime.files import read_file
from digits_edge.runtime.numbers import seams
from digits_edge.runtime.numbers.boundary_network import BoundaryNetwork
from digits_edge.runtime.session import open_session

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or Compiler.find() is None, reason="there is no make or no C compiler here"
)
HARD = Path(__file__).parent / "hard"
WITHOUT = "import sys\nsys.modules['onnxruntime'] = None  # as if it were not installed\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder: Path = write_library("micro", tmp_path_factory.mktemp("micro"))
    subprocess.run(["make", "-s", "-C", folder, "shared"], check=True)
    return folder


@pytest.fixture(scope="module")
def library(folder) -> Classifier:
    return Classifier.load(folder / "libmicro.so")


@pytest.fixture(scope="module")
def onnx() -> Classifier:
    return Classifier.load(ARTIFACTS / "micro")


def child(code: str, *words: object) -> str:
    command = [sys.executable, "-c", WITHOUT + code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_it_answers_as_the_onnx_of_the_same_bundle(library, onnx, digits):
    mine, theirs = library.predict_proba(digits.pixels), onnx.predict_proba(digits.pixels)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine.sum(axis=1), 1, atol=1e-5)
    assert np.abs(mine - theirs).mean() < 1e-3  # another int8: the ONNX has its first convolution in float
    assert (mine.argmax(axis=1) != theirs.argmax(axis=1)).mean() <= 0.001


def test_its_answers_are_those_of_the_int8_tflite(library, digits):
    tflite = TfliteModel.load(released("micro"), "model.int8.tflite")
    logits = read_network(released("micro")).logits(digits.pixels)
    mine = library.predict_proba(digits.pixels)
    np.testing.assert_allclose(mine, tflite.spec.probabilities(logits), atol=1e-6)


def test_it_has_the_contract_of_the_bundle(library, onnx):
    for field in ("name", "labels", "shape", "preprocess", "min_score", "min_familiarity"):
        assert getattr(library.contract, field) == getattr(onnx.contract, field)
    np.testing.assert_array_equal(library.contract.golden.pixels, onnx.contract.golden.pixels)
    assert library.self_test().passed
    assert library.self_test().largest_difference < 1e-6


def test_it_predicts_and_reads_what_the_onnx_does(library, onnx):
    pictures = sorted(HARD.glob("*.jpg"))
    for mine, theirs in zip(library.predict_many(pictures), onnx.predict_many(pictures), strict=True):
        assert (mine.accepted, mine.reason) == (theirs.accepted, theirs.reason)
        assert mine.label == theirs.label or not mine.accepted
    for picture in pictures:
        mine, theirs = library.read(picture), onnx.read(picture)
        assert (mine.text, mine.accepted) == (theirs.text, theirs.accepted)


def test_a_caller_may_choose_the_score_that_is_accepted(folder, library):
    assert Classifier.load(folder / "libmicro.so", min_score=0.99).contract.min_score == 0.99
    with pytest.raises(UsageError, match="min_score: expected a number from 0 to 1"):
        Classifier.load(folder / "libmicro.so", min_score=2)


def test_it_learns(library, digits):
    taught = library.teach(255 - digits.pixels[0], "q")
    assert taught.labels[-1] == "q"
    assert taught.predict(255 - digits.pixels[0]).label == "q"
    changed = taught.predict_proba(digits.pixels)[:, :10] != library.predict_proba(digits.pixels)
    assert changed.any(axis=1).mean() < 0.05


def test_any_number_of_pictures_in_any_order_of_memory(library, digits):
    pixels = digits.pixels[:70]
    expected = library.predict_proba(pixels)
    assert library.predict_proba(pixels[:0]).shape == (0, 10)
    np.testing.assert_array_equal(library.predict_proba(pixels[::-1])[::-1], expected)
    np.testing.assert_array_equal(library.predict_proba(np.asfortranarray(pixels)), expected)


def test_many_threads_get_the_answers_of_one(library, digits):
    pixels, failures = digits.pixels[:200], []
    expected = library.predict_proba(pixels)
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(5):
            if not np.array_equal(library.predict_proba(pixels), expected):
                failures.append(1)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


def test_a_copy_and_other_processes_answer_the_same(library, digits):
    pixels = digits.pixels[:10]
    expected = library.predict_proba(pixels)
    taught = library.teach(digits.pixels[0], "q")
    for twin in (pickle.loads(pickle.dumps(library)), copy.copy(library), copy.deepcopy(library)):
        np.testing.assert_array_equal(twin.predict_proba(pixels), expected)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(taught)).predict_proba(pixels), taught.predict_proba(pixels)
    )
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(Classifier.predict_proba, library, pixels).result(), expected)


def test_pixels_of_another_form_are_rejected_as_ever(library, onnx):
    for one in (library, onnx):
        with pytest.raises(Exception, match=r"expected pixels uint8\[N, 28, 28\], received float64") as caught:
            one.predict_proba(np.zeros((1, 28, 28)))
        assert type(caught.value).__name__ == "PictureError"


def test_what_is_no_library_of_ours_is_named(tmp_path):
    (tmp_path / "text.so").write_text("no library")
    (tmp_path / "empty.so").touch()
    with pytest.raises(BundleError, match=r"text\.so: cannot be loaded"):
        Classifier.load(tmp_path / "text.so")
    with pytest.raises(BundleError, match=r"empty\.so: cannot be loaded"):
        Classifier.load(str(tmp_path / "empty.so"))
    with pytest.raises(BundleError, match=r"none\.so: cannot be loaded: No such file"):
        Classifier.load(tmp_path / "none.so")
    (tmp_path / "folder.so").mkdir()
    with pytest.raises(BundleError, match="found a folder without manifest"):
        Classifier.load(tmp_path / "folder.so")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.so")
    with pytest.raises(BundleError, match="expected a regular file"):
        Classifier.load(tmp_path / "pipe.so")


def test_another_library_is_named(tmp_path):
    (tmp_path / "other.c").write_text("int digits(void) { return 7; }\n")
    compiler = Compiler.find()
    assert compiler is not None
    subprocess.run([*compiler.command, "-shared", "-fPIC", "-o", "other.so", "other.c"], cwd=tmp_path, check=True)
    with pytest.raises(BundleError, match="expected a library that make shared builds of a bundle's C, found another"):
        Classifier.load(tmp_path / "other.so")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (r"{\"schema\":1", r"{\"schema\":9", "it has schema 9"),
        (r"{\"schema\":1", r"(\"schema\":1", "the model's description is damaged"),
        ("logit_step", "logit_stop", "the model's description is damaged"),
    ],
)
def test_a_contract_that_is_newer_or_damaged_is_named(folder, tmp_path, before, after, expected):
    other = shutil.copytree(folder, tmp_path / "c")
    text = (other / "shared.c").read_text()
    joined = text.replace('",\n    "', "")
    assert before in joined
    (other / "shared.c").write_text(joined.replace(before, after))
    subprocess.run(["make", "-s", "-C", other, "shared", "FLAGS=-std=c99"], check=True)
    with pytest.raises(BundleError, match=expected):
        Classifier.load(other / "libmicro.so")


@pytest.mark.parametrize("setting", [{"threads": 1}, {"providers": ["CPUExecutionProvider"]}])
def test_settings_of_onnxruntime_are_not_for_it(folder, setting):
    with pytest.raises(UsageError, match=r"libmicro\.so: expected no setting of onnxruntime"):
        Classifier.load(folder / "libmicro.so", **setting)


# Without onnxruntime

EVERYTHING = """
from digits_edge.runtime import Classifier
classifier = Classifier.load(sys.argv[1])
assert classifier.self_test().passed
prediction = classifier.predict(sys.argv[2])
reading = classifier.read(sys.argv[2])
print(prediction.label, prediction.accepted, reading.text, reading.accepted)
"""


@pytest.mark.parametrize("picture", sorted(HARD.glob("*.jpg")), ids=lambda path: path.stem)
def test_all_of_it_runs_where_onnxruntime_is_not_installed(folder, library, picture):
    said = child(EVERYTHING, folder / "libmicro.so", picture).split()
    prediction, reading = library.predict(picture), library.read(picture)
    assert said == f"{prediction.label} {prediction.accepted} {reading.text} {reading.accepted}".split()


def test_onnx_names_what_is_missing_and_what_to_do():
    said = child(
        """
from digits_edge.runtime import Classifier, MissingExtra
try:
    Classifier.load()
except MissingExtra as error:
    print(error)
"""
    )
    assert said == (
        "a model in ONNX needs onnxruntime, which is not installed: pip install onnxruntime; where it has no wheel, "
        "load the library that make shared builds of C\n"
    )


def test_loading_a_library_does_not_import_onnxruntime(folder):
    code = f"from digits_edge.runtime import Classifier; Classifier.load({str(folder / 'libmicro.so')!r})"
    command = [sys.executable, "-c", f"{code}\nimport sys; print('onnxruntime' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_missing_extra_is_pickled_with_its_advice():
    error = MissingExtra("onnxruntime", "", "a model in ONNX", "do otherwise")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(error).endswith("pip install onnxruntime; do otherwise")


def test_the_network_of_boundaries_is_the_same_in_numpy(digits):
    model = read_file(str(Path(seams.__file__).with_name("seams.onnx")), MAX_MODEL_BYTES)
    random = np.random.default_rng(0)
    tiles = np.zeros((40, *seams.TILE), np.uint8)
    for tile in tiles:
        for left in range(0, 100, int(random.integers(12, 26))):
            tile[10:38, left : left + 28] |= digits.pixels[random.integers(len(digits))]
    theirs = open_session(model).run(None, {"image": tiles})[0]
    mine = BoundaryNetwork(model)(tiles).reshape(theirs.shape)
    assert mine.dtype == np.float32
    assert (mine != theirs).mean() < 1e-3  # ties, which are rounded to another step
    np.testing.assert_allclose(mine, theirs, atol=0.11)

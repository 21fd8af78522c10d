"""The classifier: what it answers, what it refuses, and how it behaves as a guest."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import threading

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from digits_edge.runtime import BundleError, Classifier, IntegrityError, MissingExtra, PictureError
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import METADATA_KEY


def test_predict_proba_is_what_predict_says(classifier, trained):
    pixels, targets = trained.validation()
    probabilities = classifier.predict_proba(pixels)
    assert probabilities.shape == (400, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == targets).mean() > 0.9
    prediction = classifier.predict(pixels[0])
    assert prediction.label == classifier.labels[probabilities[0].argmax()]
    assert prediction.score == pytest.approx(float(probabilities[0].max()))
    assert prediction.accepted == classifier.contract.accepts(probabilities[:1])[0]


def test_many_pictures_run_in_chunks_with_the_same_answers(classifier, trained):
    pixels, _ = trained.validation()
    many = np.concatenate([pixels] * 2)
    one_by_one = np.concatenate([classifier.predict_proba(p[None]) for p in pixels])
    np.testing.assert_allclose(classifier.predict_proba(many), np.concatenate([one_by_one] * 2), atol=1e-6)
    assert classifier.predict_proba(pixels[:0]).shape == (0, 10)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((28, 28), np.uint8),
        np.zeros((2, 28, 28)),
        np.zeros((2, 28, 27), np.uint8),
        np.zeros((2, 28, 28, 1), np.uint8),
        np.zeros((), np.uint8),
        [[0] * 784],
        None,
    ],
    ids=lambda p: str(getattr(p, "shape", p)),
)
def test_other_shapes_and_dtypes_are_refused(classifier, pixels):
    with pytest.raises(PictureError, match=r"expected pixels uint8\[N, 28, 28\], received "):
        classifier.predict_proba(pixels)


def test_no_ink_has_no_label(classifier):
    prediction = classifier.predict(np.full((40, 40), 240, np.uint8))
    assert (prediction.label, prediction.score, prediction.accepted, prediction.reason) == (None, 0, False, "no ink")
    assert prediction.probabilities.tolist() == [0] * 10


def test_one_bad_file_is_one_failed_item(classifier, trained, tmp_path):
    pixels, _ = trained.validation()
    paths = []
    for row in range(7):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(pixels[row]).save(paths[-1])
    paths[3].write_bytes(b"no picture")
    predictions = list(classifier.predict_many([*paths, np.full((40, 40), 9, np.uint8)], batch_size=3))
    assert [p.error is None for p in predictions] == [True] * 3 + [False] + [True] * 4
    assert "3.png" in str(predictions[3].error)
    assert predictions[7].reason == "no ink"
    for row in (0, 1, 2, 4, 5, 6):
        assert predictions[row].label == classifier.predict(paths[row]).label


def test_predict_many_is_lazy(classifier):
    asked = []

    def pictures():
        for number in range(100):
            asked.append(number)
            yield np.zeros((28, 28), np.uint8)

    answers = classifier.predict_many(pictures(), batch_size=4)
    assert asked == []
    next(answers)
    assert len(asked) == 4
    with pytest.raises(ValueError, match="batch_size of at least 1"):
        classifier.predict_many([], batch_size=0)


def test_the_model_of_the_package_loads_and_passes_its_self_test():
    default = Classifier.load()
    assert default.labels == tuple("0123456789")
    assert default.self_test().passed


def test_a_self_test_notices_other_answers(exported):
    model = onnx.load_from_string(exported.read("model.onnx"))
    contract = json.loads(model.metadata_props[0].value)
    contract["golden"]["probabilities"][0].reverse()
    model.metadata_props[0].value = json.dumps(contract)
    result = Classifier(model.SerializeToString()).self_test()
    assert not result.passed
    assert result.mismatches == 1


def test_it_can_be_pickled_and_cannot_be_changed(classifier, trained):
    pixels, _ = trained.validation()
    twin = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(twin.predict_proba(pixels[:50]), classifier.predict_proba(pixels[:50]))
    with pytest.raises(AttributeError):
        classifier.labels = ("a", "b")
    with pytest.raises(AttributeError):
        classifier.anything = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        classifier.predict(pixels[0]).label = "9"


def test_threads_share_one_classifier(classifier, trained):
    pixels, _ = trained.validation()
    expected = classifier.predict_proba(pixels)
    barrier, wrong = threading.Barrier(8), []

    def work(offset: int) -> None:
        barrier.wait()
        for row in range(offset, 400, 8):
            if not np.array_equal(classifier.predict_proba(pixels[row : row + 1])[0], expected[row]):
                wrong.append(row)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_it_writes_nothing_anywhere(exported, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Classifier.load(exported.path).predict(np.zeros((28, 28), np.uint8))
    with pytest.raises(BundleError):
        Classifier(b"not a model")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_int8_is_preferred_and_the_float_model_taken_where_there_is_no_other(own_bundle):
    int8, floats = Classifier.load(own_bundle), Classifier.load(own_bundle / "model.onnx")
    assert len(pickle.dumps(int8)) < len(pickle.dumps(floats))
    assert int8.name == floats.name == "short"


def test_an_altered_or_missing_file_is_refused(own_bundle, refused):
    model = own_bundle / "model.int8.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    with pytest.raises(IntegrityError, match="altered after it was published"):
        Classifier.load(own_bundle)
    assert "was altered" in refused("predict", "x.png", "--bundle", own_bundle)
    model.unlink()
    with pytest.raises(IntegrityError, match=r"model\.int8\.onnx: missing; the manifest names it"):
        Classifier.load(own_bundle)
    assert "missing" in refused("selftest", own_bundle)
    assert "missing" in refused("evaluate", own_bundle, "--data", "sample")


def test_every_file_is_checked_by_selftest_not_only_the_one_that_runs(own_bundle, refused):
    (own_bundle / "model.tflite").write_bytes(b"other")
    assert Classifier.load(own_bundle).self_test().passed
    assert "model.tflite: expected" in refused("selftest", own_bundle)
    assert "model.tflite: expected" in refused("inspect", own_bundle)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": 2}, "it has schema 2, this digits-edge reads up to 1: pip install --upgrade digits-edge"),
        ({"schema": "x"}, "expected schema 1 to 1"),
        ({"kind": "other"}, "received another JSON"),
        ({"files": [{"name": "../../etc/passwd", "bytes": 1, "sha256": ""}]}, "names a file outside the bundle"),
        ({"files": [{"name": "/etc/passwd", "bytes": 1, "sha256": ""}]}, "names a file outside the bundle"),
        ({"files": [{}]}, "its list of files is damaged"),
        ({"files": []}, "it has no ONNX model"),
    ],
)
def test_a_manifest_that_cannot_be_trusted(own_bundle, change, expected):
    path = own_bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BundleError, match=expected):
        Classifier.load(own_bundle)


def test_what_is_no_bundle(tmp_path, refused):
    (tmp_path / "empty").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"not onnx")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    for name, expected in (
        ("none", "found nothing there"),
        ("empty", "found a folder without manifest.json"),
        ("broken", "not readable as JSON"),
        ("model.onnx", "expected an ONNX model, received other or damaged bytes"),
        ("none.onnx", "cannot be read: No such file"),
    ):
        with pytest.raises(BundleError, match=expected):
            Classifier.load(tmp_path / name)
        assert expected in refused("selftest", tmp_path / name)


@pytest.mark.parametrize(
    "path", [5, b"\xff", "a\0.onnx", "a" * 5000, "a" * 5000 + ".onnx", ""], ids=lambda p: repr(p)[:12]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(BundleError):
        Classifier.load(path)


def test_errors_can_cross_processes():
    error = MissingExtra("pillow", "image", "reading picture files")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def edited(exported, **changes):
    """The float model with some values of its contract changed."""
    model = onnx.load_from_string(exported.read("model.onnx"))
    prop = next(p for p in model.metadata_props if p.key == METADATA_KEY)
    prop.value = json.dumps({**json.loads(prop.value), **changes})
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema": 9}, "schema 9"),
        ({"labels": ["a", "b"]}, "damaged"),
        ({"labels": "0123456789"}, "two or more labels"),
        ({"labels": None}, "two or more labels"),
        ({"labels": [*"aacdefghij"]}, "none twice"),
        ({"labels": [*"abcdefghi", "\ud800"]}, "all text"),
        ({"name": None}, "expected a name"),
        ({"golden": {"pixels": "", "probabilities": []}}, "none that count"),
        ({"preprocess": "eval"}, "expected preprocess"),
        ({"thresholds": {"min_score": "nan"}}, "min_score from 0 to 1"),
        ({"input": {"shape": [28, 27]}}, "damaged"),
        ({"input": {"shape": [10**9, 10**9]}}, "expected an input shape"),
        ({"golden": {"pixels": "%%%", "probabilities": []}}, "damaged"),
        ({"golden": {"pixels": "AAAA", "probabilities": []}}, "damaged"),
        ({"labels": [*"abcdefghij"], "input": {"shape": [28, 28, 3]}}, "damaged"),
        ({"labels": [*"abcdefghijklmnopqrst"]}, "damaged"),
    ],
)
def test_a_contract_that_does_not_hold_is_refused(exported, changes, expected):
    with pytest.raises(BundleError, match=expected):
        Classifier(edited(exported, **changes))


def test_another_kind_of_onnx_file_is_refused(exported):
    model = onnx.load_from_string(exported.read("model.onnx"))
    del model.metadata_props[:]
    with pytest.raises(BundleError, match="found no contract in its metadata"):
        Classifier(model.SerializeToString())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["schema", "name", "labels", "input", "preprocess", "thresholds", "golden"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(KEYS, JSON, min_size=1, max_size=2))
def test_hostile_metadata_give_only_our_errors(exported, changes):
    try:
        Classifier(edited(exported, **changes))
    except BundleError as error:
        assert "\n" not in str(error)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), data=st.binary(min_size=1, max_size=30))
def test_damaged_models_give_only_our_errors(exported, place, data):
    model = bytearray(exported.read("model.int8.onnx"))
    start = int(place * (len(model) - len(data)))
    model[start : start + len(data)] = data
    try:
        Classifier(bytes(model)).self_test()  # where only weights were hit, it may say what it wants
    except BundleError as error:
        assert "\n" not in str(error)


def test_a_bundle_set_aside_by_a_cut_swap_still_loads(own_bundle):
    own_bundle.rename(own_bundle.with_name(".bundle.previous"))
    assert Classifier.load(own_bundle).self_test().passed
    assert Bundle.open(own_bundle).path.name == ".bundle.previous"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_it_answers_after_a_fork(classifier):
    expected = classifier.predict_proba(np.zeros((1, 28, 28), np.uint8)).argmax()
    child = os.fork()
    if child == 0:
        same = classifier.predict_proba(np.zeros((1, 28, 28), np.uint8)).argmax() == expected
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_one_file_alone_can_be_deployed(exported, tmp_path):
    shutil.copy(exported.path / "model.int8.onnx", tmp_path / "digits.onnx")
    alone = Classifier.load(tmp_path / "digits.onnx")
    assert alone.self_test().passed
    assert alone.name == "short"

"""A classifier learns from a few pictures, and all that is unlike them stays as it was."""

from __future__ import annotations

import io
import pickle
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image, ImageDraw

from digits_edge.runtime import BundleError, Classifier, Collector, UsageError
from digits_edge.runtime.teaching import MOST


def tick(jitter: int = 0) -> np.ndarray:
    """A tick, uint8[100, 100], dark on light."""
    page = Image.new("L", (100, 100), 250)
    ImageDraw.Draw(page).line([(20, 55 + jitter), (42, 80), (80 - jitter, 20)], 20, 8, "curve")
    return np.asarray(page)


@pytest.fixture(scope="module")
def pictures(trained) -> tuple[np.ndarray, np.ndarray]:
    pixels, targets = trained.validation()
    return pixels, targets


@pytest.fixture(scope="module")
def wrong(classifier, pictures) -> tuple[np.ndarray, str]:
    """A digit that the network takes for another, and what it is."""
    pixels, targets = pictures
    missed = np.flatnonzero(classifier.predict_proba(pixels).argmax(axis=1) != targets)
    return pixels[missed[0]], str(targets[missed[0]])


def taught_pixels(classifier: Classifier, pixels: np.ndarray, label: str) -> Classifier:
    """Teach pixels that already have the model's form."""
    return classifier._taught_by([label], pixels[None].copy())


def without_features(model: bytes) -> bytes:
    older = onnx.load_from_string(model)
    del older.graph.output[1:]
    return bytes(older.SerializeToString())


@pytest.mark.parametrize("file", ["model.int8.onnx", "model.onnx"])
def test_the_features_are_a_second_output_and_change_no_probability(exported, pictures, file):
    model = exported.read(file)
    classifier = Classifier(model)
    features = classifier._features(pictures[0][:40])[1]
    assert features.shape == (40, 40)
    assert features.dtype == np.float32
    older = Classifier(without_features(model))
    np.testing.assert_array_equal(older.predict_proba(pictures[0]), classifier.predict_proba(pictures[0]))


def test_the_last_layer_makes_the_logits_of_the_features(exported, pictures):
    model = onnx.load_from_string(exported.read("model.onnx"))
    weights = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    probabilities, features = Classifier(model.SerializeToString())._features(pictures[0][:40])
    logits = features @ weights["gemm_1.weight"] + weights["gemm_1.bias"]
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(raised / raised.sum(axis=1, keepdims=True), probabilities, atol=1e-5)


def test_what_was_wrong_is_right_and_nearly_nothing_else_changes(classifier, pictures, wrong):
    pixels, label = wrong
    taught = classifier.teach(classifier.predict(pixels), label)
    before, after = classifier.predict_proba(pictures[0]), taught.predict_proba(pictures[0])
    assert taught.labels == classifier.labels
    changed = (before != after).any(axis=1)
    assert changed.sum() <= 8
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)
    assert taught.predict(pixels).label == label
    assert classifier.predict(pixels).label != label
    assert taught.self_test().passed


def test_a_new_class_is_told_from_the_digits(classifier, pictures):
    taught = classifier.teach(tick(), "tick")
    assert taught.labels == (*"0123456789", "tick")
    assert taught.predict(tick(2)).label == "tick"
    assert taught.predict(tick()).accepted
    answers = taught.predict_proba(pictures[0])
    assert answers.shape == (400, 11)
    assert (answers.argmax(axis=1) == 10).sum() <= 1
    assert taught.predict_proba(pictures[0][:0]).shape == (0, 11)


def test_an_unsure_answer_that_was_right_becomes_accepted(classifier, pictures):
    pixels, targets = pictures
    answers = classifier.predict_proba(pixels)
    right = answers.argmax(axis=1) == targets
    unsure = np.flatnonzero(right & ~classifier.contract.accepts(answers))[0]
    taught = taught_pixels(classifier, pixels[unsure], str(targets[unsure]))
    assert taught.contract.accepts(taught.predict_proba(pixels[unsure][None]))[0]


def test_read_uses_what_was_taught(classifier):
    page = np.full((100, 260), 250, np.uint8)
    page[:, 80:180] = tick()
    before = classifier.read(page)
    assert "tick" not in before.text
    taught = classifier.teach(tick(), "tick")
    assert taught.read(page).text == "tick"
    digit = classifier.read(page).numbers[0].digits[0] if before.numbers else classifier.predict(tick())
    assert classifier.teach(digit, "tick").read(page).text == "tick"


def test_examples_can_be_listed_and_removed(classifier, wrong):
    pixels, label = wrong
    taught = classifier.teach(tick(), "tick").teach(classifier.predict(pixels), label)
    assert [example.label for example in taught.examples] == ["tick", label]
    assert taught.examples[1].guess != label
    less = taught.untaught(0)
    assert [example.label for example in less.examples] == [label]
    assert less.labels == classifier.labels
    none = taught.untaught()
    assert none.examples == classifier.examples == ()
    everything = classifier.contract.golden.pixels
    np.testing.assert_array_equal(none.predict_proba(everything), classifier.predict_proba(everything))
    for number in (2, -1, True):
        with pytest.raises(UsageError, match="number of one of 2 examples"):
            taught.untaught(number)
    with pytest.raises(ValueError, match="read-only"):
        taught.examples[0].pixels[:] = 0


def test_the_last_label_of_a_picture_counts(classifier):
    taught = classifier.teach(tick(), "tick").teach(tick(), "check")
    assert [example.label for example in taught.examples] == ["check"]
    assert taught.predict(tick()).label == "check"


def test_an_example_that_contradicts_the_network_is_doubted(classifier, pictures):
    golden = classifier.contract.golden
    sure = int(golden.probabilities.max(axis=1).argmax())
    label = classifier.labels[golden.probabilities[sure].argmax()]
    other = classifier.labels[golden.probabilities[sure].argmin()]
    honest = taught_pixels(classifier, golden.pixels[sure], label)
    assert honest.examples[0].doubt is None
    pixels = golden.pixels[[sure, sure]].copy()
    pixels[1, 0, 0] = 1
    doubted = classifier._taught_by([label, other], pixels).examples[1]
    assert doubted.doubt is not None
    assert doubted.doubt.startswith(f"looks like {label} (score ")
    assert doubted.doubt.endswith(f"like 1 of your examples of {label}")


def test_saved_examples_teach_another_process_and_another_model(classifier, exported, wrong, tmp_path):
    pixels, label = wrong
    taught = classifier.teach(tick(), "tick").teach(classifier.predict(pixels), label)
    taught.save(tmp_path / "mine.npz")
    again = Classifier.load(exported.path, taught=tmp_path / "mine.npz")
    some = np.stack([pixels, *classifier.contract.golden.pixels])
    np.testing.assert_array_equal(again.predict_proba(some), taught.predict_proba(some))
    other = Classifier.load(exported.path / "model.onnx", taught=str(tmp_path / "mine.npz"))
    assert other.predict(tick()).label == "tick"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]


def test_taught_classifiers_are_pickled_shared_and_collected_as_others(classifier, tmp_path):
    taught = classifier.teach(tick(), "tick")
    expected = taught.predict(tick()).probabilities
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(taught)).predict(tick()).probabilities, expected)
    with pytest.raises(AttributeError):
        taught._taught.anything = 1
    answers: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: answers.append(taught.predict(tick()).probabilities)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((answer == expected).all() for answer in answers)
    assert len(answers) == 4
    collecting = Collector(tmp_path / "kept", keep="all").wrap(classifier).teach(tick(), "tick")
    assert collecting.predict(tick()).label == "tick"
    assert len(list((tmp_path / "kept").glob("*.png"))) == 1
    assert collecting.untaught().predict(tick()).label != "tick"
    assert len(list((tmp_path / "kept").glob("*.png"))) == 2


def test_models_without_features_refuse_by_name(exported):
    older = Classifier(without_features(exported.read("model.int8.onnx")))
    with pytest.raises(BundleError, match=r"expected a model with the output features.* found probabilities"):
        older.teach(tick(), "tick")
    assert older.predict(tick()).label is not None


@pytest.mark.parametrize("label", ["", 7, None, "x" * 101, "a\nb", "\ud800"])
def test_labels_are_text(classifier, label):
    with pytest.raises(UsageError, match="label: expected text of 1 to 100 characters"):
        classifier.teach(tick(), label)


def test_what_cannot_be_taught(classifier, tmp_path):
    with pytest.raises(UsageError, match="with ink"):
        classifier.teach(np.full((60, 60), 250, np.uint8), "7")
    with pytest.raises(UsageError, match="taught something"):
        classifier.save(tmp_path / "mine.npz")
    assert not list(tmp_path.iterdir())
    many = np.repeat(classifier.contract.golden.pixels[:1], MOST + 1, axis=0)
    with pytest.raises(UsageError, match="up to 1,000 examples, received 1,001"):
        classifier._taught_by(["7"] * (MOST + 1), many)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def bomb() -> bytes:
    """A header that claims far more than the file holds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, descr, shape in (("labels", "<U1", "(1,)"), ("pixels", "|u1", "(99999999, 28, 28)")):
            header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + bytes([118, 0]) + header.encode() + b"7\0\0\0")
    return file.getvalue()


ONE = np.zeros((1, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"no archive", "examples that digits-edge saved"),
        (npz(labels=np.array(["7"])), "examples that digits-edge saved"),
        (npz(labels=np.array([7]), pixels=ONE), "labels and uint8 pixels"),
        (npz(labels=np.array(["7"], object), pixels=ONE), "examples that digits-edge saved"),
        (npz(labels=np.array(["7", "8"]), pixels=ONE), r"pixels uint8\[2, 28, 28\], received \[1, 28, 28\]"),
        (npz(labels=np.array(["7"]), pixels=ONE[:, :20]), r"received \[1, 20, 28\]"),
        (npz(labels=np.array(["7"]), pixels=ONE.astype(float)), "labels and uint8 pixels"),
        (npz(labels=np.array(["\n"]), pixels=ONE), "label: expected text"),
        (bomb(), "holds 4 bytes"),
    ],
)
def test_a_damaged_file_of_examples_is_refused(exported, tmp_path, data, expected):
    Path(tmp_path, "mine.npz").write_bytes(data)
    with pytest.raises(UsageError, match=expected) as caught:
        Classifier.load(exported.path, taught=tmp_path / "mine.npz")
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_of_examples_is_refused(exported, tmp_path):
    with pytest.raises(UsageError, match=r"mine\.npz: cannot be read"):
        Classifier.load(exported.path, taught=tmp_path / "mine.npz")

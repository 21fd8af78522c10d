"""Many wrong answers are looked into, and no advice makes things worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import keras
import numpy as np
import pytest
from keras import layers, ops

from digits_edge.export import ExportOptions, export
from digits_edge.export.convert.keras_model import KerasModelFile, keras_probabilities
from digits_edge.export.engines.pixel_range import candidates, ends_of, inverted, normalized, option_of
from digits_edge.export.formats import Format
from digits_edge.export.next_command import next_command
from digits_edge.export.options import OwnModel
from digits_edge.export.quantize.attempt import Attempt
from digits_edge.export.verify.criteria import CRITERIA, Limits
from digits_edge.export.verify.diagnosis import at_chance, diagnose
from digits_edge.export.verify.validation import Validation
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import ExportError, UsageError

NAMES = tuple("0123456789")
LISTED = "--labels FILE that lists, one a line, "
MNIST = normalized("0.1307", "0.3081")


@pytest.fixture(scope="module")
def prototypes(digits):
    """Every second row and column of 150 digits of each class, float32[1500, 196] in [0, 1], sorted by class.

    The nearest one labels a picture.
    """
    rows = np.concatenate([np.flatnonzero(digits.targets == target)[:150] for target in range(10)])
    return (digits.pixels[rows, ::2, ::2].reshape(1500, -1) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def judged(digits):
    """Other digits."""
    rows = np.flatnonzero(np.arange(len(digits)) % 200 >= 150)
    return Validation("others", digits.pixels[rows], digits.targets[rows], NAMES)


def network(prototypes, pixel_range="0..1", order=range(10)):
    """The nearest neighbour as a Keras model for pixels in a range, with its outputs in some order of the classes."""
    ((low, high),) = ends_of(pixel_range)
    sorted_by_output = prototypes.reshape(10, 150, 196)[list(order)].reshape(1500, 196)
    image = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / (high - low), -low / (high - low))(image)
    x = layers.Flatten()(layers.MaxPooling2D(1, strides=2)(x))
    dense = layers.Dense(1500)
    nearest = ops.max(ops.reshape(dense(x), (-1, 10, 150)), axis=2)
    dense.set_weights([sorted_by_output.T, -(sorted_by_output**2).sum(axis=1) / 2])
    return keras.Model(image, nearest)


@pytest.fixture(scope="module")
def engines(prototypes):
    """The nearest neighbour of pixels in any range, trained on 0..1."""

    def engine(pixel_range):
        ((low, high),) = ends_of(pixel_range)

        def answer(pixels):
            x = (low + pixels[:, ::2, ::2].reshape(len(pixels), -1) / 255 * (high - low)).astype(np.float32)
            return (x @ prototypes.T - (prototypes**2).sum(axis=1) / 2).reshape(-1, 10, 150).max(axis=2)

        return answer

    return engine


@pytest.mark.parametrize("given", ["0..255", "-1..1", "-0.5..0.5", "255..0", "-1..0"])
@pytest.mark.parametrize("order", [None, (3, 7, 1, 0, 9, 2, 8, 6, 4, 5)], ids=["", "mixed"])
def test_a_wrong_pixel_range_and_order_are_found_together(judged, engines, given, order):
    targets = judged.targets if order is None else np.argsort(order)[judged.targets]
    confused = replace(judged, targets=targets)
    tried = {name: engines(name) for name in candidates(given, ())}
    finding = diagnose(confused, tried[given](judged.pixels), tried)
    assert finding is not None
    assert finding.mends
    listed = (
        () if order is None else (f"--labels FILE that lists, one a line, {', '.join(map(str, np.argsort(order)))}",)
    )
    assert finding.remedies == ("--pixel-range 0..1", *listed)


@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_the_classes_is_listed_as_a_labels_file_needs_it(judged, engines, seed):
    order = np.random.default_rng(seed).permutation(10)  # output i of the model is class order[i]
    answers = engines("0..1")(judged.pixels)[:, order]
    finding = diagnose(judged, answers, {"": lambda pixels: engines("0..1")(pixels)[:, order]})
    assert finding is not None
    assert finding.remedies == (LISTED + ", ".join(map(str, order)),)
    assert finding.before < 0.4
    assert finding.after > 0.85
    assert str(finding).startswith(
        f"{finding.before:.1%} of 500 pictures are answered right, but {finding.after:.1%} with"
    )


PICTURES = {
    "--pixel-range 1..0": lambda pixels: ~pixels,
    "rows and columns of the pictures exchanged": lambda pixels: pixels.swapaxes(1, 2),
    "--pixel-range 1..0 and rows and columns of the pictures exchanged": lambda pixels: ~pixels.swapaxes(1, 2),
}


@pytest.mark.parametrize(("remedy", "change"), PICTURES.items())
def test_inverted_and_transposed_pictures_are_found(judged, engines, remedy, change):
    wrong = replace(judged, pixels=change(judged.pixels))
    tried = {name: engines(name) for name in candidates("0..1", ())}
    finding = diagnose(wrong, tried["0..1"](wrong.pixels), tried)
    assert finding is not None
    assert " and ".join(finding.remedies) == remedy
    stated = diagnose(wrong, tried["0..1"](wrong.pixels), {"": tried["0..1"]}, stated=True)
    assert stated is not None
    assert " and ".join(stated.remedies) == remedy.replace("--pixel-range 1..0", "inverted pictures (255 - p)")


def test_nothing_is_found_where_nothing_is_wrong_or_nothing_helps(judged, engines):
    tried = {name: engines(name) for name in candidates("0..1", ())}
    right = tried["0..1"](judged.pixels)
    assert diagnose(judged, right, tried) is None
    assert not at_chance(judged.targets, right)

    def guess(pixels):
        return np.random.default_rng(len(pixels)).random((len(pixels), 10), np.float32)

    guessed = guess(judged.pixels)
    assert diagnose(judged, guessed, {"": guess}) is None
    assert at_chance(judged.targets, guessed)


def test_an_order_that_fits_few_pictures_of_many_classes_by_chance_is_not_reported():
    random = np.random.default_rng(0)
    targets = np.arange(600) % 300
    few = Validation("few", np.zeros((600, 8, 8), np.uint8), targets, tuple(map(str, range(300))))
    answers = np.eye(300, dtype=np.float32)[random.permutation(600) % 300]
    assert diagnose(few, answers, {"": lambda pixels: answers[: len(pixels)]}) is None


def test_a_pixel_range_is_text():
    assert ends_of("-1..1") == ((-1, 1),)
    assert ends_of("1..0,0...5,-.5..2e1") == ((1, 0), (0, 0.5), (-0.5, 20))
    assert normalized("0.5", "0.5") == normalized("127.5", "127.5") == "-1..1"
    assert normalized("0", "1") == normalized("0", "255") == "0..1"
    assert normalized("0.5,0,0.25", "0.5") == "-1..1,0..2,-0.5..1.5"
    assert inverted("0..1,0..255,-1..1") == "1..0,255..0,1..-1"
    assert option_of(MNIST) == "--mean 0.1307 --std 0.3081"
    assert option_of("-1..1") == "--pixel-range=-1..1"
    for nonsense in ("", "0", "0..0", "0..1..2", "a..b", "0..1,0..1", "nan..1", "0..inf"):
        with pytest.raises(UsageError, match=r"--pixel-range: expected LOW\.\.HIGH"):
            ends_of(nonsense)
    for mean, std in (("0.1", "0"), ("x", "1"), ("0.1,0.2", "1"), ("", "1"), ("0.1", "nan")):
        with pytest.raises(UsageError, match=r"--mean|--std"):
            normalized(mean, std)


# Ten ranges, among them some that nobody would guess.
RANGES = ("0..1", "0..255", "-1..1", "-0.5..0.5", MNIST, "1..0", "255..0", "1..-1", "2..3", "-128..127")


@pytest.mark.parametrize("pixel_range", RANGES)
def test_keras_answers_are_those_of_its_own_pixel_range(prototypes, judged, engines, tmp_path, pixel_range):
    network(prototypes, pixel_range).save(tmp_path / "own.keras")
    answers = keras_probabilities(KerasModelFile(tmp_path / "own.keras", pixel_range), judged.pixels[::10])
    labels = engines("0..1")(judged.pixels[::10]).argmax(axis=1)
    assert (answers.argmax(axis=1) == labels).all()


@pytest.fixture(scope="module")
def own(prototypes, judged, tmp_path_factory):
    """A model for inverted pixels in 0..255, with its outputs in the order of Keras's folders, and data."""
    folder = tmp_path_factory.mktemp("own")
    network(prototypes, "255..0", (0, 2, 1, *range(3, 10))).save(folder / "own.keras")
    np.savez(folder / "digits.npz", x=judged.pixels, y=judged.targets)
    (folder / "labels.txt").write_text("\n".join("0213456789"))
    return folder


def test_an_export_with_wrong_options_names_the_right_ones_and_publishes_nothing(own, digits_edge):
    words = ("export", own / "own.keras", "--data", own / "digits.npz", "--format", "onnx", "--no-benchmark")
    done = digits_edge(*words, "--min-accuracy", "0")
    assert done.code == 2
    last = done.err.splitlines()[-1]
    assert "own.keras: " in last
    assert "with --pixel-range 255..0 and --labels FILE that lists, one a line, 0, 2, 1, 3, 4, 5, 6, 7, 8, 9" in last
    assert not (own / "own-bundle").exists()
    assert not (own / "rejected").exists()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_no_order_of_the_classes_is_published_that_is_not_the_models(prototypes, judged, tmp_path, seed):
    order = np.random.default_rng(seed).permutation(10)  # output i of the model is class order[i]
    network(prototypes, order=order).save(tmp_path / "own.keras")
    np.savez(tmp_path / "digits.npz", x=judged.pixels, y=judged.targets)
    own = OwnModel(tmp_path / "own.keras", str(tmp_path / "digits.npz"))
    options = ExportOptions(own, own.place, formats=(Format.ONNX,), limits=Limits(min_accuracy=0), timed=False)
    names = tuple(map(str, order))
    with pytest.raises(ExportError, match=LISTED + ", ".join(names)):
        export(options)
    assert not own.place.exists()
    bundle = export(replace(options, source=replace(own, names=names)))
    answers = Classifier.load(bundle.path).predict_proba(judged.pixels)
    assert (np.array(names)[answers.argmax(axis=1)] == judged.targets.astype(str)).mean() > 0.85


def test_a_class_without_a_picture_is_exported_and_said_to_be_unjudged(prototypes, judged, tmp_path):
    network(prototypes).save(tmp_path / "own.keras")
    rows = judged.targets != 7
    np.savez(tmp_path / "no-seven.npz", x=judged.pixels[rows], y=judged.targets[rows])
    own = OwnModel(tmp_path / "own.keras", str(tmp_path / "no-seven.npz"), names=NAMES)
    limits = Limits(min_accuracy=0.8)
    bundle = export(ExportOptions(own, own.place, formats=(Format.ONNX,), limits=limits, timed=False))
    assert bundle.contract().labels == NAMES
    judged_by = "338 pictures of no-seven.npz, none of which is of class 7"
    assert bundle.manifest["gate"]["judged_by"] == judged_by
    assert judged_by in (bundle.path / "report.md").read_text()
    assert judged_by in (bundle.path / "report.html").read_text()
    assert Bundle.open(bundle.path)


def advice(failed, limits=None, *, source=None, lost=0, out_of_time=False, **options):
    """The command after a refusal of an int8 model by these criteria."""
    limits = limits or Limits()
    own = OwnModel(
        Path("own.keras"), "data", "-1..1", NAMES, labels=Path("labels.txt"), label_column="y", preprocess="resize"
    )
    source = source or own
    checks = tuple(
        SimpleNamespace(limit=name, needed=0.0123, at_least=CRITERIA[name].at_least, holds=False) for name in failed
    )
    verdict = SimpleNamespace(failed=checks, broken=lost, fixed=0, pictures=1000, own=None)
    refused = SimpleNamespace(file="model.int8.onnx", verdict=verdict)
    asked = ExportOptions(source, source.place, int8=True, limits=limits, **options)
    return next_command(asked, cast(Attempt, refused), out_of_time=out_of_time)


GIVEN = (
    "digits-edge export own.keras --data data --pixel-range=-1..1 --labels labels.txt --label-column y "
    "--preprocess resize"
)


def test_the_suggested_command_keeps_all_options():
    assert advice(["max_drop"], Limits(min_accuracy=0.7, max_drift=0.2), lost=12) == (
        f"{GIVEN} --int8 --max-drop 0.0123 --max-drift 0.2 --min-accuracy 0.7"
    )
    assert advice(["max_drop"], Limits(max_drop=0.001), ladder=False, timed=False, time_limit=60) == (
        f"{GIVEN} --int8 --no-benchmark --time-limit 60 --max-drop 0.001"
    )
    assert advice(["max_drop"], Limits(min_agreement=0.9), lost=12, formats=("onnx",)) == (
        f"{GIVEN} --int8 --max-drop 0.0123 --min-agreement 0.9 --format onnx"
    )


def test_more_time_is_suggested_before_less_accuracy():
    assert advice(["max_drop"], time_budget=60, out_of_time=True) == f"{GIVEN} --int8 --time-budget 120"


def test_no_advice_accepts_less_where_accuracy_is_the_fault():
    assert advice(["min_accuracy"]) is None
    assert advice(["min_accuracy", "max_drop"], ladder=False) is None
    assert advice(["max_drop", "min_p"], lost=100) == GIVEN  # in float
    assert advice(["max_drop"], lost=100, formats=("onnx", "tflite", "c")) is None

"""Damage is caught, remedies are tried one after the other, and what cannot be mended is kept aside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import keras
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from digits_edge.export import export
from digits_edge.export.convert import keras_model as network
from digits_edge.export.convert.keras_model import KerasModelFile, keras_probabilities
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import with_metadata, wrap
from digits_edge.export.options import ExportOptions
from digits_edge.export.quantize import equalization as equalize
from digits_edge.export.quantize import fine_tuning as fine_tune
from digits_edge.export.quantize import ladder
from digits_edge.export.quantize.attempt import Quantized, Skipped
from digits_edge.export.quantize.backends import Backend
from digits_edge.export.quantize.clock import Clock
from digits_edge.export.quantize.ladder import climb
from digits_edge.export.quantize.onnx_quantizer import in_float, quantize
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.export.quantize.sensitivity import LayerNoise, sensitivity
from digits_edge.export.verify.criteria import Limits
from digits_edge.export.verify.gate import Gate
from digits_edge.export.verify.validation import Validation
from digits_edge.runtime.bundle import REJECTED, Bundle
from digits_edge.runtime.errors import BundleError, ExportError, UsageError
from digits_edge.runtime.session import open_session
from digits_edge.trainer import Run


def saturate(model):
    """A quarter of the first channels a thousand times too loud: Keras answers the same, int8 has no room left."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    normalised = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    gamma, beta, mean, variance = normalised.get_weights()
    (kernel,) = convolutions[1].get_weights()
    loud = np.arange(0, len(gamma), 4)
    gamma[loud] *= 1000
    beta[loud] *= 1000
    kernel[:, :, loud] /= 1000
    normalised.set_weights([gamma, beta, mean, variance])
    convolutions[1].set_weights([kernel])


@pytest.fixture
def saturating(own_run):
    model = keras.models.load_model(own_run.model_path)
    saturate(model)
    model.save(own_run.model_path)
    return Run.open(own_run.path)


@pytest.fixture(scope="module")
def core(trained):
    return onnx.load_from_string(to_onnx_core(KerasModelFile(trained.model_path)))


def swap_two_classes(model):
    bias = next(c for c in model.graph.initializer if c.name == "gemm_1.bias")
    weight = next(c for c in model.graph.initializer if c.name == "gemm_1.weight")
    order = [1, 0, *range(2, 10)]
    for constant in (bias, weight):
        values = numpy_helper.to_array(constant)
        axis = values.shape.index(10)
        constant.CopyFrom(numpy_helper.from_array(np.take(values, order, axis), constant.name))


def zero_a_layer(model):
    weight = next(c for c in model.graph.initializer if c.name == "conv_3.weight")
    weight.CopyFrom(numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(weight)), weight.name))


def scale_twice(model):
    weight = next(c for c in model.graph.initializer if c.name == "conv_1.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) / np.float32(255), weight.name))


def change_nothing(model):
    pass


def gate_of(targets, keras_answers, limits, labels):
    validation = Validation("pictures", np.zeros((len(targets), 28, 28), np.uint8), targets, labels)
    return Gate(validation, keras_answers, limits, accepts=lambda p: p.max(axis=1) >= 0.5)


def verdict_on(core, precision, run, limits, calibration=None):
    """What the gate says of a core, float or quantized with these pictures, against the untouched Keras model."""
    pixels, targets = run.validation()
    keras_answers = keras_probabilities(KerasModelFile(run.model_path), pixels)
    if precision == "int8":
        core = quantize(core, calibration, Scheme(KerasModelFile(run.model_path)))
    session = open_session(with_metadata(wrap(core, (28, 28)), {}), "model")
    answers = session.run(None, {"image": pixels})[0]
    return gate_of(targets, keras_answers, limits, run.info.labels).judge(precision, answers)


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("damage", [swap_two_classes, zero_a_layer, scale_twice, change_nothing])
def test_damage_in_a_conversion_is_caught_and_a_copy_passes(core, trained, patient, damage, precision):
    damaged = onnx.ModelProto()
    damaged.CopyFrom(core)
    damage(damaged)
    verdict = verdict_on(damaged, precision, trained, patient, trained.calibration())
    assert (verdict.refused is None) == (damage is change_nothing), verdict


def test_calibration_that_does_not_fit_is_caught(core, trained, patient):
    nearly_black = np.zeros((64, 28, 28), np.uint8)
    nearly_black[:, 14, 14] = 9
    assert verdict_on(core, "int8", trained, patient, nearly_black).refused is not None


def test_the_saturating_network_is_caught_and_mended_in_both_formats(saturating, patient, tmp_path):
    bundle = export(ExportOptions(saturating, tmp_path / "bundle", int8=True, limits=patient, timed=False))
    for name in ("model.int8.onnx", "model.int8.tflite"):
        rungs = [rung for rung in bundle.manifest["gate"]["rungs"] if rung["file"] == name]
        assert "net loss of" in rungs[0]["refused"]
        assert rungs[0]["wrong"] > 200
        assert rungs[-1]["rung"] == "weights equalized across layers"
        assert rungs[-1]["refused"] is None
    skipped = [rung for rung in bundle.manifest["gate"]["rungs"] if "skipped" in rung]
    assert {rung["file"] for rung in skipped} == {"model.int8.tflite"}
    assert bundle.manifest["metrics"]["model.int8.onnx"]["accuracy"] > 0.9


def test_without_the_ladder_the_first_attempt_decides_and_the_best_is_kept_aside(saturating, digits_edge):
    words = ("export", saturating.path, "--int8", "--format", "onnx", "--no-ladder", "--json")
    done = digits_edge(*words)
    assert done.code == 1
    gate = json.loads(done.out)["gate"]
    assert gate["verdict"] == "refused"
    assert [rung["file"] for rung in gate["rungs"]] == ["model.onnx", "model.int8.onnx"]
    assert gate["advice"] == f"digits-edge export {saturating.path} --int8 --format onnx"
    assert not (saturating.path / "bundle").exists()
    rejected = saturating.path / "rejected" / "bundle"
    assert f"the best attempt, with a report: {rejected}" in done.err
    found = {path.name for path in rejected.iterdir()}
    assert found == {"manifest.json", "model.onnx", "model.int8.onnx", "report.md", "report.html", "flipped.png"}
    manifest = json.loads((rejected / "manifest.json").read_text())
    assert manifest["kind"] == REJECTED
    assert min(layer["snr"] for layer in manifest["layers"] if layer["snr"] is not None) < 10
    with pytest.raises(BundleError, match="expected the manifest of a digits-edge bundle"):
        Bundle.open(rejected)
    shown = digits_edge("inspect", rejected)
    assert "refused" in shown.out
    assert gate["advice"] in shown.out


def test_what_stood_there_before_a_refusal_stands_there_still(saturating, exported, digits_edge, tmp_path):
    out = tmp_path / "device"
    out.mkdir()
    for path in exported.path.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    done = digits_edge("export", saturating.path, "--int8", "--format", "onnx", "--no-ladder", "--out", out)
    assert done.code == 1
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert (tmp_path / "rejected" / "device" / "report.html").is_file()


class FakeBackend:
    """Refuses every attempt until a rung of this name comes."""

    file, supports_mixed_precision, pictures = "model.int8.onnx", True, 1024
    broken: tuple[str, ...] = ()
    clock, layer_count = Clock(), 5
    network, even = KerasModelFile(Path("model.keras")), KerasModelFile(Path("equalized.keras"))

    def __init__(self, trained, until=None, **changes):
        _, targets = trained.validation()
        self._targets, self._until, self.asked = targets, until, []
        for name, value in changes.items():
            setattr(self, name, value)

    def attempt(self, rung, scheme):
        if rung in self.broken:
            raise ExportError("it broke")
        self.asked.append((rung, scheme))
        truth = np.eye(10, dtype=np.float32)[self._targets]
        answers = truth if rung == self._until else np.roll(truth, 1, axis=1)
        verdict = gate_of(self._targets, truth, Limits(), tuple("0123456789")).judge("int8", answers)
        return Quantized(self.file, rung, b"", lambda _: answers, answers, verdict, scheme)

    def equalized(self):
        return self.even

    def fine_tuned(self, network):
        return replace(network, path=Path("tuned.keras"))

    def layers(self, scheme):
        return [
            LayerNoise(f"conv_{i}", "Conv", (f"conv_{i}", f"relu_{i}"), snr)
            for i, snr in enumerate((30, 5, 20, np.inf, 9))
        ]


def climbed(backend, *, ladder=True):
    return list(climb(cast(Backend, backend), ladder=ladder))


ONNX_LADDER = [
    "min-max calibration with 512 pictures, weights per channel",
    "entropy calibration",
    "percentile calibration",
    "calibration with all pictures, 1024",
    "weights equalized across layers",
    "8-bit weights (U8U8)",
    "conv_1 in float",
    "conv_1, conv_4 in float",
    "quantization-aware fine-tuning",
]


def test_every_rung_is_tried_in_its_order_and_recorded(trained):
    backend = FakeBackend(trained)
    assert [outcome.rung for outcome in climbed(backend)] == ONNX_LADDER
    schemes = dict(backend.asked)
    assert schemes["conv_1, conv_4 in float"].in_float == ("conv_1", "relu_1", "conv_4", "relu_4")
    assert schemes["percentile calibration"].method == "percentile"
    assert schemes["8-bit weights (U8U8)"].weights == "8-bit"
    assert schemes["quantization-aware fine-tuning"].in_float == ()


@pytest.mark.parametrize("until", ONNX_LADDER)
def test_the_first_rung_that_passes_ends_the_climb(trained, until):
    outcomes = climbed(FakeBackend(trained, until))
    assert [outcome.rung for outcome in outcomes] == ONNX_LADDER[: ONNX_LADDER.index(until) + 1]
    assert ladder.best([outcome for outcome in outcomes if isinstance(outcome, Quantized)]).rung == until


def test_one_rung_without_the_ladder(trained):
    assert len(climbed(FakeBackend(trained), ladder=False)) == 1


def test_a_remedy_that_breaks_is_recorded_and_the_next_is_tried(trained):
    backend = FakeBackend(trained, until="quantization-aware fine-tuning")
    backend.broken = ("entropy calibration", "conv_1 in float")
    outcomes = climbed(backend)
    skipped = {outcome.rung: outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)}
    assert skipped == {"entropy calibration": "it broke", "the noisiest layers in float": "it broke"}
    assert outcomes[-1].rung == "quantization-aware fine-tuning"


def test_the_time_budget_ends_the_climb_and_the_rest_is_recorded(trained, monkeypatch):
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr("digits_edge.export.quantize.clock.monotonic", lambda: next(now))
    outcomes = climbed(FakeBackend(trained, clock=Clock(budget=25)))
    assert [outcome.rung for outcome in outcomes if isinstance(outcome, Quantized)] == ONNX_LADDER[:3]
    skipped = {outcome.rung: outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)}
    assert skipped == dict.fromkeys(list(ladder.REMEDIES)[2:], "the --time-budget of 25 s is used up")


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_time_budget_must_be_a_time(budget):
    with pytest.raises(UsageError, match="--time-budget: expected seconds, more than 0"):
        Clock(budget)


def test_a_ladder_that_may_take_long_says_so_before_it_begins(trained, monkeypatch, capsys):
    now = iter(range(0, 10_000, 90))
    monkeypatch.setattr("digits_edge.export.quantize.ladder.monotonic", lambda: next(now))
    climbed(FakeBackend(trained))
    said = capsys.readouterr().err
    assert "up to 14 steps of remedies follow, which may take about 21 min; --time-budget SECONDS" in said


@pytest.mark.parametrize("method", ["entropy", "percentile"])
@pytest.mark.parametrize("pictures", [1, 97, 150])
def test_any_number_of_pictures_calibrates(core, trained, method, pictures):
    scheme = Scheme(KerasModelFile(trained.model_path), method=method, pictures=pictures)
    assert len(in_float(quantize(core, trained.calibration(), scheme))) < 5


def test_ranges_that_are_kept_give_the_same_model(core, trained, tmp_path):
    scheme, ranges = Scheme(KerasModelFile(trained.model_path)), tmp_path / "ranges.json"
    first, *others = (quantize(core, trained.calibration(), scheme, ranges=file) for file in (None, ranges, ranges))
    assert all(other == first for other in others)


def test_rungs_that_a_format_or_a_run_does_not_have_are_skipped_with_the_reason(trained):
    backend = FakeBackend(trained, supports_mixed_precision=False, pictures=100, even=None)
    outcomes = climbed(backend)
    skipped = {outcome.rung: outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)}
    assert skipped == {
        "entropy calibration": "the TFLite converter has min-max calibration only",
        "percentile calibration": "the TFLite converter has min-max calibration only",
        "calibration with all pictures, 100": "all pictures have been used already",
        "weights equalized across layers": "no two layers have only ReLU and pooling between them",
        "8-bit weights (U8U8)": "TFLite weights have 8 bits already",
        "the noisiest layers in float": "a full-integer TFLite model has no float layers",
        "quantization-aware fine-tuning": "it needs 256 calibration pictures, there are 100",
    }
    assert len(backend.asked) == 1


def test_the_noise_of_the_saturating_layer_stands_out_and_leaving_it_in_float_mends_it(saturating):
    source = KerasModelFile(saturating.model_path)
    float_core = onnx.load_from_string(to_onnx_core(source))
    calibration, scheme = saturating.calibration(), Scheme(source)
    layers = sorted(sensitivity(float_core, calibration, scheme), key=lambda layer: layer.snr)
    assert layers[0].name == "conv_2"
    assert layers[1].snr > layers[0].snr + 10
    mended = quantize(float_core, calibration, replace(scheme, in_float=layers[0].nodes))
    assert "conv_2 (Conv)" in in_float(mended)
    assert "conv_3 (Conv)" not in in_float(mended)
    pixels, targets = saturating.validation()
    session = open_session(with_metadata(wrap(mended, (28, 28)), {}), "model")
    assert (session.run(None, {"image": pixels})[0].argmax(axis=1) == targets).mean() > 0.9


@pytest.mark.parametrize("kind", ["normalised", "plain", "flattened", "depthwise"])
def test_equalizing_changes_nothing_in_float(kind):
    keras.utils.set_random_seed(1)
    layers = keras.layers
    first = {
        "normalised": [layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()],
        "plain": [layers.Conv2D(8, 3, activation="relu")],
        "flattened": [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()],
        "depthwise": [layers.Conv2D(8, 1, activation="relu"), layers.DepthwiseConv2D(3, activation="relu")],
    }[kind]
    rest = [] if kind == "flattened" else [layers.Conv2D(6, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((12, 12, 1)), *first, *rest, layers.Dense(4)])
    random = np.random.default_rng(0)
    model.set_weights([w + random.random(w.shape, np.float32) * 3 for w in model.get_weights()])
    pixels = random.random((20, 12, 12, 1), np.float32)
    before, weights = model.predict_on_batch(pixels), model.get_weights()
    assert equalize.equalize(model) >= 1
    np.testing.assert_allclose(model.predict_on_batch(pixels), before, rtol=1e-3)
    assert any(not np.allclose(old, new) for old, new in zip(weights, model.get_weights(), strict=True))


def test_nothing_is_equalized_across_what_does_not_allow_it():
    layers = keras.layers
    for between in (layers.Activation("sigmoid"), layers.ReLU(max_value=6.0), layers.Softmax()):
        model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 3), between, layers.Conv2D(2, 3)])
        assert equalize.equalize(model) == 0
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 3, padding="same")(image)
    branched = keras.Model(image, layers.Conv2D(2, 3)(layers.Add()([layers.ReLU()(x), x])))
    assert equalize.equalize(branched) == 0


def test_fine_tuning_brings_rounded_answers_nearer_to_the_float_ones(trained, tmp_path):
    """A model whose weights bear rounding badly: noise on them that its own teacher does not have."""
    calibration = trained.calibration()
    source = KerasModelFile(trained.model_path)
    wanted = keras_probabilities(source, calibration)
    model = network.open_network(KerasModelFile(trained.model_path))
    random = np.random.default_rng(0)
    kernels = [w for w in model.weights if w.path.endswith("kernel")]
    for kernel in kernels:
        values = np.asarray(kernel)
        kernel.assign(values + random.normal(0, 0.15 * values.std(), values.shape))
    model.save(tmp_path / "noisy.keras")

    def distance(path):
        core = onnx.load_from_string(to_onnx_core(KerasModelFile(path)))
        quantized = quantize(core, calibration, Scheme(KerasModelFile(path)))
        session = open_session(with_metadata(wrap(quantized, (28, 28)), {}), "model")
        return np.abs(session.run(None, {"image": calibration})[0] - wanted).mean()

    fine_tune.fine_tune(model, calibration, wanted)
    model.save(tmp_path / "tuned.keras")
    assert distance(tmp_path / "tuned.keras") < 0.7 * distance(tmp_path / "noisy.keras")

"""Models that digits-edge did not export, against what numpy makes of the same weights."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from digits_edge.common.numerics import softmax
from digits_edge.export.engines.model_files import ModelFile, open_models
from digits_edge.export.engines.pixel_range import normalized
from digits_edge.export.verify.evaluate import evaluate_file
from digits_edge.export.verify.validation import Validation
from digits_edge.runtime.errors import BundleError

ROOT = Path(__file__).parents[2]
STANDARD = "-0.4242129..2.821487"  # of pixels less MNIST's mean 0.1307, divided by its standard deviation 0.3081
RANGES = {
    "0..1": (0, 1),
    "0..255": (0, 255),
    "-1..1": (-1, 1),
    "1..0": (1, 0),
    STANDARD: (-0.1307 / 0.3081, (1 - 0.1307) / 0.3081),
}


@pytest.fixture(scope="module")
def linear(digits):
    """A linear classifier of the digits: weights float32[784, 10] and bias float32[10] for pixels in [0, 1]."""
    x = np.c_[digits.pixels.reshape(len(digits), -1) / 255, np.ones(len(digits))]
    y = np.eye(10)[digits.targets] * 20 - 10
    solved = np.linalg.solve(x.T @ x + 10 * np.eye(785), x.T @ y).astype(np.float32)
    return solved[:-1], solved[-1]


@pytest.fixture(scope="module")
def truth(linear, digits):
    """Its logits float32[2000, 10], by numpy."""
    weights, bias = linear
    logits = digits.pixels.reshape(len(digits), -1).astype(np.float32) / 255 @ weights + bias
    wrong = int((logits.argmax(axis=1) != digits.targets).sum())
    assert 0 < wrong < 400
    return logits


def in_range(linear, name):
    """The same classifier for pixels in another range."""
    weights, bias = linear
    low, high = RANGES[name]
    return weights / (high - low), bias - (weights / (high - low) * low).sum(axis=0)


def save_onnx(path, linear, shape, dtype=TensorProto.FLOAT, probabilities=False, more=()):
    """Flatten (and cast), multiply, add, and perhaps a softmax, as onnx's own helpers write them."""
    weights, bias = linear
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    outputs = ["probabilities" if probabilities else "logits", *more]
    classes = weights.shape[1]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [shape[0], classes]) for name in outputs],
        [
            numpy_helper.from_array(weights.astype(np.float32), "w"),
            numpy_helper.from_array(bias.astype(np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def save_tflite(path, linear, *, dtype=None, pixel_range="0..1", probabilities=False, digits=None):
    """The same by TensorFlow's own converter; int8 or uint8 where a dtype is given."""
    import keras
    import tensorflow as tf

    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    if probabilities:
        layers.append(keras.layers.Softmax())
    model = keras.Sequential(layers)
    model.layers[1].set_weights(list(linear))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if dtype:
        low, high = RANGES[pixel_range]

        def representative():
            for picture in digits.pixels[::10]:
                yield [(low + picture[None, ..., None] / 255 * (high - low)).astype(np.float32)]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.as_dtype(dtype)
    from digits_edge.common.silence import muted

    with muted():
        path.write_bytes(converter.convert())
    return path


def evaluated(digits_edge, *words):
    done = digits_edge("evaluate", *words, "--json")
    assert done.code == 0, done.err
    (model,) = json.loads(done.out)["models"]
    return model, done.err


@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
@pytest.mark.parametrize(
    "shape", [["N", 28, 28, 1], ["N", 1, 28, 28], ["N", 28, 28], [1, 28, 28, 1], [1, 1, 28, 28]], ids=str
)
def test_an_onnx_of_any_layout_is_judged_as_numpy_judges_it(
    linear, truth, digits, digits_npz, digits_edge, tmp_path, shape, probabilities
):
    path = save_onnx(tmp_path / "net.onnx", linear, shape, probabilities=probabilities)
    model, err = evaluated(digits_edge, path, "--data", digits_npz)
    assert model["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()
    assert f"pixels 0..1; {'probabilities' if probabilities else 'logits'} of 10 classes" in err
    answers = open_models(path).files[0].predict_proba(digits.pixels[:200])
    np.testing.assert_allclose(answers, softmax(truth[:200]), atol=1e-4)


@pytest.mark.parametrize("name", RANGES)
def test_the_pixel_range_is_what_the_user_says(linear, truth, digits, digits_npz, digits_edge, tmp_path, name):
    path = save_onnx(tmp_path / "net.onnx", in_range(linear, name), ["N", 28, 28])
    model, _ = evaluated(digits_edge, path, "--data", digits_npz, f"--pixel-range={name}")
    assert model["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()


def test_mean_and_standard_deviation_are_a_pixel_range(linear, truth, digits, digits_npz, digits_edge, tmp_path):
    path = save_onnx(tmp_path / "net.onnx", in_range(linear, STANDARD), ["N", 28, 28])
    words = ("evaluate", path, "--data", digits_npz, "--mean", 0.1307, "--std", 0.3081, "--json")
    done = digits_edge(*words)
    assert json.loads(done.out)["models"][0]["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()
    assert f"pixels {STANDARD}; logits of 10 classes" in done.err
    assert "decide otherwise" not in done.err
    timed = digits_edge("benchmark", path, "--data", digits_npz, "--mean", 0.1307, "--std", 0.3081, "--rounds", 1)
    assert f"{(truth.argmax(axis=1) == digits.targets).mean():.2%}" in timed.out


@pytest.mark.parametrize("shape", [["N", 3, 16, 12], ["N", 16, 12, 3]], ids=str)
def test_each_channel_has_a_mean_and_a_standard_deviation_of_its_own(tmp_path, shape):
    means, stds = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 12, 3), dtype=np.uint8)
    fed = ((pixels / 255 - means) / stds).astype(np.float32)
    weights = np.random.default_rng(1).standard_normal((16 * 12 * 3, 4)).astype(np.float32) / 20
    path = save_onnx(tmp_path / "net.onnx", (weights, np.zeros(4)), shape)
    given = normalized(",".join(map(str, means)), ",".join(map(str, stds)))
    answers = open_models(path, given).files[0].predict_proba(pixels)
    flat = (fed.transpose(0, 3, 1, 2) if shape[1] == 3 else fed).reshape(9, -1)
    np.testing.assert_allclose(answers, softmax((flat @ weights).astype(np.float32)), atol=1e-4)


def test_a_uint8_input_takes_pixels_as_they_are(linear, truth, digits, digits_npz, digits_edge, refused, tmp_path):
    path = save_onnx(tmp_path / "net.onnx", in_range(linear, "0..255"), ["N", 28, 28], TensorProto.UINT8)
    model, err = evaluated(digits_edge, path, "--data", digits_npz)
    assert model["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()
    assert "pixels as they are" in err
    said = refused("evaluate", path, "--data", digits_npz, "--pixel-range", "0..1")
    assert "takes pixels as they are (uint8[?, 28, 28]), received 0..1" in said


ENDINGS = {
    "rounded": [
        helper.make_node("Softmax", ["scores"], ["exact"]),
        helper.make_node("QuantizeLinear", ["exact", "step", "zero"], ["whole"]),
        helper.make_node("DequantizeLinear", ["whole", "step", "zero"], ["y"]),
    ],
    "log": [helper.make_node("LogSoftmax", ["scores"], ["y"])],
    "sigmoid": [helper.make_node("Sigmoid", ["scores"], ["y"])],
}


@pytest.mark.parametrize(
    ("ending", "kind", "tolerance"),
    [("rounded", "probabilities", 0.003), ("log", "logits", 1e-4), ("sigmoid", "scores from 0 to 1 that do not", 1)],
)
def test_what_the_outputs_are_is_told_by_the_answers(linear, truth, digits, tmp_path, ending, kind, tolerance):
    path = save_onnx(tmp_path / "net.onnx", (linear[0] / 4, linear[1] / 4), ["N", 28, 28])
    model = onnx.load(path)
    model.graph.node[-2].output[0] = "scores"
    del model.graph.node[-1]
    model.graph.node.extend(ENDINGS[ending])
    model.graph.output[0].name = "y"
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(1 / 255), "step"), numpy_helper.from_array(np.uint8(0), "zero")]
    )
    onnx.save(model, path)
    models = open_models(path)
    assert f"; {kind}" in models.description
    answers = models.files[0].predict_proba(digits.pixels[:50])
    np.testing.assert_allclose(answers, softmax(truth[:50] / 4), atol=tolerance)


def test_weights_beside_an_onnx_are_found_from_any_folder(linear, truth, digits, digits_npz, digits_edge, tmp_path):
    inside = save_onnx(tmp_path / "inside.onnx", linear, ["N", 28, 28])
    (tmp_path / "net").mkdir()
    path = tmp_path / "net" / "net.onnx"
    onnx.save(onnx.load(inside), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert path.stat().st_size < 1000
    model, _ = evaluated(digits_edge, path, "--data", digits_npz)
    assert model["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()
    assert open_models(path).files[0].bytes > 784 * 10 * 4


def test_a_float_tflite_is_judged_as_numpy_judges_it(linear, truth, digits, digits_npz, digits_edge, tmp_path):
    path = save_tflite(tmp_path / "net.tflite", linear, probabilities=True)
    model, err = evaluated(digits_edge, path, "--data", digits_npz)
    assert model["wrong"] == (truth.argmax(axis=1) != digits.targets).sum()
    assert "float32[1, 28, 28, 1], pixels 0..1; probabilities of 10 classes" in err


@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
@pytest.mark.parametrize(
    ("dtype", "name"),
    [("int8", "0..1"), ("int8", "0..255"), ("int8", "-1..1"), ("int8", STANDARD), ("uint8", "-1..1")],
)
def test_a_quantized_tflite_tells_by_itself_what_its_pixels_are(
    linear, truth, digits, digits_npz, digits_edge, tmp_path, dtype, name, probabilities
):
    path = save_tflite(
        tmp_path / "net.tflite",
        in_range(linear, name),
        dtype=dtype,
        pixel_range=name,
        probabilities=probabilities,
        digits=digits,
    )
    model, err = evaluated(digits_edge, path, "--data", digits_npz)
    fed = "as they are" if dtype == "uint8" else "p-128 (-0.4" if name == STANDARD else name + ";"
    assert f"pixels {fed}" in err
    assert f"{'probabilities' if probabilities else 'logits'} of 10 classes" in err
    answers = open_models(path).files[0].predict_proba(digits.pixels)
    np.testing.assert_allclose(answers, softmax(truth), atol=0.15)
    assert np.abs(answers - softmax(truth)).mean() < 0.01
    assert model["wrong"] == (answers.argmax(axis=1) != digits.targets).sum()
    if dtype == "int8":  # pixel values less 128 are the range that the quantization spans, whichever it is
        np.testing.assert_allclose(open_models(path, "p-128").files[0].predict_proba(digits.pixels), answers, atol=0.05)


def test_a_wrong_range_and_another_order_of_classes_are_warned_of(linear, digits_npz, digits_edge, refused, tmp_path):
    order = [3, 7, 1, 0, 9, 2, 8, 6, 4, 5]
    weights, bias = in_range(linear, "1..0")
    path = save_onnx(tmp_path / "net.onnx", (weights[:, order], bias[order]), ["N", 28, 28])
    for command in (("evaluate",), ("benchmark", "--rounds", 1)):
        done = digits_edge(command[0], path, "--data", digits_npz, *command[1:])
        assert done.code == 0
        (warned,) = [line for line in done.err.splitlines() if line.startswith("warning: net.onnx: ")]
        assert warned.endswith(f"with --pixel-range 1..0 and --labels FILE that lists, one a line, {str(order)[1:-1]}")
    (tmp_path / "labels.txt").write_text("\n".join(map(str, order)))
    said = refused("evaluate", ROOT / "artifacts/compact", "--data", digits_npz, "--labels", tmp_path / "labels.txt")
    assert "--labels: only for a model that digits-edge did not export" in said


def test_our_own_tflite_without_its_bundle_takes_its_classes_from_the_data(digits_npz, digits_edge):
    bundle = ROOT / "artifacts/compact"
    models, _ = evaluated(digits_edge, bundle / "model.int8.tflite", "--data", digits_npz)
    assert models["wrong"] < 20
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    whole = {model.file: model for model in open_models(bundle).files}
    alone = open_models(bundle / "model.int8.tflite").files[0]
    np.testing.assert_array_equal(alone.predict_proba(pixels), whole["model.int8.tflite"].predict_proba(pixels))


@pytest.fixture
def colours(tmp_path):
    """A folder of 16 x 12 pictures of three colours, whose redness, greenness or blueness is their class."""
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (tmp_path / "colours" / name).mkdir(parents=True)
        for row in range(4):
            pixels = rng.integers(0, 60, (16, 12, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(tmp_path / "colours" / name / f"{row}.png")
    return tmp_path / "colours"


@pytest.mark.parametrize("shape", [["N", 3, 16, 12], ["N", 16, 12, 3]], ids=str)
def test_colours_of_another_size_are_read_in_the_models_own_shape(colours, digits_edge, tmp_path, shape):
    weights = np.zeros((3, 16, 12, 3), np.float32)  # channel, row, column, class
    for place, channel in enumerate((2, 1, 0)):  # classes by alphabet: blue, green, red
        weights[channel, :, :, place] = 1
    if shape[3] == 3:
        weights = weights.transpose(1, 2, 0, 3)
    path = save_onnx(tmp_path / "net.onnx", (weights.reshape(-1, 3), np.zeros(3)), shape)
    model, _ = evaluated(digits_edge, path, "--data", colours)
    assert model["wrong"] == 0
    assert list(model["per_class"]) == ["blue", "green", "red"]


def test_mistakes_of_a_foreign_model_are_drawn(linear, digits_npz, digits_edge, tmp_path):
    path = save_onnx(tmp_path / "net.onnx", linear, ["N", 28, 28])
    done = digits_edge("evaluate", path, "--data", digits_npz, "--mistakes", tmp_path / "mistakes.png")
    assert done.code == 0, done.err
    assert (tmp_path / "mistakes.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("shape", "received"),
    [
        (["N", 784], "received float32[?, 784], and the output float32[?, 10]"),
        (["N", "H", "W", 1], "float32[?, ?, ?, 1]"),
        ([4, 28, 28], "float32[4, 28, 28]"),
        (["N", 2, 28, 14], "float32[?, 2, 28, 14]"),
        (["N", 1, 784, 1], "float32[?, 1, 784, 1]"),
    ],
    ids=str,
)
def test_other_inputs_are_refused_in_one_line(linear, digits_npz, refused, tmp_path, shape, received):
    path = save_onnx(tmp_path / "net.onnx", linear, shape)
    said = refused("evaluate", path, "--data", digits_npz)
    assert "expected an image classifier of one input, float32, uint8 or int8 [N, H, W]" in said
    assert received in said
    assert said in refused("benchmark", path)


def test_other_dtypes_and_more_outputs_are_refused_in_one_line(linear, digits_npz, refused, tmp_path):
    path = save_onnx(tmp_path / "double.onnx", linear, ["N", 28, 28], TensorProto.DOUBLE)
    assert "received tensor(double)[?, 28, 28]" in refused("evaluate", path, "--data", digits_npz)
    path = save_onnx(tmp_path / "two.onnx", linear, ["N", 28, 28], more=["flat"])
    assert "expected one output [N, classes]" in refused("evaluate", path, "--data", digits_npz)


def save_graph(path, nodes, inputs, outputs):
    values = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
    graph = helper.make_graph(nodes, "graph", *values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_two_inputs_and_a_detection_model_are_refused_in_one_line(digits_npz, refused, tmp_path):
    picture = ("x", TensorProto.FLOAT, ["N", 28, 28])
    two = save_graph(
        tmp_path / "two.onnx",
        [helper.make_node("Add", ["x", "z"], ["y"])],
        [picture, ("z", TensorProto.FLOAT, ["N", 28, 28])],
        [("y", TensorProto.FLOAT, ["N", 28, 28])],
    )
    assert "received float32[?, 28, 28] and float32[?, 28, 28], and" in refused("evaluate", two, "--data", digits_npz)
    boxes = save_graph(
        tmp_path / "boxes.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [picture],
        [("y", TensorProto.FLOAT, ["N", 28, 28])],
    )
    said = refused("evaluate", boxes, "--data", digits_npz)
    assert "expected an output [N, classes] of two classes or more, received float32[32, 28, 28]" in said
    labels = save_graph(
        tmp_path / "labels.onnx",
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("ArgMax", ["f"], ["y"], axis=1)],
        [picture],
        [("y", TensorProto.INT64, ["N", 1])],
    )
    assert "received int64[32, 1]" in refused("evaluate", labels, "--data", digits_npz)


def test_another_number_of_classes_is_refused(linear, refused, tmp_path):
    np.savez(tmp_path / "two.npz", x=np.zeros((4, 28, 28), np.uint8), y=np.array([0, 1, 1, 0]))
    path = save_onnx(tmp_path / "net.onnx", linear, ["N", 28, 28])
    said = refused("evaluate", path, "--data", tmp_path / "two.npz")
    assert "expected 10 classes, as many as net.onnx has outputs, found 2: 0, 1" in said


@pytest.mark.parametrize("name", ["net.onnx", "net.tflite"])
@pytest.mark.parametrize("data", [b"", b"no model", b"\x00" * 999], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_model_is_refused_in_one_line(digits_npz, refused, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert str(tmp_path / name) in refused("evaluate", tmp_path / name, "--data", digits_npz)
    assert str(tmp_path / name) in refused("benchmark", tmp_path / name)
    assert "cannot be read" in refused("evaluate", tmp_path / f"no-{name}", "--data", digits_npz)


def test_answers_of_nan_and_onnxruntimes_reasons_are_one_whole_line(linear, digits_npz, refused, tmp_path):
    path = save_onnx(tmp_path / "nan.onnx", [part * np.nan for part in linear], ["N", 28, 28])
    for words in (("evaluate", path, "--data", digits_npz), ("inspect", path), ("benchmark", path)):
        assert "expected finite numbers for black, white and noise, received NaN" in refused(*words)
    model = onnx.load(save_onnx(tmp_path / "net.onnx", linear, ["N", 28, 28]))
    model.ir_version = 99
    onnx.save(model, tmp_path / "newer.onnx")
    assert "cannot load it: Unsupported model IR version: 99, max supported" in refused(
        "inspect", tmp_path / "newer.onnx"
    )
    model.ir_version, model.opset_import[0].version = 8, 99
    onnx.save(model, tmp_path / "opset.onnx")
    assert "Current official support for domain ai.onnx is till opset" in refused("inspect", tmp_path / "opset.onnx")


def test_answers_of_nan_for_some_pictures_are_not_counted_but_said(digits):
    answers = np.full((len(digits.pixels), 10), 0.1, np.float32)
    answers[:7] = np.nan
    model = cast(ModelFile, SimpleNamespace(file="net.onnx", predict_proba=lambda pixels: answers[: len(pixels)]))
    validation = Validation("pictures", digits.pixels[:20], digits.targets[:20], digits.labels)
    with pytest.raises(BundleError, match=r"net\.onnx: .* NaN or infinity for 7 of 20 pictures"):
        evaluate_file(model, validation, lambda: None)


def test_a_pixel_range_is_for_models_that_have_none_of_their_own(digits_npz, refused, tmp_path, linear):
    for own in ("artifacts/compact", "artifacts/compact/model.onnx"):
        said = refused("evaluate", ROOT / own, "--data", digits_npz, "--pixel-range", "-1..1")
        assert "--pixel-range: only for a model that digits-edge did not export" in said
    path = save_onnx(tmp_path / "net.onnx", linear, ["N", 28, 28])
    assert "--pixel-range: expected LOW..HIGH" in refused("benchmark", path, "--pixel-range", "0-255")
    assert "is for an int8 input, received float32[?, 28, 28]" in refused("benchmark", path, "--pixel-range", "p-128")
    assert "expected one range, for one channel" in refused("benchmark", path, "--pixel-range", "0..1,0..1,0..1")
    for words in (("--mean", "0.5"), ("--mean", "0.5", "--std", "0.5", "--pixel-range", "0..1")):
        assert "--mean and --std: expected both of them, and no --pixel-range" in refused("benchmark", path, *words)


def test_a_foreign_model_is_measured_with_onnxruntime_in_place_of_ours(
    linear, truth, digits, digits_npz, digits_edge, tmp_path
):
    path = save_onnx(tmp_path / "net.onnx", linear, [1, 28, 28, 1])
    done = digits_edge("benchmark", path, "--data", digits_npz, "--rounds", 1, "--json")
    assert done.code == 0, done.err
    candidates = json.loads(done.out)["candidates"]
    openvino = ["OpenVINO"] if find_spec("openvino") else []
    assert [c["runtime"] for c in candidates] == ["onnxruntime", "onnxruntime, default options", *openvino]
    right = (truth.argmax(axis=1) == digits.targets).mean()
    assert [c["accuracy"] for c in candidates] == pytest.approx([right] * len(candidates), abs=0.002)
    assert "float32[1, 28, 28, 1], pixels 0..1; logits of 10 classes" in done.err

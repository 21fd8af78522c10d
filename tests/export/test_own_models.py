"""Any Keras image classifier is exported the same way, and what cannot be is named."""

from __future__ import annotations

import json

import keras
import numpy as np
import onnx
import pytest
from keras import layers

from digits_edge.export.convert.keras_model import KerasModelFile, keras_probabilities, read_facts
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import with_metadata, wrap
from digits_edge.export.convert.tflite import to_tflite
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.pixel_range import ends_of, normalized
from digits_edge.export.quantize.onnx_quantizer import quantize
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import ExportError
from digits_edge.runtime.session import open_session


def residual():
    """Takes 0..255 and scales it itself."""
    image = keras.Input((20, 24, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x)))
    x = layers.ReLU()(layers.Add()([x, layers.Conv2D(8, 3, padding="same")(y)]))
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def depthwise():
    """MobileNet's blocks in colour, which take -1..1; a softmax in the last layer."""
    image = keras.Input((16, 16, 3))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, use_bias=False)(image)))
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, use_bias=False)(x)))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 1, activation="relu")(x))
    return keras.Model(image, layers.Dense(7, activation="softmax")(x))


def without_channel():
    """No convolution, no channel, and a softmax layer of its own."""
    parts = [layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dropout(0.2), layers.Dense(3)]
    return keras.Sequential([keras.Input((12, 12)), *parts, layers.Softmax()])


def excited():
    """Squeeze and excitation with sigmoid and SiLU; branches that are put together."""
    image = keras.Input((14, 14, 1))
    x = layers.Conv2D(8, 3, activation="silu")(image)
    weights = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(weights)])
    x = layers.Concatenate()([layers.Conv2D(4, 1)(x), layers.MaxPooling2D(3, 1, "same")(x)])
    return keras.Model(image, layers.Dense(4)(layers.GlobalMaxPooling2D()(x)))


def attentive():
    """Attention over patches, layer normalisation and GELU."""
    image = keras.Input((12, 12, 1))
    x = layers.Reshape((9, 8))(layers.Conv2D(8, 4, strides=4)(image))
    x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)]))
    return keras.Model(image, layers.Dense(6)(layers.Flatten()(layers.Dense(10, activation="gelu")(x))))


def nested():
    """A model as a layer of another, separable convolutions."""
    body = keras.Sequential([keras.Input((18, 18, 3)), layers.SeparableConv2D(8, 3), layers.LeakyReLU()])
    return keras.Sequential([keras.Input((18, 18, 3)), body, layers.Flatten(), layers.Dense(4)])


def lstm():
    return keras.Sequential([keras.Input((6, 8)), layers.LSTM(5, name="lstm"), layers.Dense(3)])


def recurrent():
    """A GRU in two directions and SimpleRNN, which ONNX gets in plain operations."""
    parts = [layers.Bidirectional(layers.GRU(4, return_sequences=True)), layers.SimpleRNN(5), layers.Dense(3)]
    return keras.Sequential([keras.Input((5, 8)), *parts])


def convolutional_lstm():
    parts = [layers.Reshape((3, 4, 8, 1)), layers.ConvLSTM2D(3, 3), layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((12, 8, 1)), *parts])


def grouped():
    """A Normalization of known mean, and a grouped convolution."""
    normalization = layers.Normalization(mean=[0.3, 0.4, 0.5], variance=[0.1, 0.2, 0.1])
    parts = [layers.Conv2D(8, 3), layers.Conv2D(8, 3, groups=4, activation="relu"), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((12, 14, 3)), normalization, *parts, layers.Dense(3)])


def celu():
    parts = [layers.Conv2D(4, 3, activation="celu"), layers.Flatten(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 7, 1)), *parts])


ARCHITECTURES = {
    residual: "0..255",
    depthwise: "-1..1",
    without_channel: "0..1",
    excited: "0..1",
    attentive: "0..1",
    nested: normalized("0.485,0.456,0.406", "0.229,0.224,0.225"),
    grouped: "0..1",
    celu: "0..1",
    lstm: "0..1",
    recurrent: "0..1",
    convolutional_lstm: "0..1",
}
NO_INT8_TFLITE = (celu, lstm, recurrent, convolutional_lstm)  # refused, or so inexact that the gate refuses it


def truth(model, pixel_range, pixels):
    """Class probabilities as Keras itself gives them for pictures in the model's own range."""
    low, high = np.array(ends_of(pixel_range)).T
    scaled = low + (pixels if pixels.ndim == 4 else pixels[..., None]) / 255 * (high - low)
    scaled = scaled if len(model.input_shape) == 4 else scaled[..., 0]
    answers = np.asarray(model(scaled.astype(np.float32), training=False))
    return answers if np.allclose(answers.sum(axis=1), 1) else np.asarray(keras.ops.softmax(answers))


@pytest.mark.parametrize(("architecture", "pixel_range"), ARCHITECTURES.items())
def test_every_architecture_gives_keras_answers_in_every_format(architecture, pixel_range, tmp_path):
    keras.utils.set_random_seed(3)
    model = architecture()
    random = np.random.default_rng(0)
    model.set_weights([w + np.abs(0.1 * random.standard_normal(w.shape, np.float32)) for w in model.get_weights()])
    model.save(tmp_path / "own.keras")
    network = KerasModelFile(tmp_path / "own.keras", pixel_range)
    facts, _ = read_facts(network)
    assert facts.classes == model.output_shape[1]
    pixels = random.integers(0, 256, (40, *facts.shape), dtype=np.uint8)
    expected = truth(model, pixel_range, pixels)
    np.testing.assert_allclose(keras_probabilities(network, pixels), expected, atol=1e-5)
    core = onnx.load_from_string(to_onnx_core(network))
    for made, tolerance in ((core, 1e-4), (quantize(core, pixels, Scheme(network)), 0.1)):
        session = open_session(with_metadata(wrap(made, facts.shape), {}), "model")
        for some in (pixels, pixels[:1]):  # any batch
            np.testing.assert_allclose(
                session.run(None, {"image": some})[0], expected[: len(some)], atol=tolerance, rtol=0
            )
    made = [(to_tflite(network), 1e-4)]
    made += [] if architecture in NO_INT8_TFLITE else [(to_tflite(network, pixels), 0.1)]
    for data, tolerance in made:
        np.testing.assert_allclose(TfliteModel.load(data, "m").predict_proba(pixels), expected, atol=tolerance, rtol=0)


def test_normalisations_are_folded_even_behind_depthwise_convolutions(tmp_path):
    depthwise().save(tmp_path / "own.keras")
    core = onnx.load_from_string(to_onnx_core(KerasModelFile(tmp_path / "own.keras", "-1..1")))
    kinds = [node.op_type for node in core.graph.node]
    assert kinds.count("Conv") == 3
    assert kinds.count("Mul") <= 1  # the one that brings pixels to -1..1


def test_recurrent_layers_have_no_full_integer_form_in_tflite(tmp_path):
    lstm().save(tmp_path / "own.keras")
    with pytest.raises(ExportError, match=r"no full-integer form of the recurrent layers lstm"):
        to_tflite(KerasModelFile(tmp_path / "own.keras"), np.zeros((4, 6, 8), np.uint8))


def test_an_operator_that_the_runtime_does_not_accept_is_named(tmp_path):
    image = keras.Input((6, 6, 3))
    determinants = keras.ops.det(keras.ops.transpose(layers.Conv2D(4, 1)(image), (0, 3, 1, 2)))
    keras.Model(image, layers.Dense(3)(determinants)).save(tmp_path / "own.keras")
    with pytest.raises(ExportError, match="expected operators, as digits-edge exports, received Det"):
        to_onnx_core(KerasModelFile(tmp_path / "own.keras"))


def test_a_token_is_repeated_for_each_picture(tmp_path):
    """As vision transformers put one before their patches."""
    image = keras.Input((4, 5, 1))
    patches = layers.Reshape((4, 5))(image)
    token = keras.ops.ones_like(patches[:, :1]) * 0.5
    x = layers.Concatenate(axis=1)([token, patches])
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.MultiHeadAttention(2, 4)(x, x))))
    model.save(tmp_path / "own.keras")
    core = onnx.load_from_string(to_onnx_core(KerasModelFile(tmp_path / "own.keras")))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 5), dtype=np.uint8)
    session = open_session(wrap(core, (4, 5)).SerializeToString())
    np.testing.assert_allclose(session.run(None, {"image": pixels})[0], truth(model, "0..1", pixels), atol=1e-4)


def test_the_format_that_works_is_named(tmp_path, digits_edge):
    lstm().save(tmp_path / "own.keras")
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 3)
    words = ("--data", tmp_path / "data.npz", "--int8", "--no-ladder", "--no-benchmark", "--min-accuracy", "0")
    loose = ("--min-agreement", "0", "--max-drop", "1", "--max-recall-drop", "1", "--max-drift", "1")
    done = digits_edge("export", tmp_path / "own.keras", *words, *loose, "--max-error-ratio", "9", "--min-p", "0")
    assert done.code == 2, done.err
    assert done.err.splitlines()[-1].endswith("recurrent layers lstm; what works is --format onnx")


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """200 pictures of 16 x 12: mostly red, green or blue; and a model that tells them apart."""
    folder = tmp_path_factory.mktemp("own")
    random = np.random.default_rng(0)
    y = np.arange(200) % 3
    x = random.integers(0, 90, (200, 16, 12, 3), dtype=np.uint8)
    x[np.arange(200), :, :, y] += 120
    np.savez(folder / "colours.npz", x=x, y=np.array(["red", "green", "blue"])[y])
    keras.utils.set_random_seed(0)
    parts = [layers.Conv2D(6, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    model = keras.Sequential([keras.Input((16, 12, 3)), *parts, layers.Softmax()])
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    order = np.array([2, 1, 0])[y]  # classes by name: blue, green, red
    model.fit(x / 127.5 - 1, order, epochs=12, batch_size=32, verbose=0)
    model.save(folder / "colours.keras")
    return folder


def test_a_model_of_ones_own_becomes_a_bundle(colours, digits_edge):
    words = ("export", colours / "colours.keras", "--data", colours / "colours.npz", "--pixel-range", "-1..1", "--int8")
    done = digits_edge(*words, "--json", "--no-benchmark")
    assert done.code == 0, done.err
    bundle = Bundle.open(colours / "colours-bundle")
    assert json.loads(done.out)["gate"]["judged_by"] == "150 pictures of colours.npz"
    assert bundle.manifest["provenance"]["model"]["dataset"]["calibrating"] == 50
    classifier = Classifier.load(bundle.path)
    assert classifier.contract.preprocess == "resize"
    measured = [
        (model["outliers"], model["refused_outliers"], model["auroc_outliers"]) for model in bundle.manifest["refusal"]
    ]
    assert measured == [(0, None, None)] * 4  # outliers can be made for MNIST's form only
    assert classifier.labels == ("blue", "green", "red")
    picture = np.zeros((40, 30, 3), np.uint8)
    picture[..., 0] = 200
    assert classifier.predict(picture).label == "red"
    for command in (("evaluate", "--data", colours / "colours.npz"), ("inspect",), ("selftest",)):
        assert digits_edge(command[0], bundle.path, *command[1:]).code == 0
    shown = digits_edge("inspect", colours / "colours.keras")
    assert "GlobalAveragePooling2D" in shown.out


def saved(model, tmp_path):
    model.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


REFUSED = {
    "expected one input of a fixed size": lambda: keras.Sequential(
        [keras.Input((None, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    ),
    "expected one output of two classes or more": lambda: keras.Sequential(
        [keras.Input((16, 12, 3)), layers.Flatten(), layers.Dense(1)]
    ),
    "expected logits, or probabilities that add up to 1, received numbers from 0 to 1": lambda: keras.Sequential(
        [keras.Input((16, 12, 3)), layers.Flatten(), layers.Dense(3, activation="sigmoid")]
    ),
    "expected 4 classes, as many as": lambda: keras.Sequential(
        [keras.Input((16, 12, 3)), layers.Flatten(), layers.Dense(4)]
    ),
    "expected pictures of 9 x 9": lambda: keras.Sequential([keras.Input((9, 9)), layers.Flatten(), layers.Dense(3)]),
}


@pytest.mark.parametrize(("expected", "architecture"), REFUSED.items())
def test_what_cannot_be_exported_is_named_in_one_line(colours, expected, architecture, tmp_path, digits_edge):
    path = saved(architecture(), tmp_path)
    done = digits_edge("export", path, "--data", colours / "colours.npz")
    assert done.code == 2
    assert expected in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "own-bundle").exists()


def test_options_that_do_not_go_together_are_one_line(colours, trained, refused):
    assert "expected --data SPEC" in refused("export", colours / "colours.keras")
    assert "a run has its own" in refused("export", trained.path, "--data", "sample")
    said = refused("export", colours / "colours.keras", "--data", "sample", "--pixel-range", "0-1")
    assert "--pixel-range: expected LOW..HIGH, the values of black and white" in said
    assert "no such file" in refused("export", colours / "none.keras", "--data", "sample")

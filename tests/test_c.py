"""The C of an export: the same numbers as numpy, near to LiteRT's, without a warning, and judged by the gate."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from digits_edge.export import conversions, to_web, translate
from digits_edge.export.c.compiled import Compiler, run_compiled
from digits_edge.export.c.plan import plan
from digits_edge.export.c.sources import identifier, write_sources
from digits_edge.export.engines import MicroModel, TfliteModel, run_interpreter
from digits_edge.export.export import ExportOptions, export
from digits_edge.export.form import Quantization
from digits_edge.export.from_tflite import read_network
from digits_edge.export.int8 import Convolution, Int8Network, Layer, MaxPool, Mean, Multiplier, Result, Table
from digits_edge.export.network import Network
from digits_edge.export.to_web import run_scripts
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.contract import Contract, Golden
from digits_edge.runtime.errors import ExportError, GateFailed, MissingExtra

ROOT = Path(__file__).resolve().parents[1]
RELEASED = ("micro", "compact", "notebook")
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
SANITIZED = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover")

COMPILER = Compiler.find()
compiled = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here: cc, gcc or clang")


def released(name):
    return (ROOT / "artifacts" / name / "model.int8.tflite").read_bytes()


def sources_of(network, labels=None, name="model"):
    labels = labels or tuple(str(label) for label in range(network.classes))
    shape = network.shape if network.shape[2] == 3 else network.shape[:2]
    pixels = np.random.default_rng(1).integers(0, 256, (2, *shape), dtype=np.uint8)
    golden = Golden(pixels, np.zeros((2, len(labels)), np.float32))
    contract = Contract(name, labels, shape, "digit", 0.5, 0.5, golden)
    return write_sources(network, contract, Quantization(0.1, 0), "not judged")


def run(network, pixels, flags=("-std=c99", "-O2"), **more):
    assert COMPILER is not None
    return run_compiled(sources_of(network, **more), COMPILER, pixels, flags)


def litert(data, pixels):
    """Logits int[N, C] by LiteRT."""
    model = TfliteModel.load(data, "model.int8.tflite")
    ready = model.form.feed(pixels)
    return np.array([run_interpreter(model._interpreter, one[None])[0] for one in ready]).astype(int)


def plain():
    """Padding, strides, colour, windows that overlap, dense layers one after the other."""
    parts = [
        layers.Conv2D(6, (3, 5), strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.Conv2D(5, 2),
        layers.Flatten(),
        layers.Dense(9, activation="relu"),
        layers.Dense(3, activation="softmax", use_bias=False),
    ]
    return keras.Sequential([keras.Input((20, 24, 3)), *parts])


def averaged():
    """Few classes, a convolution of one pixel, a mean over many."""
    parts = [layers.Conv2D(7, 3, activation="relu"), layers.Conv2D(3, 1), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((13, 11, 1)), *parts, layers.Dense(2)])


def dense():
    """No convolution, and no channel."""
    return keras.Sequential(
        [keras.Input((12, 12)), layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(3)]
    )


OWN = {plain: "-1..1", averaged: "0..255", dense: "-1..1"}


def tflite_of(architecture, pixel_range, folder):
    """An int8 TFLite model of random weights, and pictures for it."""
    keras.utils.set_random_seed(3)
    model, random = architecture(), np.random.default_rng(0)
    model.set_weights([w + np.abs(0.1 * random.standard_normal(w.shape)) for w in model.get_weights()])
    model.save(folder / "own.keras")
    network = Network(folder / "own.keras", pixel_range)
    shape = conversions.describe(network).shape
    pixels = random.integers(0, 256, (60, *shape), dtype=np.uint8)
    return conversions.tflite(network, pixels), pixels


def near(ours, theirs):
    """Logits within one step, and one label for all pictures but ties."""
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 1
    other = ours.argmax(axis=1) != theirs.argmax(axis=1)
    best_two = np.sort(theirs, axis=1)[:, -2:]
    assert (best_two[other, 1] - best_two[other, 0] <= 1).all()


@compiled
@pytest.mark.parametrize("name", RELEASED)
def test_the_c_of_a_released_model_agrees_with_its_int8_tflite(name, digits):
    data, pixels = released(name), digits.pixels[:: 5 if name == "micro" else 40]
    logits = run(read_network(data), pixels, STRICT)
    np.testing.assert_array_equal(logits, read_network(data).logits(pixels))
    near(logits, litert(data, pixels))


@compiled
@pytest.mark.parametrize(("architecture", "pixel_range"), OWN.items())
def test_the_c_of_a_model_of_ones_own_agrees_with_its_int8_tflite(architecture, pixel_range, tmp_path):
    data, pixels = tflite_of(architecture, pixel_range, tmp_path)
    network = read_network(data)
    logits = run(network, pixels, STRICT)
    np.testing.assert_array_equal(logits, network.logits(pixels))
    near(logits, litert(data, pixels))


def pair(numbers):
    down, across = numbers
    return down, across


def random_network(seed):
    """Layers of any kernel, stride and padding, which read whatever the one before makes."""
    random = np.random.default_rng(seed)
    shape = (int(random.integers(9, 21)), int(random.integers(9, 21)), int(random.choice([1, 3])))
    made: list[Layer] = (
        [Table("table", shape, random.permutation(256).astype(np.uint8))] if random.random() < 0.5 else []
    )
    while shape[0] > 3 and shape[1] > 3 and len(made) < 6:
        kernel = pair(int(random.integers(1, min(5, side) + 1)) for side in shape[:2])
        stride = pair(int(random.integers(1, 3)) for _ in range(2))
        padding = pair(int(random.integers(0, side)) for side in kernel)
        sides = pair((shape[i] + padding[i] * 2 - kernel[i]) // stride[i] + 1 for i in range(2))
        if random.random() < 0.3:
            made.append(MaxPool("pool", shape, (*sides, shape[2]), kernel, stride, padding))
        else:
            target = (*sides, int(random.integers(1, 9)))
            made.append(convolution(random, shape, target, kernel, stride, padding))
        shape = made[-1].shape
    if random.random() < 0.5:
        multiplier = Multiplier.of(1.3 / (shape[0] * shape[1]))
        made.append(Mean("mean", shape, -40 * shape[0] * shape[1], Result((multiplier,), 30)))
        shape = made[-1].shape
    made.append(convolution(random, shape, (1, 1, int(random.integers(2, 12))), shape[:2], (1, 1), (0, 0)))
    return Int8Network(tuple(made)), random.integers(0, 256, (20, *made[0].source), dtype=np.uint8)


def convolution(random, source, shape, kernel, stride, padding):
    weights = random.integers(-128, 128, (shape[2], *kernel, source[2]), dtype=np.int8)
    spread = 74 * 74 * np.sqrt(weights[0].size)  # of the sums, where values are anything
    multipliers = tuple(Multiplier.of(float(random.uniform(60, 180) / spread)) for _ in range(shape[2]))
    fill, zero = int(random.integers(0, 256)), int(random.integers(80, 176))
    bias = random.integers(-1000, 1000, shape[2]) - 128 * weights.reshape(shape[2], -1).sum(axis=1, dtype=np.int64)
    result = Result(multipliers, zero, int(random.choice([0, zero - 40])), int(random.choice([255, zero + 60])))
    bias = bias.astype(np.int32)
    return Convolution("conv", source, shape, kernel, stride, padding, fill, weights, bias, result)


@compiled
@pytest.mark.parametrize("seed", range(8))
def test_any_network_gives_the_same_logits_in_numpy_in_c_and_in_the_page(seed):
    network, pixels = random_network(seed)
    pixels = pixels if pixels.shape[3] == 3 else pixels[..., 0]
    expected = network.logits(pixels)
    assert len(np.unique(expected)) > 10
    np.testing.assert_array_equal(run(network, pixels, SANITIZED), expected)
    np.testing.assert_array_equal(run_scripts(network, pixels), expected)


@compiled
@pytest.mark.parametrize("name", RELEASED)
def test_sanitizers_find_nothing(name, digits):
    network = read_network(released(name))
    pixels = digits.pixels[:: 20 if name == "micro" else 200]
    np.testing.assert_array_equal(run(network, pixels, SANITIZED), network.logits(pixels))


@compiled
def test_equal_logits_give_the_first_class():
    zeros = np.zeros((4, 9, 9, 1), np.int8)
    result = Result((Multiplier.of(0.5),), 128)
    layer = Convolution("dense", (9, 9, 1), (1, 1, 4), (9, 9), (1, 1), (0, 0), 0, zeros, np.zeros(4, np.int32), result)
    network = Int8Network((layer,))
    assert printed(network, np.zeros((1, 9, 9), np.uint8)) == "0\t0\t0\t0\t0\n"


def printed(network, pixels, labels=None):
    """What the example prints."""
    sources = sources_of(network, labels)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in sources.files.items():
            (Path(folder) / name).write_text(text)
        assert COMPILER is not None
        subprocess.run([*COMPILER.command, *STRICT, "-o", "program", "main.c", "model.c"], cwd=folder, check=True)
        fed = pixels.tobytes()
        return subprocess.run([f"{folder}/program"], input=fed, capture_output=True, check=True).stdout.decode()


@compiled
def test_labels_of_any_letters_are_printed_as_they_are():
    labels = ('say "hi"', "back\\slash", "??/ %s", "*/ é 七")
    zeros = np.zeros((4, 9, 9, 1), np.int8)
    for best, label in enumerate(labels):
        bias = np.eye(4, dtype=np.int32)[best] * 100
        result = Result((Multiplier.of(0.5),), 128)
        layer = Convolution("dense", (9, 9, 1), (1, 1, 4), (9, 9), (1, 1), (0, 0), 0, zeros, bias, result)
        assert printed(Int8Network((layer,)), np.zeros((1, 9, 9), np.uint8), labels).startswith(label + "\t")


@compiled
def test_the_model_needs_nothing_but_memset_and_memcpy(tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("there is no nm here")
    network = read_network(released("micro"))
    for name, text in sources_of(network).files.items():
        (tmp_path / name).write_text(text)
    assert COMPILER is not None
    subprocess.run([*COMPILER.command, *STRICT, "-c", "model.c"], cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", "-u", "model.o"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert {word for word in listed.split() if word != "U"} <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}
    text = (tmp_path / "model.c").read_text()
    assert "float" not in text
    assert "double" not in text
    assert [line for line in text.splitlines() if line.startswith("#include")] == [
        '#include "model.h"',
        "#include <string.h>",
    ]


@compiled
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_a_published_folder_compiles_and_tests_itself(translated, tmp_path):
    folder = shutil.copytree(translated.path / "c", tmp_path / "c")
    said = subprocess.run(["make", "-C", folder, "test"], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "short: 20 of 20 golden vectors agree" in said.stdout
    assert "warning" not in said.stderr


@compiled
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_self_test_can_fail(translated, tmp_path):
    folder = shutil.copytree(translated.path / "c", tmp_path / "c")
    (source,) = (path for path in folder.glob("*.c") if path.stem not in ("main", "selftest"))
    source.write_text(source.read_text().replace("+ 1) >> 1)", "+ 2) >> 1)"))
    said = subprocess.run(["make", "-C", folder, "test"], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "other logits than expected" in said.stdout


@pytest.mark.skipif(not MicroModel.available(), reason="tflite-micro has no wheel for this system")
@pytest.mark.parametrize("name", RELEASED)
def test_rows_take_less_than_a_quarter_of_the_memory_of_whole_layers(name):
    theirs = MicroModel.load(released(name), "model.int8.tflite").arena_bytes
    assert plan(read_network(released(name))).arena < theirs / 4


def test_rows_that_live_at_the_same_time_lie_apart():
    for seed in range(30):
        planned = plan(random_network(seed)[0])
        made = {
            place: [step for step, one in enumerate(planned.schedule) if one == place] for place in planned.schedule
        }
        for one, other in ((a, b) for a in made for b in made if a < b):
            reader = made.get(one + 1, [len(planned.schedule)])
            if reader[-1] >= made[other][0]:
                first, second = planned.rows[one + 1], planned.rows[other + 1]
                assert first.offset + first.bytes <= second.offset or second.offset + second.bytes <= first.offset


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.DepthwiseConv2D(3), "DEPTHWISE_CONV_2D"),
        (layers.AveragePooling2D(2), "AVERAGE_POOL_2D"),
        (layers.Conv2D(4, 3, activation="sigmoid"), "LOGISTIC"),
        (layers.Conv2D(4, 3, dilation_rate=2), "without dilation"),
    ],
)
def test_a_layer_that_c_does_not_have_is_named(layer, named, tmp_path):
    def architecture():
        return keras.Sequential([keras.Input((16, 16, 1)), layer, layers.Flatten(), layers.Dense(3)])

    data, _ = tflite_of(architecture, "0..1", tmp_path)
    with pytest.raises(ExportError, match=named) as refusal:
        read_network(data)
    assert str(refusal.value).startswith("layer ")
    assert layer.name in str(refusal.value)


def test_sums_that_32_bits_do_not_hold_are_refused(tmp_path):
    def architecture():
        return keras.Sequential([keras.Input((300, 300, 1)), layers.Flatten(), layers.Dense(2, use_bias=False)])

    model = architecture()
    model.set_weights([np.ones_like(weights) for weights in model.get_weights()])
    model.save(tmp_path / "own.keras")
    pixels = np.zeros((2, 300, 300), np.uint8)
    data = conversions.tflite(Network(tmp_path / "own.keras"), pixels)
    with pytest.raises(ExportError, match="expected sums that 32 bits hold, received up to 2,9"):
        read_network(data)


def test_an_export_with_a_layer_that_c_does_not_have_publishes_nothing(digits_npz, tmp_path, digits_edge):
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.AveragePooling2D(4), layers.Flatten(), layers.Dense(10)])
    model.save(tmp_path / "own.keras")
    outcome = digits_edge(
        "export", tmp_path / "own.keras", "--data", digits_npz, "--format", "c", "--no-benchmark",
        "--min-accuracy", "0", "--max-recall-drop", "1", "--max-drop", "1", "--min-agreement", "0",
        "--max-drift", "1", "--min-p", "0", "--max-error-ratio", "9",
    )  # fmt: skip
    assert outcome.code == 2
    assert "AVERAGE_POOL_2D" in outcome.err.splitlines()[-1]
    assert not (tmp_path / "own-bundle").exists()


def test_c_and_web_bring_the_int8_tflite_along(translated):
    models = list(translated.manifest["gate"]["models"])
    assert models[-2:] == ["c/short.c", "web/index.html"]
    entry = next(file for file in translated.manifest["files"] if file["name"] == "c/short.c")
    assert entry["precision"] == "int8"
    assert f"#define SHORT_ARENA_BYTES {entry['arena_bytes']}\n" in translated.read("c/short.h").decode()
    accuracy = translated.manifest["metrics"]["c/short.c"]["accuracy"]
    assert f"Accuracy: {accuracy:.2%} of 400 pictures" in translated.read("c/short.h").decode()


@pytest.mark.parametrize(("format", "runs"), [("c", "run_compiled"), ("web", "run_scripts")])
def test_a_translation_that_answers_worse_is_refused_like_every_other_model(
    format, runs, trained, patient, tmp_path, monkeypatch
):
    if format == "c" and COMPILER is None:
        pytest.skip("there is no C compiler here")
    honest = getattr(translate, runs)
    monkeypatch.setattr(translate, runs, lambda *given: np.roll(honest(*given), 1, axis=1))
    options = ExportOptions(trained, tmp_path / "bundle", formats=(format,), limits=patient, timed=False)
    with pytest.raises(GateFailed, match=r"c/short\.c" if format == "c" else r"web/index\.html"):
        export(options)
    assert not (tmp_path / "bundle").exists()


def test_without_a_compiler_the_same_numbers_come_from_numpy_and_the_manifest_says_so(
    trained, patient, translated, tmp_path, monkeypatch
):
    monkeypatch.setattr(Compiler, "find", classmethod(lambda cls: None))
    out = tmp_path / "bundle"
    bundle = export(ExportOptions(trained, out, formats=("c",), limits=patient, timed=False))
    assert bundle.read("c/short.c") == translated.read("c/short.c")
    rung = bundle.manifest["gate"]["rungs"][-1]
    assert "want of a C compiler" in rung["rung"]
    assert rung["wrong"] == translated.manifest["metrics"]["c/short.c"]["wrong"]
    assert set(bundle.manifest["gate"]["models"]) == {"model.tflite", "model.int8.tflite", "c/short.c"}


def test_without_v8_a_page_is_refused_before_anything_is_converted(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    monkeypatch.setattr("digits_edge.export.export.Converter", None)
    with pytest.raises(MissingExtra, match=r'pip install "digits-edge\[web\]"'):
        export(ExportOptions(trained, tmp_path / "bundle", formats=("web",)))


def test_a_script_that_fails_is_one_line(trained, patient, tmp_path, monkeypatch):
    monkeypatch.setattr(to_web, "scripts", lambda: "const openEngine = 7;")
    with pytest.raises(ExportError, match="openEngine is not a function"):
        export(ExportOptions(trained, tmp_path / "bundle", formats=("web",), limits=patient, timed=False))
    assert not (tmp_path / "bundle").exists()


def test_a_compiler_that_fails_is_one_line(trained, patient, tmp_path, monkeypatch):
    monkeypatch.setattr(Compiler, "find", classmethod(lambda cls: Compiler(("false",), "a broken one")))
    with pytest.raises(ExportError, match="false ended with exit code 1"):
        export(ExportOptions(trained, tmp_path / "bundle", formats=("c",), limits=patient, timed=False))
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("micro", "micro"), ("My run-2", "my_run_2"), ("7", "model_7"), ("main", "model_main"), ("七", "model")],
)
def test_names_become_identifiers(name, expected):
    assert identifier(name) == expected


def test_released_micro_has_its_c_and_its_page():
    bundle = Bundle.open(ROOT / "artifacts" / "micro")
    bundle.verify()
    assert {"c/micro.c", "c/micro.h", "c/selftest.c", "c/main.c", "c/Makefile", "web/index.html"} <= set(bundle.names)
    assert len(bundle.read("web/index.html")) < 150_000
    assert json.dumps(bundle.manifest["gate"]["models"]).count("micro.c") == 1

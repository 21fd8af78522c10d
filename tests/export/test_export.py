"""From a run to a bundle: clean graphs, honest metadata, and nothing published that fails the gate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from digits_edge.export import export
from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import wrap
from digits_edge.export.convert.tflite import to_tflite
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.model_files import open_engine
from digits_edge.export.engines.tflm import MicroModel
from digits_edge.export.formats import Format
from digits_edge.export.options import ExportOptions
from digits_edge.export.quantize.onnx_quantizer import quantize
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import ExportError
from digits_edge.trainer import Run
from digits_edge.trainer.fitting import architectures as models

LENIENT = (
    "--max-drop", "0.02", "--max-error-ratio", "3", "--max-recall-drop", "0.1", "--min-agreement", "0.95",
    "--max-drift", "0.05",
)  # fmt: skip
SCHEME = Scheme(KerasModelFile(Path("model.keras")))
ONNX_FILES = ("model.onnx", "model.int8.onnx")


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def operators(model):
    return [node.op_type for node in model.graph.node]


def test_a_bundle_holds_what_the_design_says(exported):
    models = {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    names = models | {"manifest.json", "report.md", "report.html"}
    assert set(tree(exported.path)) == names
    assert set(exported.names) == names - {"manifest.json"}
    exported.verify()
    gate = exported.manifest["gate"]
    assert gate["verdict"] == "passed"
    assert set(gate["models"]) == models
    assert gate["pictures"] == 400
    assert [rung["file"] for rung in gate["rungs"]] == [
        "model.onnx",
        "model.tflite",
        "model.int8.onnx",
        "model.int8.tflite",
    ]
    assert all(rung["refused"] is None for rung in gate["rungs"])


def test_the_manifests_figures_are_those_of_the_files(exported, trained):
    pixels, targets = trained.validation()
    for rung in exported.manifest["gate"]["rungs"]:
        answers = open_engine(exported.read(rung["file"]), rung["file"])(pixels)
        assert rung["wrong"] == (answers.argmax(axis=1) != targets).sum()
        assert rung["keras_wrong"] == trained.info.metrics.val_wrong


@pytest.mark.parametrize("name", ONNX_FILES)
def test_onnx_versions_suit_an_onnxruntime_of_two_years_ago(exported, name):
    model = onnx.load_from_string(exported.read(name))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", ONNX_FILES)
def test_graphs_are_clean_and_the_softmax_is_float(exported, name):
    model = onnx.load_from_string(exported.read(name))
    allowed = {
        "Reshape", "Cast", "QuantizeLinear", "DequantizeLinear", "Conv", "Relu", "MaxPool", "GlobalAveragePool",
        "Squeeze", "Gemm", "Softmax",
    }  # fmt: skip
    assert set(operators(model)) <= allowed
    assert operators(model).count("Reshape") == 1
    makers = {output: node for node in model.graph.node for output in node.output}
    assert makers["probabilities"].op_type == "Softmax"
    assert makers[makers["probabilities"].input[0]].op_type == "Gemm"


def saved(model, folder) -> KerasModelFile:
    model.save(folder / "model.keras")
    return KerasModelFile(folder / "model.keras")


def test_int8_weights_leave_a_bit_free_so_that_no_cpu_saturates(exported):
    model = onnx.load_from_string(exported.read("model.int8.onnx"))
    types = {c.name: c.data_type for c in model.graph.initializer}
    scales = {n.input[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in types}
    weights = [c for c in model.graph.initializer if c.data_type == onnx.TensorProto.INT8 and c.name in scales]
    assert len(weights) == 5  # all but the first, which stays in float
    for constant in weights:
        assert np.abs(numpy_helper.to_array(constant).astype(int)).max() <= 64
    zero_points = [n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert {types[z] for z in zero_points} == {onnx.TensorProto.UINT8}


def test_the_flatten_costs_no_transpose(tmp_path):
    model = models.build("notebook", (28, 28), 10, steps=1)
    core = onnx.load_from_string(to_onnx_core(saved(model, tmp_path)))
    for made in (core, quantize(core, np.zeros((16, 28, 28), np.uint8), SCHEME)):
        found = set(operators(wrap(made, (28, 28))))
        assert not found & {"Transpose", "Shape", "Gather", "Concat", "Slice"}


def test_a_first_convolution_of_one_channel_stays_in_float_with_its_pooling_before_its_relu(exported):
    model = onnx.load_from_string(exported.read("model.int8.onnx"))
    makers = {output: node for node in model.graph.node for output in node.output}
    quantize = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    chain = []
    name = quantize.input[0]
    while name in makers:
        chain.append(makers[name].op_type)
        name = makers[name].input[0]
    assert chain == ["Relu", "MaxPool", "Conv", "Cast", "Reshape"]


def test_a_converted_notebook_model_is_the_same_function(digits, tmp_path):
    from digits_edge.common.keras_models import predict
    from digits_edge.runtime.session import open_session

    keras.utils.set_random_seed(0)
    model = models.build("notebook", (28, 28), 10, steps=1)
    core = onnx.load_from_string(to_onnx_core(saved(model, tmp_path)))
    session = open_session(wrap(core, (28, 28)).SerializeToString(), "model")
    pixels = digits.pixels[::50]
    for some in (pixels, pixels[:1]):  # any batch
        answers = session.run(None, {"image": some})[0]
        np.testing.assert_allclose(answers, predict(model, some), atol=1e-5)


def test_a_colour_model_converts_too(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((20, 24, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(image)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(x))
    model = keras.Model(image, keras.layers.Dense(4)(x))
    pixels = np.random.default_rng(0).integers(0, 256, (9, 20, 24, 3), dtype=np.uint8)
    from digits_edge.common.keras_models import predict
    from digits_edge.runtime.session import open_session

    core = onnx.load_from_string(to_onnx_core(saved(model, tmp_path)))
    for made, tolerance in ((core, 1e-5), (quantize(core, pixels, SCHEME), 0.05)):
        session = open_session(wrap(made, (20, 24, 3)).SerializeToString(), "model")
        np.testing.assert_allclose(session.run(None, {"image": pixels})[0], predict(model, pixels), atol=tolerance)
    for data, tolerance in (
        (to_tflite(saved(model, tmp_path)), 1e-5),
        (to_tflite(saved(model, tmp_path), pixels), 0.05),
    ):
        answers = TfliteModel.load(data, "model").predict_proba(pixels)
        np.testing.assert_allclose(answers, predict(model, pixels), atol=tolerance)


def test_full_integer_tflite(exported):
    from ai_edge_litert.interpreter import Interpreter

    entry = next(f for f in exported.manifest["files"] if f["name"] == "model.int8.tflite")
    interpreter = Interpreter(model_content=exported.read("model.int8.tflite"))
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert source["dtype"] == sink["dtype"] == np.int8
    assert source["shape"].tolist() == [1, 28, 28, 1]
    assert source["quantization"] == (pytest.approx(1 / 255), -128)
    assert entry["input"]["zero_point"] == -128
    assert entry["output"]["scale"] == pytest.approx(sink["quantization"][0])
    kinds = {t["dtype"] for t in interpreter.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}


def test_dim_calibration_pictures_leave_the_promised_input_scale(trained):
    tflite = TfliteModel.load(to_tflite(KerasModelFile(trained.model_path), trained.calibration() // 3), "model")
    assert tflite.spec.input.scale == pytest.approx(1 / 255)
    assert tflite.spec.input.zero_point == -128


def test_every_onnx_file_alone_carries_its_contract(exported):
    for name in ONNX_FILES:
        alone = Classifier(exported.read(name))
        assert alone.labels == tuple(str(d) for d in range(10))
        assert alone.contract.preprocess == "digit"
        assert 0 < alone.contract.min_score <= 0.9
        assert alone.contract.min_score < alone.contract.min_familiarity <= 0.98
        assert len(alone.contract.golden.pixels) == 20
        result = alone.self_test()
        assert result.passed
        assert result.pictures == 20


def test_golden_answers_in_the_manifest_are_each_files_own(exported):
    answers = exported.manifest["golden"]["answers"]
    assert set(answers) == {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    pixels = Classifier.load(exported.path).contract.golden.pixels
    for name, expected in answers.items():
        np.testing.assert_allclose(open_engine(exported.read(name), name)(pixels), expected, atol=1e-5)


def test_the_report_has_the_gates_table(exported):
    report = (exported.path / "report.md").read_text()
    criteria = ("net lost", "error ratio", "McNemar p", "worst class", "changed labels", "acceptance drift")
    for expected in (*criteria, *exported.manifest["gate"]["models"], "48,946 parameters"):
        assert expected in report


def test_parity_has_every_engine_on_the_same_pictures(exported):
    engines = {engine["engine"]: engine for engine in exported.manifest["parity"]["engines"]}
    assert list(engines)[:5] == [
        "Keras",
        "model.onnx, digits_edge.runtime",
        "model.tflite, LiteRT",
        "model.int8.onnx, digits_edge.runtime",
        "model.int8.tflite, LiteRT",
    ]
    assert {engine["pictures"] for engine in engines.values()} == {400}
    assert engines["Keras"]["agreement"] == 1
    for name, engine in engines.items():
        assert engine["agreement"] > (0.95 if "int8" in name else 0.999)
        assert engine["largest_difference"] < (0.5 if "int8" in name else 1e-4)
    if MicroModel.available():
        micro = engines["model.int8.tflite, TensorFlow Lite for Microcontrollers"]
        assert micro["arena_bytes"] > trained_activations(exported)
    assert exported.manifest["parity"]["int8_agreement"] > 0.95


def trained_activations(bundle):
    return bundle.manifest["provenance"]["run"]["activation_bytes"]


def test_layers_have_their_noise(exported):
    layers = {layer["name"]: layer["snr"] for layer in exported.manifest["layers"]}
    assert [name for name in layers if name.startswith(("conv", "gemm"))] == [
        "conv_1", "conv_2", "conv_3", "conv_4", "conv_5", "gemm_1",
    ]  # fmt: skip
    assert layers["maxpool_2"] is None  # takes its numbers as they are
    assert layers["conv_1"] is None  # stays in float
    assert all(10 < snr < 100 for snr in layers.values() if snr is not None)


def test_nothing_published_names_a_place_on_this_machine(exported, trained):
    for name in ("manifest.json", "report.md", "report.html"):
        assert str(trained.path.parent.parent) not in (exported.path / name).read_text()


def test_exporting_twice_gives_the_same_bytes(trained, exported, tmp_path):
    """The other time in another process with another order of sets and dicts of hashes."""
    command = [sys.executable, "-m", "digits_edge.cli", "export", str(trained.path), "--int8", "--no-benchmark"]
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    done = subprocess.run([*command, *LENIENT, "--out", str(tmp_path / "again")], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    again = Bundle.open(tmp_path / "again")
    for name in exported.manifest["gate"]["models"]:
        assert again.read(name) == exported.read(name), name


def test_floats_only_without_int8_and_one_format_on_request(trained, patient, tmp_path):
    floats = export(ExportOptions(trained, tmp_path / "floats", timed=False))
    reports = {"report.md", "report.html"}
    assert set(floats.names) == {"model.onnx", "model.tflite"} | reports
    options = ExportOptions(
        trained, tmp_path / "device", int8=True, formats=(Format.ONNX,), limits=patient, timed=False
    )
    assert set(export(options).names) == {"model.onnx", "model.int8.onnx"} | reports
    assert Classifier.load(floats.path).self_test().passed


def test_nothing_but_results_on_stdout(own_run, digits_edge, tmp_path):
    done = digits_edge("export", own_run.path, "--int8", *LENIENT, "--json", "--out", tmp_path / "bundle")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["published"] is True
    assert told["benchmark"]["verdict"]
    assert done.err.splitlines()[0].startswith("exporting ")
    ours = ("exporting", "model.", "timing")
    assert all(line.strip().startswith(ours) for line in done.err.splitlines() if line.strip()), done.err


def test_exporting_again_replaces_our_own_bundle_and_nothing_else(own_run, digits_edge, refused, tmp_path):
    words = ("export", own_run.path, "--format", "onnx", "--no-benchmark")
    assert digits_edge(*words).code == 0
    assert digits_edge(*words, "--int8", *LENIENT).code == 0
    assert "model.int8.onnx" in Bundle.open(own_run.path / "bundle").names
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    before = tree(tmp_path / "photos")
    assert "found a folder with other content" in refused("export", own_run.path, "--out", tmp_path / "photos")
    assert tree(tmp_path / "photos") == before


def damage(run, how):
    """Change the saved Keras model so that it is worse than its run says; the gate compares with that model."""
    model = keras.models.load_model(run.model_path)
    how(model)
    model.save(run.model_path)
    return Run.open(run.path)


def test_a_model_under_the_minimum_is_refused_and_the_old_bundle_stays(own_run, exported, digits_edge):
    shutil.copytree(exported.path, own_run.path / "bundle")
    before = tree(own_run.path / "bundle")

    def swap_two_classes(model):
        kernel, bias = model.get_layer("logits").get_weights()
        model.get_layer("logits").set_weights([kernel[:, [1, 0, *range(2, 10)]], bias])

    damage(own_run, swap_two_classes)
    done = digits_edge("export", own_run.path, "--int8", "--json")
    assert done.code == 1
    assert "nothing was published: model.onnx: accuracy" in done.err
    assert "refused ✗" in done.err
    told = json.loads(done.out)
    assert told["published"] is False
    assert told["gate"]["advice"] == f"digits-edge train --init {own_run.path} --data SPEC"
    assert tree(own_run.path / "bundle") == before
    assert (own_run.path / "rejected" / "bundle" / "model.onnx").is_file()


def test_a_damaged_keras_model_is_one_line(own_run):
    own_run.model_path.write_bytes(b"PK nothing")
    with pytest.raises(ExportError, match=r"model\.keras: not readable as a Keras model: [^\n]*\Z"):
        export(ExportOptions(own_run, own_run.path / "bundle", timed=False))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--format", "tflte"), "'tflte' is not one of 'onnx', 'tflite', 'c', 'web'"),
        (("--max-drop", "-1"), "--max-drop: expected a number from 0 to 1, received -1"),
        (("--min-accuracy", "90"), "--min-accuracy: expected a number from 0 to 1, received 90"),
    ],
)
def test_impossible_options_are_one_line(trained, refused, words, expected):
    assert expected in refused("export", trained.path, *words)


def test_export_takes_the_newest_run(own_run, refused, digits_edge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "expected a finished run, found none" in refused("export")
    for name in ("old", "new"):
        shutil.copytree(own_run.path, tmp_path / "artifacts" / "runs" / name)
        (tmp_path / "artifacts" / "runs" / name / "run.json").touch()
    done = digits_edge("export", "--format", "onnx")
    assert done.code == 0, done.err
    assert (tmp_path / "artifacts/runs/new/bundle/manifest.json").is_file()
    assert not (tmp_path / "artifacts/runs/old/bundle").exists()

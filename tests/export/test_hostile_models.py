"""Models of anybody: they may crash, hang or ask for all memory, in a child process that ends with one clear line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

from digits_edge.export.engines.worker import Worker
from digits_edge.runtime.errors import ExportError

START = Worker._start  # as it is without the warm children of conftest.py
TESTS = Path(__file__).parents[1]
ARTIFACTS = TESTS.parent / "artifacts"


def both(refused, *words):
    """The one line of `inspect` and that of `benchmark`."""
    return [refused(command, *words) for command in ("inspect", "benchmark")]


def crashing_tflite():
    """A model whose poolings are said to be batched matrix products: LiteRT reads outside its memory, and dies of it
    or, where what lies there happens to look like sizes, refuses the model.
    """
    model = schema.ModelT.InitFromPackedBuf((ARTIFACTS / "micro/model.tflite").read_bytes(), 0)
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.MAX_POOL_2D:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.BATCH_MATMUL
    model.subgraphs[0].operators[2].builtinOptions.strideW = 3
    return packed(model)


def test_a_tflite_that_crashes_litert_is_one_line(refused, few_npz, tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(crashing_tflite())
    for said in (*both(refused, path), refused("evaluate", path, "--data", few_npz)):
        if "LiteRT cannot load it" not in said:
            assert f"{path}: the child process died in load (SIG" in said
            assert "out of memory, or a crash in a library" in said
        assert len(said.splitlines()) == 1


def replace_model(bundle, name, data):
    """Exchange a file of a bundle, and state its hash in the manifest."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (entry,) = (file for file in manifest["files"] if file["name"] == name)
    entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    (bundle / name).write_bytes(data)


def test_so_is_one_in_a_bundle_and_one_of_other_pictures(refused, few_npz, tmp_path):
    bundle = shutil.copytree(ARTIFACTS / "micro", tmp_path / "bundle")
    replace_model(bundle, "model.tflite", crashing_tflite())
    said = refused("evaluate", bundle, "--data", few_npz)
    assert f"{bundle}: the child process died in load (SIG" in said
    model = schema.ModelT.InitFromPackedBuf((ARTIFACTS / "micro/model.tflite").read_bytes(), 0)
    model.subgraphs[0].outputs, model.signatureDefs = [*model.subgraphs[0].inputs], None
    replace_model(bundle, "model.tflite", packed(model))
    said = refused("benchmark", bundle)
    assert (
        "model.tflite: expected an input [1, H, W, C] and an output [1, C], received [1, 28, 28, 1] and [1, 28" in said
    )


def packed(model):
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([-1], "LiteRT cannot load it: Invalid tensor index -1"),
        ([], "expected one output [N, classes], received float32[1, 28, 28, 1], and the output none"),
        ([0, 1], "expected one output [N, classes], received float32[1, 28, 28, 1], and the output float32[1, 28, 28"),
    ],
    ids=str,
)
def test_outputs_that_are_none_or_too_many_are_refused_in_words(outputs, expected, refused, tmp_path):
    model = schema.ModelT.InitFromPackedBuf((ARTIFACTS / "micro/model.tflite").read_bytes(), 0)
    model.subgraphs[0].outputs, model.signatureDefs = outputs, None
    (tmp_path / "net.tflite").write_bytes(packed(model))
    assert all(expected in said for said in both(refused, tmp_path / "net.tflite"))


def save(path, nodes, constants, shape=("N", 28, 28)):
    """A foreign classifier of ten classes whose nodes make `y` of `x`."""
    values = [("x", TensorProto.FLOAT, shape), ("y", TensorProto.FLOAT, [shape[0], 10])]
    x, y = (helper.make_tensor_value_info(*value) for value in values)
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "graph", [x], [y], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


LINEAR = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["z"])]
WEIGHTS = {"w": np.ones((784, 10), np.float32)}


def test_an_onnx_without_an_end_is_stopped(refused, tmp_path):
    scores = ("N", 10)
    passed = [("i", TensorProto.INT64, []), ("on", TensorProto.BOOL, []), ("before", TensorProto.FLOAT, scores)]
    made = [("still", TensorProto.BOOL, []), ("after", TensorProto.FLOAT, scores)]
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Sin", ["before"], ["after"])],
        "body",
        *([helper.make_tensor_value_info(*value) for value in values] for values in (passed, made)),
    )
    nodes = [*LINEAR, helper.make_node("Loop", ["times", "yes", "z"], ["y"], body=body)]
    path = save(tmp_path / "net.onnx", nodes, {**WEIGHTS, "times": np.int64(2**60), "yes": np.bool_(True)})
    expected = f"{path}: load took more than 2 s and was stopped: --time-limit 4"
    assert all(expected in said for said in both(refused, path, "--time-limit", 2))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux can limit memory")
def test_an_onnx_that_asks_for_all_memory_is_one_line(refused, tmp_path):
    nodes = [
        *LINEAR,
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Mul", ["most", "many"], ["side"]),
        helper.make_node("Cast", ["side"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["whole", "axis"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["zero"], keepdims=0),
        helper.make_node("Add", ["z", "zero"], ["y"]),
    ]
    path = save(tmp_path / "net.onnx", nodes, {**WEIGHTS, "many": np.float32(2**32), "axis": np.array([0])})
    assert all("it cannot be run: " in said for said in both(refused, path))


def test_pictures_of_gigabytes_are_refused_in_words(refused, tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["y"])]
    path = save(tmp_path / "net.onnx", nodes, {}, ("N", 3, 2**15, 2**15))
    expected = "expected pictures of up to 2,097,152 values, received float32[?, 3, 32768, 32768]"
    assert all(expected in said for said in both(refused, path))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux can limit memory")
def test_a_child_has_the_memory_that_it_was_given_and_no_more():
    with Worker(60, memory=2**30) as worker:
        assert len(worker(bytes, 2**28)) == 2**28
        with pytest.raises(ExportError, match="bytes failed with the model: MemoryError"):
            worker(bytes, 2**34)


FUZZ = """
import random, resource, sys
from pathlib import Path
import numpy as np
from digits_edge.export.engines.confinement import memory_for
from digits_edge.export.engines.model_files import open_in
from digits_edge.export.engines.worker import Worker
from digits_edge.runtime.errors import DigitsEdgeError
from mutations import mutated

count, folder, *originals = sys.argv[1:]
answered = 0
with Worker(60, memory_for(10**6)) as worker:
    for seed in range(int(count)):
        chance = random.Random(seed)
        original = Path(chance.choice(originals))
        path = Path(folder, f"{seed}{original.suffix}")
        path.write_bytes(mutated(original.read_bytes(), chance))
        try:
            for model in open_in(worker, path).files:
                model.predict_proba(np.zeros((3, *model.spec.shape), np.uint8))
            answered += 1
        except DigitsEdgeError as error:
            said = str(error)
            assert "\\n" not in said, f"seed {seed}: {said}"
            assert "took more than" not in said, f"seed {seed}: {said}"
        path.unlink()
print(answered, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def fuzz(count, originals, tmp_path):
    """Open and run mutations of model files; how many still gave answers."""
    command = [sys.executable, "-c", FUZZ, str(count), str(tmp_path), *map(str, originals)]
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    answered, kilobytes = map(int, done.stdout.split())
    assert kilobytes < 10**6
    return answered


@pytest.fixture
def originals(tmp_path):
    """Models of ours and of others."""
    names = ("micro/model.tflite", "compact/model.int8.tflite", "micro/model.int8.onnx", "compact/model.onnx")
    foreign = save(tmp_path / "net.onnx", [*LINEAR, helper.make_node("Softmax", ["z"], ["y"])], WEIGHTS)
    return [foreign, *(ARTIFACTS / name for name in names)]


def test_mutated_models_give_only_our_errors(originals, tmp_path):
    assert 0 < fuzz(20, originals, tmp_path) < 20


@pytest.mark.soak
def test_thousands_of_mutated_models_give_only_our_errors(originals, tmp_path):
    import tensorflow as tf

    function = tf.function(lambda x: tf.nn.softmax(tf.reshape(x, [1, 784]) @ tf.ones([784, 10])))
    concrete = function.get_concrete_function(tf.TensorSpec([1, 28, 28, 1]))
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], function).convert())
    assert 0 < fuzz(2000, [*originals, foreign], tmp_path) < 2000


@pytest.fixture(autouse=True)
def children_of_their_own(monkeypatch, request):
    if "memory" in request.node.name:
        monkeypatch.setattr(Worker, "_start", START)

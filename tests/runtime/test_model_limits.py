"""A model may do only what those do that the exporter writes, and that is known before it runs."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from digits_edge.runtime import BundleError, Classifier

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
MICRO = (ARTIFACTS / "micro/model.int8.onnx").read_bytes()


def with_nodes(nodes: list[Any], value: str, **constants: np.ndarray) -> bytes:
    """The micro model with more nodes, whose single float, `value`, is added to every probability."""
    model = onnx.load_from_string(MICRO)
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == "probabilities":
                node.output[place] = "before"
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    model.graph.node.extend([*nodes, helper.make_node("Add", ["before", value], ["probabilities"])])
    return bytes(model.SerializeToString())


def sizes(name: str, *sides: int) -> dict[str, np.ndarray]:
    return {name: np.array(sides, np.int64), "one": np.ones(1, np.float32)}


def total(name: str) -> Any:
    """Bring a value down to one number, which is added to every probability."""
    return helper.make_node("ReduceSum", [name], ["total"])


def expanded(*sides: int) -> bytes:
    """One number, many times."""
    big = helper.make_node("Expand", ["one", "sides"], ["big"])
    return with_nodes([big, total("big")], "total", **sizes("sides", *sides))


@pytest.mark.parametrize("sides", [(2**29,), (2**40,), (2**62,), (2**20, 2**20)], ids=str)
def test_a_model_that_asks_for_a_huge_tensor_is_refused_before_it_gets_one(sides):
    with pytest.raises(BundleError, match=r"activations of up to 268,435,456 values, received"):
        Classifier(expanded(*sides))
    assert Classifier(expanded(3, 5)).predict_proba(np.zeros((1, 28, 28), np.uint8)).min() >= 15


def test_a_huge_tensor_by_broadcasting_is_refused():
    column, row = np.zeros((2**15, 1), np.float32), np.zeros((1, 2**15), np.float32)
    outer = helper.make_node("Add", ["column", "row"], ["outer"])
    with pytest.raises(BundleError, match=r"activations of up to 268,435,456 values, received"):
        Classifier(with_nodes([outer, total("outer")], "total", column=column, row=row))


def test_many_large_tensors_are_as_bad_as_a_huge_one():
    parts = [helper.make_node("Expand", ["one", "sides"], [f"part{i}"]) for i in range(9)]
    whole = helper.make_node("Sum", [f"part{i}" for i in range(9)], ["whole"])
    with pytest.raises(BundleError, match=r"activations of up to 268,435,456 values, received"):
        Classifier(with_nodes([*parts, whole, total("whole")], "total", **sizes("sides", 2**25)))


def test_a_batch_may_not_take_more_than_its_pictures():
    """Each number of a batch times each other: 783,216 values of one picture, 802,013,184 of 32."""
    sums = helper.make_node("ReduceMax", ["image"], ["most"], axes=[2], keepdims=0)
    flat = helper.make_node("Cast", ["most"], ["flat"], to=TensorProto.FLOAT)
    nodes = [
        helper.make_node("Reshape", ["flat", "column"], ["left"]),
        helper.make_node("Reshape", ["flat", "row"], ["right"]),
        helper.make_node("MatMul", ["left", "right"], ["outer"]),
        helper.make_node("Reshape", ["outer", "row"], ["long"]),
        helper.make_node("Expand", ["long", "times"], ["wide"]),
    ]
    constants = sizes("column", -1, 1) | sizes("row", 1, -1) | sizes("times", 999, 1)
    with pytest.raises(BundleError, match="expected a batch to take what its pictures take alone"):
        Classifier(with_nodes([sums, flat, *nodes, total("wide")], "total", **constants))


def test_endless_work_on_few_values_is_refused():
    pool = helper.make_node("MaxPool", ["big"], ["pooled"], kernel_shape=[2048, 2048])
    big = helper.make_node("Expand", ["one", "sides"], ["big"])
    flat = helper.make_node("Flatten", ["pooled"], ["flat"])
    with pytest.raises(BundleError, match="multiply-adds for a picture"):
        Classifier(with_nodes([big, pool, flat, total("flat")], "total", **sizes("sides", 1, 1, 4096, 4096)))


def node(operator: str, *inputs: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs, ["made"], **attributes)


BODY = helper.make_graph(
    [helper.make_node("Identity", ["one"], ["inner"])], "b", [], [helper.make_tensor_value_info("inner", 1, [1])]
)
FORBIDDEN = {
    "received Shape": [node("Shape", "image")],
    "received ConstantOfShape": [node("ConstantOfShape", "sides")],
    "received Range": [node("Range", "sides", "sides", "sides")],
    "received Loop": [node("Loop", "sides", "", body=BODY)],
    "received If": [node("If", "one", then_branch=BODY, else_branch=BODY)],
    "received NonZero": [node("NonZero", "image")],
    "received com.microsoft:FusedConv": [node("FusedConv", "image", domain="com.microsoft")],
    "received ai.onnx.ml:": [node("Add", "one", "one", domain="ai.onnx.ml")],
    "received field 6 of an attribute": [node("Relu", "one", body=BODY)],
    "received field 5 of an attribute": [node("Relu", "one", value=numpy_helper.from_array(np.zeros(3)))],
    "a constant as the shape that Expand needs, as digits-edge exports, received 'large'": [
        helper.make_node("Mul", ["sides", "sides"], ["large"]),
        node("Expand", "one", "large"),
    ],
    "tensors of numbers, as digits-edge exports, received tensor": [node("Cast", "one", to=TensorProto.STRING)],
    "up to 32,768 nodes": [helper.make_node("Relu", ["one"], [f"made{i}"]) for i in range(2**15)],
}


@pytest.mark.parametrize(("expected", "nodes"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_only_what_the_exporter_writes_is_accepted(expected, nodes):
    with pytest.raises(BundleError, match=re.escape(expected)) as refused:
        Classifier(with_nodes(nodes, "one", **sizes("sides", 2, 3)))
    assert "trust=True" in str(refused.value)


@pytest.mark.parametrize("part", ["functions", "value_info", "sparse_initializer"])
def test_functions_and_claims_about_shapes_are_refused(part):
    model = onnx.load_from_string(MICRO)
    if part == "functions":
        model.functions.add(name="F", domain="my")
    else:
        getattr(model.graph, part).add()
    with pytest.raises(BundleError, match="trust=True leaves this check out"):
        Classifier(model.SerializeToString())


def test_nodes_in_a_field_whose_number_is_cut_to_32_bits_are_seen():
    """Protobuf reads a key of 2^32 + 58 as 58, the graph."""
    graph = onnx.load_from_string(expanded(2**40)).graph.SerializeToString()
    key = bytes([58 | 128, 128, 128, 128, 16])
    length = bytes([len(graph) & 127 | 128, len(graph) >> 7 & 127 | 128, len(graph) >> 14])
    with pytest.raises(BundleError, match="received other or damaged bytes"):
        Classifier(onnx.ModelProto(ir_version=8).SerializeToString() + key + length + graph)


def test_a_trusted_model_may_do_more_and_its_copies_may_too():
    shape = helper.make_node("Shape", ["one"], ["shape"])
    model = with_nodes([shape, node("ConstantOfShape", "shape")], "made", one=np.ones(1, np.float32))
    trusted = Classifier(model, trust=True)
    assert pickle.loads(pickle.dumps(trusted)).self_test().passed


@pytest.mark.parametrize("dims", [[2**40], [2**20, 2**20], [1] * 65, [-1]], ids=lambda dims: str(dims)[:20])
def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(dims):
    model = onnx.load_from_string(MICRO)
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(BundleError, match="a tensor claims the shape"):
        Classifier(model.SerializeToString())


@pytest.mark.parametrize("location", ["weights.bin", "/etc/passwd", "../../etc/passwd"])
def test_weights_from_another_file_are_refused_though_it_be_there(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    model = onnx.load_from_string(MICRO)
    tensor = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT and len(t.dims) == 4)
    numbers = numpy_helper.to_array(tensor)
    tensor.ClearField("float_data")
    tensor.raw_data = numbers.tobytes()
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    for refused in (lambda: Classifier(model.SerializeToString()), lambda: Classifier.load(tmp_path / "model.onnx")):
        with pytest.raises(BundleError, match="expected all weights inside the file"):
            refused()


def test_a_model_that_answers_for_other_pictures_than_it_got_is_refused():
    model = onnx.load_from_string(MICRO)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == "probabilities":
                node.output[place] = "before"
    model.graph.node.append(helper.make_node("Gather", ["before", "zero"], ["probabilities"], axis=0))
    with pytest.raises(BundleError, match=r"expected probabilities of \d+ pictures, received 1"):
        Classifier(model.SerializeToString()).self_test()

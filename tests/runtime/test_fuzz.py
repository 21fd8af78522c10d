"""Whatever a file or a caller brings, an answer or one of our errors comes out."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from digits_edge.runtime import BundleError, Classifier, IntegrityError, PictureError
from digits_edge.runtime.bundle import MAX_MODEL_BYTES

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
MICRO = (ARTIFACTS / "micro/model.int8.onnx").read_bytes()
often = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return shutil.copytree(ARTIFACTS / "micro", tmp_path / "bundle")


@pytest.fixture(scope="module")
def ready() -> Classifier:
    return Classifier(MICRO)


# A bundle


def test_a_lone_file_is_checked_where_its_bundles_manifest_stands_beside_it(bundle, tmp_path):
    model = bundle / "model.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    link = tmp_path / "current.onnx"
    link.symlink_to(model)
    for path in (model, link):
        with pytest.raises(IntegrityError, match=r"model\.onnx: expected .* the file was altered"):
            Classifier.load(path)


@pytest.mark.parametrize("manifest", ["", "{}", "[]", '{"kind": "another program\'s"}', "{", "\ud800"])
def test_another_programs_manifest_does_not_matter_to_a_lone_file(tmp_path, manifest):
    (tmp_path / "digits.onnx").write_bytes(MICRO)
    (tmp_path / "manifest.json").write_text(manifest, errors="surrogatepass")
    assert Classifier.load(tmp_path / "digits.onnx").self_test().passed


def test_a_link_out_of_the_bundle_is_refused_though_its_bytes_are_right(bundle, tmp_path):
    model = bundle / "model.int8.onnx"
    model.rename(tmp_path / "elsewhere.onnx")
    model.symlink_to(tmp_path / "elsewhere.onnx")
    for path in (bundle, model):
        with pytest.raises(IntegrityError, match="a link that leads outside the bundle"):
            Classifier.load(path)


def test_a_link_within_the_bundle_and_a_link_to_the_bundle_are_followed(bundle, tmp_path):
    (bundle / "model.int8.onnx").rename(bundle / "data")
    (bundle / "model.int8.onnx").symlink_to("data")
    (tmp_path / "current").symlink_to(bundle)
    assert Classifier.load(tmp_path / "current").self_test().passed


def test_links_in_a_circle_are_refused(bundle, tmp_path):
    for path in (bundle / "model.int8.onnx", tmp_path / "circle.onnx"):
        path.unlink(missing_ok=True)
        path.symlink_to(path)
        with pytest.raises(BundleError):
            Classifier.load(path)
    with pytest.raises(IntegrityError):
        Classifier.load(bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(bundle, tmp_path):
    for path in (bundle / "model.int8.onnx", tmp_path / "pipe.onnx"):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        with pytest.raises(BundleError, match=r"expected a regular file|altered"):
            Classifier.load(path)


def test_a_planted_file_of_another_size_is_not_read(bundle, tmp_path):
    for path, expected in (
        (bundle / "model.int8.onnx", "received 4,000,000,000,000 bytes"),
        (tmp_path / "large.onnx", f"expected at most {MAX_MODEL_BYTES:,} bytes, found 4,000,000,000,000"),
    ):
        with path.open("wb") as file:
            file.truncate(4_000_000_000_000)  # a hole: it takes no room, but to read it would take all memory
        with pytest.raises(BundleError, match=expected):
            Classifier.load(path)
    with (bundle / "manifest.json").open("wb") as file:
        file.truncate(4_000_000_000_000)
    with pytest.raises(BundleError, match="not readable as JSON"):
        Classifier.load(bundle)


@pytest.mark.parametrize(
    "name", ["../model.int8.onnx", "/etc/passwd", "C:model", "a//b", "..\\model", "", ".", "a/../b"]
)
def test_a_name_that_leads_out_of_the_bundle_is_refused(bundle, name):
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][0]["name"] = name
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match="names a file outside the bundle"):
        Classifier.load(bundle)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*path, key), *places(inner, (*path, key)))]


@often
@given(data=st.data())
def test_whatever_a_manifest_says_only_our_errors_come_out(bundle, data):
    manifest = json.loads((ARTIFACTS / "micro/manifest.json").read_text())
    top = [(key,) for key in manifest] + [place for place in places(manifest["files"], ("files",)) if len(place) < 4]
    *way, last = data.draw(st.sampled_from(top))
    target = manifest
    for key in way:
        target = target[key]
    target[last] = data.draw(JSON)
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    for path in (bundle, bundle / "model.onnx"):
        refused_or_right(path)


@often
@given(data=st.binary(max_size=200), place=st.floats(0, 1))
def test_whatever_bytes_a_manifest_has_only_our_errors_come_out(bundle, data, place):
    whole = (ARTIFACTS / "micro/manifest.json").read_bytes()
    at = int(place * len(whole))
    (bundle / "manifest.json").write_bytes(whole[:at] + data + whole[at + len(data) :])
    refused_or_right(bundle)


def refused_or_right(path: Path) -> None:
    try:
        loaded = Classifier.load(path)
    except BundleError as error:
        assert "\n" not in str(error)
    else:
        assert loaded.self_test().passed  # only the model's own bytes were ever run


# A model


@often
@given(st.binary(max_size=300))
def test_whatever_the_bytes_only_our_errors_come_out(data):
    with pytest.raises(BundleError) as refused:
        Classifier(data)
    assert "\n" not in str(refused.value)


SPOTS = [
    match.start() for match in re.finditer(rb"Conv|Relu|Linear|Reshape|Gemm|Softmax|Squeeze|kernel|axis|image", MICRO)
]


@often
@given(
    spot=st.sampled_from(SPOTS),
    edits=st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 3), st.binary(min_size=1, max_size=9)), max_size=3),
    end=st.integers(0, len(MICRO)) | st.just(len(MICRO)),
)
def test_whatever_is_done_to_a_graph_only_our_errors_come_out(spot, edits, end):
    model = bytearray(MICRO)
    for offset, length, data in edits:
        model[spot + offset : spot + offset + length] = data
    try:
        damaged = Classifier(bytes(model[:end]))
        damaged.self_test()
        damaged.predict(np.full((40, 40), 240, np.uint8))
    except BundleError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "model", [None, "model.onnx", bytearray(MICRO), 5, np.zeros(9)], ids=lambda m: type(m).__name__
)
def test_what_is_no_bytes_is_refused(model):
    with pytest.raises(BundleError, match="expected a model's bytes, received"):
        Classifier(model)


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


# A picture


def drawn() -> Image.Image:
    image = Image.new("RGB", (48, 40), (230, 228, 220))
    image.paste((30, 30, 60), (20, 8, 26, 32))
    return image


def encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    drawn().save(stream, kind)
    return stream.getvalue()


PICTURES = {kind: encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_is_read_whole(ready, kind):
    assert ready.predict(PICTURES[kind]).label is not None


@often
@given(
    kind=st.sampled_from(sorted(PICTURES)),
    edits=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 8), st.binary(max_size=8)), max_size=4),
    end=st.integers(0, 6000),
)
def test_whatever_is_done_to_a_picture_only_our_errors_come_out(ready, kind, edits, end):
    data = bytearray(PICTURES[kind])
    for at, length, put in edits:
        data[at % len(data) : at % len(data) + length] = put
    for damaged in (bytes(data), bytes(data[:end])):
        answered_or_refused(ready, damaged)


ODD_DTYPES = st.sampled_from(["?", "u1", "i1", "u2", ">u2", "f2", "f4", "f8", "c8", "S3", "U2", "O", "M8[s]", "u1,u1"])


@often
@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=30))
    | st.builds(np.zeros, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=30), ODD_DTYPES)
)
def test_whatever_the_array_only_our_errors_come_out(ready, array):
    for view in (array, array[::-1], array.T) if array.ndim else (array,):
        answered_or_refused(ready, view)
        try:
            assert len(ready.predict_proba(view)) == len(view)
        except PictureError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "thing",
    [
        object(),
        {},
        {1},
        iter("a"),
        2.5,
        np.zeros((40, 40), np.uint8).data[::2],
        bytearray(b"\x89PNG"),
        io.BytesIO(b"\x89PNG"),
        Path("/"),
        "\ud800",
        os.devnull,
        np.ma.masked_array(np.zeros((28, 28), np.uint8), True),
        np.broadcast_to(np.uint8(1), (10**6, 10**6)),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_whatever_the_thing_only_our_errors_come_out(ready, thing):
    answered_or_refused(ready, thing)
    failed = next(ready.predict_many([thing]))
    assert failed.error is None or "\n" not in str(failed.error)


def answered_or_refused(classifier: Classifier, picture: Any) -> None:
    try:
        prediction = classifier.predict(picture)
    except PictureError as error:
        assert "\n" not in str(error)
    else:
        assert prediction.label in (None, *classifier.labels)

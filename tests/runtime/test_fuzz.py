"""Whatever a file or a caller brings, an answer or one of our errors comes out."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
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

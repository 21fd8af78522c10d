"""Bundles and JSON that others write: huge, endless, or just being replaced."""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from digits_edge.common.atomic_folder import publishing
from digits_edge.runtime import BundleError, Classifier, IntegrityError
from digits_edge.runtime.bundle import KIND, MANIFEST, ONNX_BEST_FIRST, Bundle, read_model
from digits_edge.runtime.files import MAX_JSON_VALUES, parse_json, read_json

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return shutil.copytree(ARTIFACTS / "micro", tmp_path / "bundle")


def test_a_bundle_that_is_being_replaced_gives_no_false_alarm(bundle):
    """Whichever of two bundles is found, its model is whole, by the folder's path and by the file's."""
    names, done = ("micro", "compact"), threading.Event()

    def replace() -> None:
        try:
            for turn in range(40):
                with publishing(bundle, marker=MANIFEST, kind=KIND) as work:
                    shutil.copytree(ARTIFACTS / names[turn % 2], work, dirs_exist_ok=True)
        finally:
            done.set()

    found = set()
    with ThreadPoolExecutor() as pool:
        replaced = pool.submit(replace)
        while not done.is_set():
            found |= {read_model(path)[0] for path in (bundle, bundle / "model.onnx")}
        replaced.result()
    assert found <= {(ARTIFACTS / name / file).read_bytes() for name in names for file in ONNX_BEST_FIRST}


def test_an_altered_file_is_told_from_a_replaced_bundle(bundle):
    opened = Bundle.open(bundle)
    (bundle / "model.onnx").write_bytes(b"altered")
    with pytest.raises(IntegrityError, match="the file was altered"):
        opened.read("model.onnx")
    (bundle / MANIFEST).write_text(json.dumps({**opened.manifest, "name": "another"}))
    with pytest.raises(BundleError, match="the bundle was replaced while it was read"):
        opened.read("model.onnx")
    with pytest.raises(IntegrityError, match="the file was altered"):  # though it is read again
        Classifier.load(bundle / "model.onnx")


@pytest.mark.parametrize("size", [2**26, 2**42], ids=["64 MiB", "4 TiB"])
def test_a_huge_manifest_is_not_read(bundle, size):
    os.truncate(bundle / MANIFEST, size)
    with pytest.raises(BundleError, match=r"manifest\.json: not readable as JSON: .*expected at most 33,554,432 bytes"):
        Classifier.load(bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on Unix")
def test_a_pipe_in_place_of_a_manifest_is_not_waited_for(bundle):
    (bundle / MANIFEST).unlink()
    os.mkfifo(bundle / MANIFEST)
    with pytest.raises(BundleError, match="expected a regular file"):
        Classifier.load(bundle)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" + b"[]," * MAX_JSON_VALUES + b"[]]", "expected at most 2,097,152 values"),
        (b'"' + b"x" * 2**25 + b'"', "expected at most 33,554,432 bytes"),
        (b"\xff", "can't decode"),
        (b"1" * 5000, "integer"),
    ],
)
def test_json_that_would_take_long_or_much_is_refused(data, expected, tmp_path):
    (tmp_path / "bad.json").write_bytes(data)
    with pytest.raises(ValueError if len(data) <= 2**25 else (ValueError, OSError), match=expected):
        parse_json(data)
    with pytest.raises((ValueError, OSError), match=expected):
        read_json(tmp_path / "bad.json")

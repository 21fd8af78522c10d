"""Every JSON document that digits-edge writes is as its schema says, with no field that the schema does not know."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError
from PIL import Image
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from digits_edge.cli import health
from digits_edge.trainer.released import NAMES

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
SCHEMAS = {
    path.name.partition(".")[0]: json.loads(path.read_text(encoding="utf-8"))
    for path in (ROOT / "docs/schemas").glob("*.schema.json")
}


def closed(part: Any, root: bool = True) -> Any:
    """The schema with no object open to more fields than it names; `root` itself as well."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = dict(part)
    for key in {"properties", "$defs"} & set(part):
        inner[key] = {name: closed(field) for name, field in part[key].items()}
    for key in {"items", "additionalProperties"} & set(part):
        inner[key] = closed(part[key])
    for key in ("anyOf", "oneOf"):  # a branch beside other properties does not know all of them
        if key in part:
            inner[key] = [closed(branch, root="properties" not in part) for branch in part[key]]
    if root and "properties" in part:
        inner["unevaluatedProperties"] = False
    return inner


REGISTRY: Registry[Any] = Registry().with_resources(
    (schema["$id"], DRAFT202012.create_resource(closed(schema, root=False))) for schema in SCHEMAS.values()
)


def check(name: str, document: Any) -> None:
    Draft202012Validator(closed(SCHEMAS[name]), registry=REGISTRY).validate(document)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"].endswith(f"/schemas/{name}.schema.json")


@pytest.mark.parametrize("name", NAMES)
def test_released_manifests(name):
    check("manifest", json.loads((ARTIFACTS / name / "manifest.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory, digits):
    """100 pictures."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.npz"
    np.savez(path, x=digits.pixels[::20], y=digits.targets[::20])
    return path


def test_train_and_runs(tiny, tmp_path, digits_edge):
    words = ("--recipe", "fast", "--epochs", 1, "--out", tmp_path / "run")
    printed = digits_edge("train", "--data", tiny, *words, "--json")
    assert printed.code == 0, printed.err
    check("train", json.loads(printed.out))
    check("run", json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8")))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/run.json").write_text("{}")
    listed = json.loads(digits_edge("runs", tmp_path, "--json").out)
    assert [run["parameters"] for run in listed] == [64194, None]
    check("runs", listed)


def test_export_and_inspect(own_run, digits_edge):
    words = ("export", own_run.path, "--no-benchmark", "--no-ladder", "--format", "onnx", "--json")
    refused = digits_edge(*words, "--min-accuracy", 1)
    assert refused.code == 1, refused.err
    check("export", json.loads(refused.out))
    rejected = own_run.path / "rejected/bundle"
    check("manifest", json.loads((rejected / "manifest.json").read_text(encoding="utf-8")))
    published = digits_edge(*words)
    assert published.code == 0, published.err
    check("export", json.loads(published.out))
    bundle = own_run.path / "bundle"
    for path in (own_run.path, bundle, rejected, own_run.model_path, bundle / "model.onnx"):
        check("inspect", json.loads(digits_edge("inspect", path, "--json").out))


def test_an_adapted_model(tiny, digits_npz, tmp_path, digits_edge):
    words = ("--init", "micro", "--data", tiny, "--also", digits_npz, "--epochs", 1, "--max-forgetting", 1)
    trained = digits_edge("train", *words, "--out", tmp_path / "run", "--set", "outliers=0", "--json")
    assert trained.code == 0, trained.err
    check("train", json.loads(trained.out))
    exported = digits_edge("export", tmp_path / "run", "--no-benchmark", "--format", "onnx", "--json")
    assert exported.code == 0, exported.err
    check("export", json.loads(exported.out))
    manifest = json.loads((tmp_path / "run/bundle/manifest.json").read_text(encoding="utf-8"))
    assert manifest["gate"]["own"]["pictures"] == 100


def test_a_bundle_with_everything(exported):
    check("manifest", exported.manifest)


def test_commands_that_read_a_bundle(tiny, tmp_path, digits_edge):
    micro = ARTIFACTS / "micro"
    check("evaluate", json.loads(digits_edge("evaluate", micro, "--data", tiny, "--json").out))
    check("selftest", json.loads(digits_edge("selftest", micro, "--json").out))
    check("inspect", json.loads(digits_edge("inspect", micro / "model.int8.tflite", "--json").out))
    check("inspect", json.loads(digits_edge("inspect", "--json").out))
    shutil.copy(micro / "model.int8.onnx", tmp_path / "one.onnx")
    check("benchmark", json.loads(digits_edge("benchmark", tmp_path / "one.onnx", "--rounds", 1, "--json").out))


def test_predict(tmp_path, trained, digits_edge):
    pixels, _ = trained.validation()
    Image.fromarray(255 - pixels[0]).resize((140, 140)).save(tmp_path / "photo.png")
    Image.new("L", (50, 50), 230).save(tmp_path / "blank.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    answers = digits_edge("predict", tmp_path, "--json")
    check("predict", json.loads(answers.out))
    lines = [json.loads(line) for line in digits_edge("predict", tmp_path, "--jsonl").out.splitlines()]
    assert [line["path"].rpartition("/")[2] for line in lines] == ["blank.png", "damaged.png", "photo.png"]
    assert "error" in lines[1]
    check("predict", lines)


def test_read(tmp_path, trained, digits_edge):
    pixels, _ = trained.validation()
    number = 255 - np.pad(np.concatenate(pixels[:3], axis=1), 6)
    Image.fromarray(number).resize((288, 120)).save(tmp_path / "number.png")
    (tmp_path / "damaged.png").write_bytes(b"no picture")
    check("read", json.loads(digits_edge("read", tmp_path, "--json").out))
    lines = [json.loads(line) for line in digits_edge("read", tmp_path, "--jsonl").out.splitlines()]
    assert "error" in lines[0]
    assert lines[1]["numbers"]
    check("read", lines)


def test_teach(tmp_path, trained, exported, digits_edge):
    pixels, targets = trained.validation()
    (tmp_path / "mine").mkdir()
    rows = [f"{row}.png,{'7' if row else '1'}" for row in range(3)]
    for row in range(3):
        Image.fromarray(pixels[targets == 1][row]).save(tmp_path / f"mine/{row}.png")
    (tmp_path / "mine/labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    words = ("--save", tmp_path / "mine.npz", "--bundle", exported.path, "--json")
    document = json.loads(digits_edge("teach", tmp_path / "mine", *words).out)
    assert document["doubts"]
    check("teach", document)


def test_doctor(digits_edge, monkeypatch):
    monkeypatch.setattr(health, "PARTS", (health.RUNTIME,))  # TensorFlow takes seconds
    check("doctor", json.loads(digits_edge("doctor", "--json").out))


def test_that_a_check_can_fail():
    manifest = json.loads((ARTIFACTS / "micro/manifest.json").read_text(encoding="utf-8"))
    for change in ({"news": 1}, {"schema": 2}, {"labels": [1]}, {"metrics": {"keras": {"wrong": 1}}}):
        with pytest.raises(ValidationError):
            check("manifest", {**manifest, **change})
    deep = copy.deepcopy(manifest)
    deep["provenance"]["run"]["recipe"]["augmentation"]["hue"] = 0.1
    with pytest.raises(ValidationError, match="hue"):
        check("manifest", deep)

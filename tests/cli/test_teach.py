"""`digits-edge teach` writes examples, and `predict`, `read` and `label` answer by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digits_edge.cli.commands import label as label_command
from digits_edge.cli.labelling.server import LabelServer
from digits_edge.runtime import Classifier

RELEASED = Path(__file__).parents[2] / "artifacts" / "micro"


def tick(jitter: int) -> Image.Image:
    page = Image.new("L", (100, 100), 250)
    ImageDraw.Draw(page).line([(20, 55 + jitter), (42, 80), (80 - jitter, 20)], 20, 8, "curve")
    return page


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three labelled ticks, a blank and a damaged picture, one that is none of the classes, one without a label."""
    folder: Path = tmp_path / "mine"
    folder.mkdir()
    for number in range(4):
        tick(number).save(folder / f"tick_{number}.png")
    Image.new("L", (80, 60), 230).save(folder / "blank.png")
    (folder / "damaged.png").write_bytes(b"no picture")
    rows = [f"tick_{number}.png,tick" for number in range(3)]
    rows += ["blank.png,7", "damaged.png,7", "tick_3.png,"]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    tick(2).point(lambda value: value - 5).save(folder / "unlabelled.png")
    return Path(folder)


def test_a_labelled_folder_is_taught(folder, exported, tmp_path, digits_edge):
    saved = tmp_path / "mine.npz"
    done = digits_edge("teach", folder, "--save", saved, "--bundle", exported.path)
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == f"{saved}: 3 examples, 3 of tick; 0 of them right before"
    for said in ("blank.png: expected ink", "damaged.png: expected a picture", "1 picture without", "1 picture marked"):
        assert said in done.err
    words = ("--bundle", exported.path, "--taught", saved)
    answer = digits_edge("predict", folder / "unlabelled.png", *words).out
    assert answer.split("\t")[1] == "tick"
    page = Image.new("L", (260, 100), 250)
    page.paste(tick(0), (80, 0))
    page.save(tmp_path / "page.png")
    assert "tick" not in digits_edge("read", tmp_path / "page.png", "--bundle", exported.path).out
    assert digits_edge("read", tmp_path / "page.png", *words).out.split("\t")[1] == "tick"
    many = [folder / "unlabelled.png"] * 100
    lines = digits_edge("predict", *many, *words, "--batch-size", 7).out.splitlines()
    assert lines == [answer.rstrip("\n")] * 100


def test_examples_are_added_to_those_of_a_file(folder, exported, tmp_path, digits_edge):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    assert digits_edge("teach", folder, "--save", first, "--bundle", exported.path).code == 0
    more = tmp_path / "more"
    golden = exported.contract().golden
    surest = int(golden.probabilities.max(axis=1).argmax())
    right = int(golden.probabilities[surest].argmax())
    wrong = str((right + 1) % 10)
    (more / wrong).mkdir(parents=True)  # a folder for each class will do as well
    Image.fromarray(golden.pixels[surest]).save(more / wrong / "mistake.png")
    words = ("--taught", first, "--save", second, "--bundle", exported.path)
    done = digits_edge("teach", more, *words)
    assert done.code == 0, done.err
    assert "4 examples" in done.out
    assert f"mistake.png: taught as {wrong}, looks like {right} (score " in done.out
    document = json.loads(digits_edge("teach", more, *words, "--json").out)
    assert document["classes"] == {wrong: 1, "tick": 3}
    assert any(str(doubt["path"]).endswith("mistake.png") for doubt in document["doubts"])
    assert len(Classifier.load(exported.path, taught=second).examples) == 4


def test_the_page_for_labels_guesses_by_what_was_taught(folder, exported, tmp_path, digits_edge, monkeypatch):
    saved = tmp_path / "mine.npz"
    assert digits_edge("teach", folder, "--save", saved, "--bundle", exported.path).code == 0
    seen = []
    monkeypatch.setattr(LabelServer, "serve_forever", lambda server, **_: seen.extend(server.pictures.pictures))
    words = ("--no-browser", "--bundle", exported.path, "--taught", saved)
    assert digits_edge("label", folder, *words).code == 0
    guesses = {picture.file: picture.guess.label for picture in seen}
    assert guesses["unlabelled.png"] == "tick"
    assert label_command.__doc__


@pytest.mark.parametrize("command", ["predict", "read", "label", "teach"])
def test_a_file_that_holds_no_examples_is_one_line(command, folder, exported, tmp_path, digits_edge):
    for taught in (folder / "labels.csv", tmp_path / "none.npz"):
        words = ["--save", tmp_path / "new.npz"] if command == "teach" else []
        done = digits_edge(command, folder, "--bundle", exported.path, "--taught", taught, *words)
        assert done.code == 2
        assert done.err.startswith(f"digits-edge: {taught}: ")
        assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "new.npz").exists()


def test_what_cannot_be_taught_leaves_what_was_there(folder, exported, tmp_path, digits_edge):
    saved = tmp_path / "mine.npz"
    saved.write_bytes(b"as it was")
    blank = tmp_path / "blank"
    (blank / "7").mkdir(parents=True)
    Image.fromarray(np.full((60, 60), 250, np.uint8)).save(blank / "7" / "blank.png")
    for given, expected in (
        (blank, "expected pictures"),
        (tmp_path / "none", "cannot be read"),
    ):
        done = digits_edge("teach", given, "--save", saved, "--bundle", exported.path)
        assert done.code == 2
        assert expected in done.err.splitlines()[-1]
    assert saved.read_bytes() == b"as it was"
    done = digits_edge("teach", folder, "--save", tmp_path / "none" / "mine.npz", "--bundle", exported.path)
    assert done.code == 2
    assert "expected a file in an existing folder" in done.err

"""`digits-edge read`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits_edge.runtime import Classifier


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Two lines of golden digits, dark on light paper, and their text."""
    golden = Classifier.load().contract.golden
    labels = golden.probabilities.argmax(axis=1)
    rows = [np.concatenate(list(golden.pixels[first : first + 3]), axis=1) for first in (0, 3)]
    page = np.pad(np.concatenate([rows[0], np.zeros((10, rows[0].shape[1]), np.uint8), rows[1]]), 10)
    path = tmp_path_factory.mktemp("form") / "form.png"
    Image.fromarray(255 - page).resize((3 * page.shape[1], 3 * page.shape[0]), Image.Resampling.BICUBIC).save(path)
    return path, "\n".join("".join(map(str, labels[first : first + 3])) for first in (0, 3))


def test_read_prints_path_text_and_verdict(form, digits_edge):
    path, text = form
    done = digits_edge("read", path)
    assert done.code == 0, done.err
    name, shown, verdict = done.out.rstrip("\n").split("\t")
    assert (Path(name).name, shown) == ("form.png", text.replace("\n", " / "))
    assert verdict.startswith(("accepted", "not accepted: "))


def test_read_answers_the_good_pictures_and_names_the_bad(form, tmp_path, digits_edge):
    path, text = form
    (tmp_path / "a.png").write_bytes(path.read_bytes())
    (tmp_path / "b.png").write_bytes(b"no picture")
    done = digits_edge("read", tmp_path, tmp_path / "none.png", "--json")
    assert done.code == 2
    assert [answer["text"] for answer in json.loads(done.out)] == [text]
    assert [line.partition(": ")[0] for line in done.err.splitlines()] == ["digits-edge"] * 2
    assert "none.png: cannot be read" in done.err


def test_read_takes_stdin(form):
    path, text = form
    words = [sys.executable, "-m", "digits_edge.cli", "read", "-", "--jsonl"]
    done = subprocess.run(words, input=path.read_bytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"] == text


def test_read_draws_what_it_read(form, tmp_path, digits_edge):
    target = tmp_path / "boxes.png"
    done = digits_edge("read", form[0], "--explain", target)
    assert done.code == 0, done.err
    with Image.open(target) as drawn, Image.open(form[0]) as given:
        assert drawn.width >= given.width
        assert drawn.height > given.height


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--digits", "0"], "digits: expected a number from 1 to 50, received 0"),
        (["--json", "--jsonl"], "--json, --jsonl: expected one of them, received both"),
        (["--explain", "boxes.jpg"], "--explain: expected the name of a .png in an existing folder"),
    ],
)
def test_wrong_options_are_one_line(form, words, said, refused):
    assert said in refused("read", form[0], *words)

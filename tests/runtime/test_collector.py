"""A collector keeps what a classifier is unsure of, and never stands in the way of an answer."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits_edge.runtime import Classifier, Collector, UsageError, atomic_file
from digits_edge.runtime.picture.png import encode, text_of


@pytest.fixture(scope="module")
def default() -> Classifier:
    return Classifier.load()


@pytest.fixture(scope="module")
def golden(default) -> np.ndarray:
    """Ten digits, all accepted, uint8[10, 28, 28]."""
    pixels = default.contract.golden.pixels[:10]
    assert all(found.accepted for found in default.predict_many(pixels))
    return np.asarray(pixels)


@pytest.fixture(scope="module")
def strange(default) -> np.ndarray:
    """A rectangle, which is not accepted."""
    pixels = np.full((60, 60), 230, np.uint8)
    pixels[20:40, 12:48] = 30
    assert not default.predict(pixels).accepted
    return pixels


def facts_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text_of(path.read_bytes()) or "") for path in sorted(folder.glob("*.png"))]


def test_what_is_rejected_is_kept_as_the_model_saw_it(default, golden, strange, tmp_path):
    collector = Collector(tmp_path / "kept")
    classifier = collector.wrap(default)
    assert classifier.predict(golden[0]).accepted
    assert not (tmp_path / "kept").exists()
    found = classifier.predict(strange)
    [path] = (tmp_path / "kept").iterdir()
    [facts] = facts_in(tmp_path / "kept")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), default.find(strange).pixels)
    assert (facts["label"], facts["accepted"], facts["reason"]) == (found.label, False, found.reason)
    assert facts["score"] == pytest.approx(found.score, abs=1e-6)
    assert facts["time"].startswith(time.strftime("%Y-", time.gmtime()))
    assert (collector.failed, collector.error) == (0, None)


def test_it_answers_as_the_classifier_does(default, golden, strange, tmp_path):
    classifier = Collector(tmp_path, keep="all").wrap(default)
    pictures = [*golden, strange, b"no picture", np.full((40, 40), 200, np.uint8)]
    asked, answered = list(default.predict_many(pictures)), list(classifier.predict_many(iter(pictures), batch_size=4))
    assert [(one.label, one.score, one.reason) for one in answered] == [(o.label, o.score, o.reason) for o in asked]
    assert classifier.labels == default.labels
    np.testing.assert_array_equal(classifier.predict_proba(golden), default.predict_proba(golden))
    assert [facts["label"] for facts in facts_in(tmp_path)] == [one.label for one in asked if one.label]
    with pytest.raises(ValueError, match="batch_size"):
        classifier.predict_many(pictures, batch_size=0)


def test_of_a_number_its_digits_are_kept(default, golden, tmp_path):
    number = 255 - np.pad(np.concatenate(list(golden[:4]), axis=1), 10)
    reading = Collector(tmp_path, keep="all").wrap(default).read(number)
    facts = facts_in(tmp_path)
    assert "".join(one["label"] for one in facts) == reading.text
    assert [tuple(one["box"]) for one in facts] == [digit.box for digit in reading.digits]
    for path, digit in zip(sorted(tmp_path.iterdir()), reading.digits, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), digit.pixels)
    assert reading.accepted
    Collector(tmp_path / "none").wrap(default).read(number)
    assert not (tmp_path / "none").exists()


def test_only_the_doubtful_digits_of_a_number_are_kept(default, golden, tmp_path):
    ink = np.concatenate([*golden[:2], np.zeros((28, 4), np.uint8), *golden[2:4]], axis=1)
    ink[4:24, 70:74] = 0
    ink[6:22, 62:82] = 255  # a blot over the third
    reading = Collector(tmp_path).wrap(default).read(255 - np.pad(ink, 10))
    assert not reading.accepted
    doubtful = [digit.label for digit in reading.digits if not digit.accepted]
    assert 0 < len(doubtful) < len(reading.digits)
    assert [one["label"] for one in facts_in(tmp_path)] == doubtful


@pytest.mark.parametrize(("keep", "kept"), [("rejected", 1), ("unsure", 2), ("all", 12)])
def test_keep_says_how_much(default, golden, strange, tmp_path, keep, kept):
    faded = next(
        blend
        for share in np.linspace(0.3, 0.7, 60)
        for blend in [(golden[3] * share + golden[8] * (1 - share)).astype(np.uint8)]
        for found in [default.predict(blend)]
        if found.accepted and found.score < 0.95
    )
    list(Collector(tmp_path, keep=keep).wrap(default).predict_many([*golden, faded, strange]))
    assert len(list(tmp_path.iterdir())) == kept


def test_the_oldest_go_first(default, golden, tmp_path):
    classifier = Collector(tmp_path, keep="all", limit=3, originals=True).wrap(default)
    for row in (0, 1, 2, 3, 4):
        classifier.predict(golden[row])
    assert [facts["label"] for facts in facts_in(tmp_path)] == ["2", "3", "4"]
    assert len(list((tmp_path / "originals").iterdir())) == 3


def test_the_original_is_kept_as_it_was_given(default, strange, tmp_path):
    jpeg = io.BytesIO()
    Image.fromarray(strange).save(jpeg, "JPEG")
    (tmp_path / "scan.jpeg").write_bytes(jpeg.getvalue())
    coloured = np.repeat(strange[..., None], 3, axis=2)
    of_floats = Image.fromarray(strange).convert("F")  # which no PNG can be
    given = [tmp_path / "scan.jpeg", jpeg.getvalue(), Image.fromarray(strange), strange, coloured, of_floats]
    list(Collector(tmp_path / "kept", originals=True).wrap(default).predict_many(given))
    originals = [tmp_path / "kept" / facts["original"] for facts in facts_in(tmp_path / "kept")]
    assert [path.suffix for path in originals] == [".jpg", ".jpg", ".png", ".png", ".png", ".png"]
    assert originals[0].read_bytes() == originals[1].read_bytes() == jpeg.getvalue()
    np.testing.assert_array_equal(np.asarray(Image.open(originals[3])), strange)
    np.testing.assert_array_equal(np.asarray(Image.open(originals[4])), coloured)


MANY = """
import sys
from concurrent.futures import ThreadPoolExecutor
from digits_edge.runtime import Classifier, Collector
classifier = Classifier.load()
collector = Collector(sys.argv[1], keep="all", limit=20, originals=True)
collecting = collector.wrap(classifier)
pixels = classifier.contract.golden.pixels[0]
with ThreadPoolExecutor(4) as pool:
    assert {one.label for one in pool.map(collecting.predict, [pixels] * 100)} == {"0"}
assert collector.failed == 0, collector.error
assert "PIL" not in sys.modules
"""


def test_processes_and_threads_share_a_folder(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert len(facts_in(tmp_path)) == 20  # all of them whole
    assert {path.name for path in tmp_path.iterdir() if not path.suffix} == {"originals"}
    assert len(list((tmp_path / "originals").iterdir())) <= 20


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_stops_no_answer(default, strange, tmp_path, monkeypatch, capfd):
    collector = Collector(tmp_path)
    classifier = collector.wrap(default)
    monkeypatch.setattr(atomic_file, "write_new", full)
    expected = default.predict(strange)
    assert classifier.predict(strange).label == expected.label
    assert [one.label for one in classifier.predict_many([strange] * 3)] == [expected.label] * 3
    assert (collector.failed, collector.error) == (4, f"[Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}")
    assert capfd.readouterr() == ("", "")


def test_a_disk_that_becomes_full_leaves_no_half_file(default, strange, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "replace", full)
    collector = Collector(tmp_path)
    collector.wrap(default).predict(strange)
    assert collector.failed == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file/kept", "a\0b", "x" * 300])
def test_a_folder_that_cannot_be_one_stops_no_answer(default, strange, tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    collector = Collector(tmp_path / name)
    assert not collector.wrap(default).predict(strange).accepted
    assert collector.failed == 1
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_that_has_gone_is_made_again(default, strange, tmp_path):
    classifier = Collector(tmp_path / "kept").wrap(default)
    classifier.predict(strange)
    (tmp_path / "kept").rename(tmp_path / "taken")
    classifier.predict(strange)
    assert len(facts_in(tmp_path / "kept")) == len(facts_in(tmp_path / "taken")) == 1


def test_what_a_signal_handler_raises_comes_out(default, strange, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise TimeoutError("of the program around us")

    monkeypatch.setattr(atomic_file, "write_new", interrupted)
    with pytest.raises(TimeoutError, match="around us"):
        Collector(tmp_path).wrap(default).predict(strange)


def test_what_killed_processes_left_is_removed(default, strange, tmp_path):
    (tmp_path / ".20200101T000000-000000000Z-0123abcd.png.partial").write_bytes(b"half")
    living = f".{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-000000000Z-0123abcd.png.partial"
    (tmp_path / living).write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    Collector(tmp_path, limit=1).wrap(default).predict(strange)
    names = {path.name for path in tmp_path.iterdir() if path.suffix != ".png"}
    assert names == {living, "notes.txt"}


def test_files_of_others_are_neither_counted_nor_removed(default, strange, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(strange))
    classifier = Collector(tmp_path, limit=1).wrap(default)
    for _ in range(3):
        classifier.predict(strange)
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert (tmp_path / "a.png").exists()


def test_it_can_be_pickled(default, strange, tmp_path):
    again = pickle.loads(pickle.dumps(Collector(tmp_path, "all", 7, True).wrap(default)))
    again.predict(strange)
    assert len(facts_in(tmp_path)) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"keep": "unsur"}, "keep: expected rejected or unsure or all, received 'unsur'; did you mean 'unsure'?"),
        ({"limit": 0}, "limit: expected a whole number from 1, received 0"),
        ({"limit": True}, "limit: expected a whole number from 1, received True"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path, words, said):
    with pytest.raises(UsageError) as raised:
        Collector(tmp_path, **words)
    assert str(raised.value) == said


def test_threads_lose_nothing(default, strange, tmp_path):
    classifier = Collector(tmp_path, limit=500).wrap(default)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(classifier.predict, [strange] * 100))
    assert len(facts_in(tmp_path)) == 100

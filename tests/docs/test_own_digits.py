"""docs/how-to/own-digits.md from its first command to the last: a browser labels, and it trains and exports in earnest.

Somebody writes sevens with a bar and ones with a flag.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from pages import ROOT, perform
from PIL import Image, ImageDraw

from digits_edge.cli.labelling.server import LabelServer
from digits_edge.common.labels_csv import read_labels
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer.datasets import builtin

STROKES = {
    "7": [[(0.1, 0.1), (0.8, 0.05), (0.4, 0.95)], [(0.2, 0.5), (0.8, 0.5)]],
    "1": [[(0.1, 0.35), (0.65, 0.05), (0.55, 0.95)]],
}


def written(sign: str, rng: np.random.Generator) -> Image.Image:
    """A sign on paper, a little otherwise each time."""
    paper = Image.new("L", (160, 160), 235)
    for stroke in STROKES[sign]:
        points = 20 + 120 * (np.array(stroke) + rng.normal(0, 0.02, (len(stroke), 2)))
        ImageDraw.Draw(paper).line([tuple(point) for point in points], 40, 9, "curve")
    return paper


def share_right(classifier: Classifier, others: list[tuple[str, Image.Image]]) -> float:
    return float(np.mean([classifier.predict(picture).label == sign for sign, picture in others]))


@pytest.fixture
def device(tmp_path, monkeypatch, digits, browser):
    """The files that the page names; and who labels what was collected knows what each picture is."""
    rng, default = np.random.default_rng(3), Classifier.load()
    (tmp_path / "photos").mkdir()
    known = {}
    for number in range(20):
        sign = "71"[number % 2]
        written(sign, rng).save(path := tmp_path / f"photos/{number:02}.png")
        known[np.asarray(default.find(path).pixels).tobytes()] = sign
    golden = default.contract.golden
    pixels = dict(zip([default.labels[row.argmax()] for row in golden.probabilities], golden.pixels, strict=True))
    for name, text in (("photo.jpg", "7"), ("number.png", "75013")):
        digits_of_it = np.pad(np.concatenate([pixels[digit] for digit in text], axis=1), 6)
        size = (4 * digits_of_it.shape[1], 160)
        Image.fromarray(255 - digits_of_it).resize(size, Image.Resampling.BILINEAR).save(tmp_path / name)
    serve = LabelServer.serve_forever

    def labelled_by_a_browser(server: LabelServer, **_: object) -> None:
        serving = Thread(target=serve, args=(server,), kwargs={"poll_interval": 0.02})
        serving.start()
        page = browser.new_page()
        page.goto(server.address)
        for picture in server.pictures.pictures:
            pixels = np.asarray(Image.open(server.pictures.folder / picture.file))
            page.locator("#grid [aria-current]").wait_for()
            page.keyboard.press(known[pixels.tobytes()])
        page.get_by_role("button", name="Done").click()
        page.get_by_text("Everything is written").wait_for()
        serving.join()
        page.close()

    monkeypatch.setattr(LabelServer, "serve_forever", labelled_by_a_browser)
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    monkeypatch.setattr(builtin, "read_sample", lambda: (digits.pixels, digits.targets))  # what is rehearsed is smaller
    monkeypatch.chdir(tmp_path)


def test_from_wrong_answers_to_a_model_that_reads_them(device, digits_edge):
    rng = np.random.default_rng(4)
    others = [(sign, written(sign, rng)) for _ in range(30) for sign in "71"]
    before = share_right(Classifier.load(), others)
    perform(ROOT / "docs/how-to/own-digits.md", digits_edge)
    assert sorted((read_labels(Path("collected/labels.csv")) or {}).values()) == ["1"] * 10 + ["7"] * 10
    assert before < 0.8
    assert share_right(Classifier.load(taught="mine.npz"), others) > 0.95
    assert share_right(Classifier.load("device/bundle"), others) > 0.95
    assert Bundle.open(Path("device/bundle")).manifest["gate"]["own"]["pictures"] == 20

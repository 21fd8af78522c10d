"""`digits-edge label`: people label pictures on a page that is theirs alone, and no answer is lost."""

from __future__ import annotations

import errno
import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from digits_edge.cli.commands import label as label_command
from digits_edge.cli.labelling.pictures import Guess, Picture, Pictures, collected, keys_of
from digits_edge.cli.labelling.server import MOST, LabelServer
from digits_edge.common.labels_csv import read_labels
from digits_edge.runtime import Classifier, Collector, UsageError, atomic_file
from digits_edge.runtime.picture.png import encode
from digits_edge.trainer import read_dataset

PHONE: Final = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def default() -> Classifier:
    return Classifier.load()


@pytest.fixture
def folder(default, tmp_path) -> Path:
    """Six collected digits, the ones that the model is least sure of last."""
    collecting = Collector(tmp_path / "mine", keep="all").wrap(default)
    golden = default.contract.golden.pixels
    for row in (1, 2, 3, 4):
        collecting.predict(golden[row])
    for one, other in ((3, 8), (4, 9)):
        collecting.predict((golden[one] // 2 + golden[other] // 2).astype(np.uint8))
    return Path(tmp_path / "mine")


def opened(folder: Path, classes: tuple[str, ...] | None = None) -> Pictures:
    return label_command._pictures(folder, Classifier.load(), classes)


@contextmanager
def serving(pictures: Pictures) -> Iterator[LabelServer]:
    with LabelServer(pictures) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(folder) -> Iterator[LabelServer]:
    with serving(opened(folder)) as server:
        yield server


def ask(server: LabelServer, method: str, place: str, body: Any = None, **changed: str | None) -> tuple[int, bytes]:
    """Send a request as the page does, with some headers changed or, for None, left out."""
    headers: dict[str, str | None] = {"Host": f"127.0.0.1:{server.server_port}"}
    if method == "POST":
        headers |= {"Origin": f"http://127.0.0.1:{server.server_port}", "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.putrequest(method, place, skip_host=True)
    for name, value in {**headers, "Content-Length": str(len(data)) if method == "POST" else None}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data if method == "POST" else None)
    answer = connection.getresponse()
    content = answer.read()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    connection.close()
    return answer.status, content


def test_the_least_sure_come_first(folder, default):
    scores = [picture.guess.score for picture in opened(folder).pictures]
    assert scores == sorted(scores)
    assert scores[1] < 0.95 < scores[2]


def test_pictures_without_a_guess_are_given_one(default, tmp_path, capfd):
    digit = 255 - default.contract.golden.pixels[7]
    Image.fromarray(digit).resize((200, 200)).save(tmp_path / "seven.JPG")
    Image.new("L", (80, 80), 230).save(tmp_path / "blank.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    pictures = opened(tmp_path)
    assert [(one.file, one.guess.label, one.collected) for one in pictures.pictures] == [
        ("seven.JPG", "7", False),
        ("blank.png", None, False),
    ]
    assert "left out " in (said := capfd.readouterr().err)
    assert "bad.png" in said
    assert Image.open(io.BytesIO(pictures.shown(0))).size == (200, 200)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        '{"label": 7, "score": 1, "accepted": true}',
        '{"label": "7", "score": NaN, "accepted": true}',
        '{"label": "7", "score": 1e999, "accepted": true}',
        '{"label": "7", "score": "1", "accepted": true}',
        '{"label": "7", "score": 1, "accepted": true, "reason": []}',
        '{"label": "7"}',
        "[" * 10_000,
    ],
)
def test_what_only_looks_collected_is_an_ordinary_picture(text, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(np.zeros((28, 28), np.uint8), text))
    assert collected(tmp_path / "a.png") is None


def test_every_class_has_a_key_of_its_own():
    assert keys_of("0123456789") == {digit: digit for digit in "0123456789"}
    assert keys_of(["cat", "n", "s", "u", "X", "7"]) == {
        "cat": "1", "n": "2", "s": "3", "u": "4", "X": "x", "7": "7"
    }  # fmt: skip
    assert keys_of(["a", "A"]) == {"a": "a", "A": "1"}
    many = keys_of(f"class {number}" for number in range(50))
    assert len(set(many.values())) == len(many) == 33
    assert not set("nsu") & set(many.values())


def test_each_answer_is_written_at_once(folder):
    pictures = opened(folder)
    assert pictures.label(0, "3") == 1
    assert read_labels(pictures.path) == {pictures.pictures[0].file: "3"}
    assert pictures.label(1, "") == 2
    assert pictures.label(0, None) == 1
    assert read_labels(pictures.path) == {pictures.pictures[1].file: ""}
    assert pictures.summary() == "0 labelled, 1 none of the classes, 5 to do"


def test_it_goes_on_where_it_was(folder):
    first = opened(folder)
    first.label(2, "7")
    (folder / "labels.csv").write_text((folder / "labels.csv").read_text() + "gone.png,tick\n")
    again = opened(folder)
    assert [one["is"] for one in again.to_json()["pictures"]] == [None, None, "7", None, None, None]
    assert again.classes == (*"0123456789", "tick")
    again.label(3, "tick")
    assert read_labels(folder / "labels.csv") == {
        "gone.png": "tick",
        again.pictures[2].file: "7",
        again.pictures[3].file: "tick",
    }


def test_many_answers_at_once_are_all_written(folder):
    one, other = opened(folder), opened(folder)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one.label, range(6), "123456"))
    assert other.to_json()["pictures"] == one.to_json()["pictures"]
    assert other.label(5, "0") == 6


def test_what_is_labelled_is_trained_on(folder, capfd):
    pictures = opened(folder)
    for number, name in enumerate(("3", "9", "3", "", "9")):
        pictures.label(number, name)
    dataset = read_dataset(str(folder))
    assert (dataset.labels, len(dataset), dataset.preprocess) == (("3", "9"), 4, "digit")
    expected = np.asarray(Image.open(folder / pictures.pictures[0].file))
    assert any((one == expected).all() for one in dataset.pixels)
    assert "left out 1 picture without a label" in capfd.readouterr().err


def test_the_page_sees_and_labels_the_pictures(server, folder):
    token = f"/{server.token}"
    status, page = ask(server, "GET", f"{token}/")
    assert (status, b"page.js" in page) == (200, True)
    content = json.loads(ask(server, "GET", f"{token}/pictures")[1])
    assert len(content["pictures"]) == 6
    assert ask(server, "GET", f"{token}/picture/0") == (200, (folder / content["pictures"][0]["file"]).read_bytes())
    assert ask(server, "POST", f"{token}/label", {"picture": 0, "label": "5"}) == (200, b'{"labelled": 1}')
    assert read_labels(folder / "labels.csv") == {content["pictures"][0]["file"]: "5"}


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        ("/label", {}),
        ("/{wrong}/label", {}),
        ("//label", {}),
        ("{token}/label", {"Host": "rebound.example:80"}),
        ("{token}/label", {"Host": "127.0.0.1"}),
        ("{token}/label", {"Host": None}),
        ("{token}/label", {"Origin": "http://evil.example"}),
        ("{token}/label", {"Origin": "null"}),
        ("{token}/label", {"Origin": None}),
    ],
)
def test_requests_of_others_are_forbidden(server, folder, place, changed):
    where = place.format(token=f"/{server.token}", wrong="x" * len(server.token))
    status, content = ask(server, "POST", where, {"picture": 0, "label": "5"}, **changed)
    assert (status, content) == (403, b"")
    assert not (folder / "labels.csv").exists()
    if "Origin" not in changed:
        assert ask(server, "GET", where.replace("label", "pictures"), **changed) == (403, b"")


@pytest.mark.parametrize(
    ("body", "changed", "expected"),
    [
        ({"picture": 0, "label": "5"}, {"Content_Type": "text/plain"}, 400),
        (b"{", {}, 400),
        ([], {}, 400),
        ({"picture": True, "label": "5"}, {}, 400),
        ({"picture": 0, "label": 5}, {}, 400),
        ({"picture": 0}, {}, 400),
        (b"[" * 9_000, {}, 400),
        (b" " * (MOST + 1), {}, 400),
        ({"picture": 6, "label": "5"}, {}, 409),
        ({"picture": -1, "label": "5"}, {}, 409),
        ({"picture": 0, "label": "cat"}, {}, 409),
    ],
)
def test_malformed_answers_change_nothing(server, folder, body, changed, expected):
    assert ask(server, "POST", f"/{server.token}/label", body, **changed)[0] == expected
    assert not (folder / "labels.csv").exists()


@pytest.mark.parametrize("place", ["picture/6", "picture/-1", "picture/..", "picture/../labels.csv", "labels.csv", "x"])
def test_nothing_else_is_served(server, place):
    assert ask(server, "GET", f"/{server.token}/{place}") == (404, b"")


def test_a_picture_that_has_gone_is_not_there(server, folder):
    (folder / server.pictures.pictures[0].file).unlink()
    assert ask(server, "GET", f"/{server.token}/picture/0")[0] == 404
    assert ask(server, "POST", f"/{server.token}/label", {"picture": 0, "label": "5"})[0] == 200


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda folder: None, "{folder}: expected pictures (.png, "),
        (lambda folder: folder.rmdir(), "{folder}: expected a folder of pictures"),
        (
            lambda folder: (folder / "a.png").write_bytes(b"?"),
            "{folder}: expected pictures, found none that can be read",
        ),
        (
            lambda folder: (folder / "labels.csv").write_text("a,b\n"),
            "{folder}/labels.csv: expected the columns file,label, found a,b",
        ),
    ],
)
def test_a_wrong_folder_is_named(prepare, said, tmp_path, digits_edge, folder):
    place = tmp_path / "other"
    place.mkdir()
    if "columns" in said:
        shutil.copytree(folder, place, dirs_exist_ok=True)
    prepare(place)
    done = digits_edge("label", place, "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"digits-edge: {said.format(folder=place)}")


def test_wrong_options_are_one_line(folder, tmp_path, refused, server):
    assert "--port: expected a number from 0 to 65535, received 70000" in refused("label", folder, "--port", 70000)
    assert "--port: cannot listen on port" in refused("label", folder, "--port", server.server_port)
    assert "--labels: expected a file of class names, or names with commas" in refused("label", folder, "--labels", "a")
    assert "names.txt: expected at least two class names" in refused(
        "label", folder, "--labels", (tmp_path / "names.txt").write_text("one\n") and tmp_path / "names.txt"
    )
    assert "none.onnx" in refused("label", folder, "--bundle", tmp_path / "none.onnx")


def test_a_folder_that_cannot_be_written(folder, refused, monkeypatch):
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(atomic_file, "try_to_write", read_only)
    assert refused("label", folder).endswith(f"{folder / 'labels.csv'}: cannot be written: Read-only file system")


# In a browser.


@contextmanager
def page_of(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """The page; a script error, a request to elsewhere and one that the policy forbids fail the test."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    page.goto(address)
    page.locator("#grid [aria-current]").wait_for()
    yield page
    context.close()
    assert [one for one in wrong if not one.startswith("data:")] == []


def counted(page: Page, text: str) -> None:
    page.locator("#count").get_by_text(text, exact=True).wait_for()


def written(folder: Path, pictures: Pictures) -> list[str | None]:
    labels = read_labels(folder / "labels.csv") or {}
    return [labels.get(picture.file) for picture in pictures.pictures]


def settle(page: Page) -> None:
    """Wait until all answers are written."""
    page.evaluate("sent")


def test_keys_label_skip_and_undo(browser, server, folder):
    with page_of(browser, server.address) as page:
        for key in "8ns":
            page.keyboard.press(key)
        page.keyboard.press("Enter")  # the guess
        counted(page, "3 of 6 labelled")
        settle(page)
        guess = server.pictures.pictures[3].guess.label
        assert written(folder, server.pictures) == ["8", "", None, guess, None, None]
        page.keyboard.press("u")
        page.keyboard.press("u")
        counted(page, "1 of 6 labelled")
        settle(page)
        assert written(folder, server.pictures) == ["8", None, None, None, None, None]
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("3")  # another answer for the first
        settle(page)
        assert written(folder, server.pictures)[:2] == ["3", None]


def test_a_closed_browser_loses_nothing(browser, server, folder):
    with page_of(browser, server.address) as page:
        page.keyboard.press("1")
        page.keyboard.press("2")
        settle(page)
    with page_of(browser, server.address) as page:
        assert page.locator("#count").inner_text() == "2 of 6 labelled"
        assert page.locator("#grid button").nth(2).get_attribute("aria-current") == "true"
        assert page.locator("#undo").is_disabled()


def test_fingers_label(browser, server, folder):
    with page_of(browser, server.address, **PHONE) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.locator("#classes").get_by_text("4", exact=True).tap()
        page.locator("#none").tap()
        page.locator("#grid button").nth(4).tap()
        page.locator("#classes").get_by_text("7", exact=True).tap()
        counted(page, "3 of 6 labelled")
        settle(page)
        assert written(folder, server.pictures) == ["4", "", None, None, "7", None]


def test_other_classes_have_buttons_and_keys(browser, folder):
    with serving(opened(folder, ("tick", "cross", "<b>n</b>"))) as server, page_of(browser, server.address) as page:
        assert page.locator("#classes button").all_inner_texts() == ["tick 1", "cross 2", "<b>n</b> 3"]
        assert page.locator("#none").inner_text() == "None of these n"
        assert page.locator("#guess").inner_text() == "No guess"
        page.keyboard.press("Enter")  # takes no guess of another kind
        page.keyboard.press("2")
        page.locator("#classes button").nth(2).click()
        page.keyboard.press("Enter")  # does not press the button again
        settle(page)
        assert written(folder, server.pictures) == ["cross", "<b>n</b>", None, None, None, None]


def test_what_cannot_be_written_is_told_and_taken_back(browser, server, folder, monkeypatch):
    with page_of(browser, server.address) as page:
        page.keyboard.press("1")
        settle(page)
        (folder / "labels.csv").write_text("nonsense\n")
        page.keyboard.press("2")
        page.get_by_role("alert").get_by_text("Not written: ").wait_for()
        assert "labels.csv: expected the columns file,label" in page.get_by_role("alert").inner_text()
        counted(page, "1 of 6 labelled")
        assert page.locator("#grid button").nth(1).get_attribute("aria-current") == "true"
        assert (folder / "labels.csv").read_text() == "nonsense\n"
        (folder / "labels.csv").unlink()
        page.keyboard.press("2")
        settle(page)
        assert page.get_by_role("alert").inner_text() == ""
        assert written(folder, server.pictures)[1] == "2"


def heeding_interrupts() -> None:
    """In the new process: it does not ignore interrupts, even where the tests run in the background and do."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def command(*words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the address that it tells."""
    line = [sys.executable, "-m", "digits_edge.cli", "label", *map(str, words), "--no-browser"]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, preexec_fn=heeding_interrupts) as process:
        assert process.stderr is not None
        summary, address = process.stderr.readline(), process.stderr.readline()
        assert summary.endswith(" to do\n"), summary
        yield process, address.partition(" ")[0]
        process.kill()


def test_done_ends_the_command(browser, folder):
    with command(folder) as (process, address), page_of(browser, address) as page:
        page.keyboard.press("n")
        page.keyboard.press("4")
        page.locator("#done").click()
        page.locator("#end").get_by_text("You can close this page").wait_for()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert out == f"{folder / 'labels.csv'}: 1 labelled, 1 none of the classes, 4 to do\n"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
def test_an_interrupt_ends_it_as_well(folder):
    with command(folder) as (process, _):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert out.endswith(": 0 labelled, 0 none of the classes, 6 to do\n")


def test_a_full_disk_is_told(folder, monkeypatch):
    pictures = Pictures(folder, ("a", "b"), [Picture("a.png", Guess("a", 1.0, True, None), False)])
    pictures.label(0, "a")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        pictures.label(0, "b")
    assert read_labels(pictures.path) == {"a.png": "a"}

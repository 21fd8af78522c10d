"""The examples of embedding do what they say, as processes of their own."""

from __future__ import annotations

import http.client
import importlib
import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits_edge.runtime import Classifier

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A picture of a digit, and what the package's model reads in it."""
    classifier = Classifier.load()
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    digit = Image.fromarray(255 - classifier.contract.golden.pixels[0])
    digit.resize((140, 140), Image.Resampling.BILINEAR).save(path)
    label = classifier.labels[classifier.contract.golden.probabilities[0].argmax()]
    return path, label


def camera(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(EXAMPLES / "camera_folder.py"), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_camera_folder_is_read_once_with_a_line_for_each_picture(photo, tmp_path):
    path, label = photo
    shutil.copy(path, tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture, nor meant to be one")
    out, err = camera(tmp_path, "--once").communicate()
    bad, good = map(json.loads, out.splitlines())
    assert err == ""
    assert bad["path"] == str(tmp_path / "a.png")
    assert bad["error"].endswith("received bytes of no known picture format")
    assert (good["path"], good["label"], good["accepted"]) == (str(tmp_path / "b.png"), label, True)


def test_pictures_that_come_later_are_read_once_each(photo, tmp_path):
    path, label = photo
    with camera(tmp_path) as watching:
        assert watching.stdout is not None
        try:
            for name in ("b.png", "a.png", "c.png"):  # one after the other, whatever their order by name
                shutil.copy(path, tmp_path / name)
                line = json.loads(watching.stdout.readline())
                assert (line["path"], line["label"]) == (str(tmp_path / name), label)
        finally:
            watching.terminate()


def test_a_camera_folder_that_is_none_is_refused(tmp_path):
    process = camera(tmp_path / "none")
    assert "expected a folder" in process.communicate()[1]
    assert process.returncode == 2


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the endpoint listens."""
    command = [sys.executable, str(EXAMPLES / "http_endpoint.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline().rpartition(":")[2].partition("/")[0])
        server.terminate()


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def test_the_endpoint_answers_a_picture_with_json(port, photo):
    path, label = photo
    status, answer = ask(port, "POST", "/predict", path.read_bytes())
    assert status == 200
    assert (answer["label"], answer["accepted"], answer["reason"]) == (label, True, None)
    assert isinstance(answer["probabilities"], dict)
    assert answer["probabilities"][label] == pytest.approx(answer["score"])
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


def test_the_endpoint_says_what_is_wrong_with_a_picture(port):
    assert ask(port, "POST", "/predict", b"no picture") == (
        400,
        {"error": "picture bytes: expected a picture, received bytes of no known picture format"},
    )
    assert ask(port, "POST", "/predict", b"")[0] == 400


def test_the_endpoint_reads_no_body_that_is_too_large(port):
    assert ask(port, "POST", "/predict", None, Content_Length="20000001")[0] == 413
    assert ask(port, "POST", "/predict", None, Content_Length="9" * 30)[0] == 413
    assert ask(port, "POST", "/predict", None, Content_Length="-1")[0] == 411


def test_the_endpoint_tells_its_health_and_knows_no_other_place(port):
    status, answer = ask(port, "GET", "/health")
    assert (status, answer["passed"], answer["mismatches"]) == (200, True, 0)
    assert ask(port, "GET", "/predict")[0] == ask(port, "POST", "/health", b"")[0] == 404


def test_a_crowd_and_rude_clients_are_served_in_turn(port, photo):
    path, label = photo
    body = path.read_bytes()
    promise = b"POST /predict HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body)
    for sent in (b"", promise, promise + body[:10], promise + body):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # hang up at once
    with ThreadPoolExecutor(200) as crowd:
        answers = list(crowd.map(lambda _: ask(port, "POST", "/predict", body), range(400)))
    assert {(status, answer["label"]) for status, answer in answers} == {(200, label)}


@pytest.fixture
def server(monkeypatch):
    """The endpoint in this process, for a second a request; the port."""
    monkeypatch.syspath_prepend(EXAMPLES)
    http_endpoint = importlib.import_module("http_endpoint")
    monkeypatch.setattr(http_endpoint, "MAX_SECONDS", 1)
    monkeypatch.setattr(http_endpoint.Handler, "classifier", Classifier.load(), raising=False)
    with http_endpoint.Server(0) as endpoint:
        serving = threading.Thread(target=endpoint.serve_forever, args=(0.01,))
        serving.start()
        yield endpoint
        endpoint.shutdown()
        serving.join()


def test_the_endpoint_hangs_up_on_clients_that_are_too_slow(server, capfd):
    slow = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(20)]  # more than threads
    for client in slow:
        client.sendall(b"POST /predict HTTP/1.0\r\nContent-Length: 100\r\n")
    assert ask(server.server_port, "GET", "/health")[0] == 200
    for client in slow:
        assert client.recv(100) == b""
        client.close()
    assert capfd.readouterr().err == ""


def test_the_endpoint_says_that_pillow_is_missing(server, monkeypatch, photo):
    monkeypatch.setitem(sys.modules, "PIL", None)
    status, answer = ask(server.server_port, "POST", "/predict", photo[0].read_bytes())
    assert status == 501
    assert "pip install" in str(answer["error"])


def test_blank_paper_has_no_label_there_either(port, tmp_path):
    Image.fromarray(np.full((40, 40), 240, np.uint8)).save(tmp_path / "blank.webp")
    status, answer = ask(port, "POST", "/predict", (tmp_path / "blank.webp").read_bytes())
    assert (status, answer["label"], answer["reason"]) == (200, None, "no ink")


def test_the_fields_of_a_form_become_a_row(tmp_path):
    golden = Classifier.load().contract.golden
    labels = golden.probabilities.argmax(axis=1)
    page = np.full((300, 400), 225, np.uint8)
    for top, digits in ((20, golden.pixels[:3]), (170, golden.pixels[3:5])):
        ink = np.asarray(Image.fromarray(np.concatenate(list(digits), axis=1)).resize((len(digits) * 84, 84)))
        page[top : top + 84, 30 : 30 + ink.shape[1]] -= (ink * 0.7).astype(np.uint8)
    Image.fromarray(page).save(tmp_path / "scan.png")
    boxes = {"first": {"box": [10, 5, 300, 120], "digits": 3}, "second": {"box": [10, 150, 250, 270]}}
    boxes["empty"] = {"box": [300, 150, 390, 290]}
    (tmp_path / "fields.json").write_text(json.dumps(boxes))
    command = [sys.executable, str(EXAMPLES / "form_fields.py"), str(tmp_path / "fields.json"), "scan.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    first, second = ("".join(map(str, some)) for some in (labels[:3], labels[3:5]))
    assert done.stdout.splitlines() == ["file,first,second,empty", f"scan.png,{first},{second},"]
    assert done.stderr == "scan.png: empty: no ink, perhaps ''\n"

"""The C of a camera and of a touch panel: the runtime's pixels, refusals of wrong arguments, nothing undefined."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from networks import STRICT, random_network, released, sources_of
from strokes import STROKES, Point

from digits_edge.export.codegen.c.compiled import Compiler
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.runtime.picture.resize import resize
from digits_edge.runtime.picture.stroke_width import stroke_width

Pixels = npt.NDArray[np.uint8]

COMPILER = Compiler.find()
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here: cc, gcc or clang")

DRIVER = Path(__file__).parent / "camera.c"
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FINDING = np.dtype([("found", "<i4"), ("pixels", "u1", (28, 28)), ("box", "<i2", 4), ("ink", "u1"), ("several", "u1")])
ANSWER = np.dtype([("label", "<i2"), ("accepted", "u1"), ("percent", "u1")])
PEN_UP = (-(2**15), 0)
NEAR = 2  # grey levels


class Camera(NamedTuple):
    """The C, compiled under sanitizers."""

    program: Path

    def run(self, given: bytes) -> bytes:
        done = subprocess.run([self.program], input=given, capture_output=True, timeout=500)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def find(self, frames: Sequence[Pixels], more: int = 0) -> npt.NDArray[np.void]:
        """Findings of pictures whose rows are so many bytes longer than what is seen of them."""
        return np.frombuffer(self.run(b"".join(asked(frame, more) for frame in frames)), FINDING)

    def draw(self, strokes: Sequence[Sequence[Point]]) -> tuple[int, Pixels]:
        points = [point for stroke in strokes for point in (*stroke, PEN_UP)]
        return self.draw_points(np.array(points, np.int16).reshape(-1, 2))

    def draw_points(self, points: npt.NDArray[np.int16]) -> tuple[int, Pixels]:
        said = self.run(b"d" + head(len(points), 0, 0) + points.tobytes())
        return int(np.frombuffer(said[:4], np.int32)[0]), np.frombuffer(said[4:], np.uint8).reshape(28, 28)

    def read(self, frame: Pixels, boxes: Sequence[tuple[int, int, int, int]]) -> tuple[int, npt.NDArray[np.void]]:
        height, width = frame.shape
        said = self.run(b"r" + head(width, height, len(boxes)) + frame.tobytes() + np.array(boxes, np.int16).tobytes())
        return int(np.frombuffer(said[:4], np.int32)[0]), np.frombuffer(said[4:], ANSWER)[: len(boxes)]


def head(*numbers: int) -> bytes:
    return np.array(numbers, np.int32).tobytes()


def asked(frame: Pixels, more: int) -> bytes:
    height, width = frame.shape
    rows = np.pad(frame, ((0, 0), (0, more)), constant_values=77).tobytes()
    return b"f" + head(width, height, width + more) + rows[: len(rows) - more]


def compiled(network, folder: Path, flags: Sequence[str]) -> Path:
    for name, text in sources_of(network).files.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert COMPILER is not None
    program = folder / "camera"
    words = [*COMPILER.command, *STRICT, *flags, "-I.", "-o", program, DRIVER, "model.c", "model_camera.c"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return program


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> Camera:
    network = read_network(released("micro"))
    return Camera(compiled(network, tmp_path_factory.mktemp("camera"), SANITIZED))


@pytest.fixture(scope="module")
def reader() -> Classifier:
    return Classifier.load(Path(__file__).parents[2] / "artifacts" / "micro")


def on_paper(digit: Pixels, height: int, width: int, side: int, top: int, left: int) -> npt.NDArray[np.float64]:
    """Light from 0 to 1 of paper with a digit of `side` pixels, ink where light is missing."""
    lit = np.ones((height, width))
    lit[top : top + side, left : left + side] -= 0.7 * resize(digit.astype(np.float32) / np.float32(255), side, side)
    return lit


def seen(light: npt.NDArray[np.float64], paper: float = 205, grain: float = 2.0) -> Pixels:
    noise = np.random.default_rng(3).normal(0, grain, light.shape)
    return np.clip(np.rint(light * paper + noise), 0, 255).astype(np.uint8)


def shaded(light: npt.NDArray[np.float64]) -> Pixels:
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] / max(light.shape)
    return seen(light * (1 - 0.5 * x) * np.where(x + y > 0.9, 0.6, 1))


def ruled(light: npt.NDArray[np.float64]) -> Pixels:
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return seen(light * np.where(((y + x // 40) % 24 < 1) | (x % 24 < 1), 0.75, 1))


def on_a_table(light: npt.NDArray[np.float64]) -> Pixels:
    frame = seen(light)
    frame[:, :20] = 25
    return frame


PICTURES: dict[str, Callable[[Pixels, Pixels], Pixels]] = {
    "paper": lambda one, _: seen(on_paper(one, 120, 160, 90, 12, 30)),
    "tall": lambda one, _: seen(on_paper(one, 160, 120, 90, 30, 12)),
    "shadow": lambda one, _: shaded(on_paper(one, 120, 160, 90, 12, 30)),
    "lines": lambda one, _: ruled(on_paper(one, 120, 160, 90, 12, 30)),
    "margin": lambda one, _: on_a_table(on_paper(one, 120, 160, 80, 12, 60)),
    "inverted": lambda one, _: 255 - seen(on_paper(one, 120, 160, 90, 12, 30)),
    "one shade": lambda one, _: seen(on_paper(one, 120, 160, 90, 12, 30), paper=230, grain=0),
    "faint": lambda one, _: seen(0.8 + 0.2 * on_paper(one, 120, 160, 90, 12, 30), grain=1),
    "two digits": lambda one, other: seen(
        on_paper(one, 120, 160, 70, 20, 5) + on_paper(other, 120, 160, 70, 20, 80) - 1
    ),
    "large": lambda one, _: seen(on_paper(one, 240, 320, 200, 20, 60)),
    "far away": lambda one, _: seen(on_paper(one, 240, 320, 70, 20, 180)),
    "small": lambda one, _: seen(on_paper(one, 40, 40, 34, 3, 3), grain=1),
    "tiny": lambda one, _: seen(on_paper(one, 16, 16, 16, 0, 0), grain=0),
    "a strip": lambda one, _: seen(on_paper(one, 60, 320, 50, 5, 200)),
    "MNIST": lambda one, _: one,
}


@pytest.mark.parametrize("name", PICTURES)
def test_it_finds_the_runtimes_pixels(name, camera, reader, digits):
    some = digits.pixels[::80]
    frames = [PICTURES[name](one, other) for one, other in zip(some, some[::-1], strict=True)]
    theirs = [find_digit(frame) for frame in frames]
    ours = camera.find(frames)
    assert ours["ink"].tolist() == ours["found"].tolist() == [found.pixels is not None for found in theirs]
    assert ours["several"].tolist() == [found.several for found in theirs]
    inked = ours["ink"] > 0
    assert inked.mean() > 0.9
    pixels = np.stack([found.pixels for found in theirs if found.pixels is not None])
    near = (np.abs(pixels.astype(int) - ours["pixels"][inked]) <= NEAR).mean(axis=(1, 2))
    assert near.mean() >= 0.97
    assert (near >= 0.99).mean() >= 0.8  # of the rest a threshold fell on the other side of a value
    labels = [reader.predict_proba(found).argmax(axis=1) for found in (pixels, ours["pixels"][inked])]
    assert (labels[0] == labels[1]).mean() >= 0.95
    assert (ours["several"].mean() > 0.5) == (name == "two digits")


def test_the_box_is_around_the_digit(camera, digits):
    for frame, corner, side in (
        (PICTURES["paper"](digits.pixels[0], digits.pixels[0]), (30, 12), 90),
        (PICTURES["far away"](digits.pixels[0], digits.pixels[0]), (180, 20), 70),
        (PICTURES["small"](digits.pixels[0], digits.pixels[0]), (3, 3), 34),
    ):
        rows, columns = np.nonzero(resize(digits.pixels[0].astype(np.float32), side, side) > 60)
        expected = (corner[0] + columns.min(), corner[1] + rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert np.abs(camera.find([frame])["box"][0] - np.array(expected)).max() <= 0.06 * side


@pytest.mark.parametrize("grain", [0.0, 3.0])
def test_paper_without_ink_has_no_digit(grain, camera):
    found = camera.find([seen(np.ones((120, 160)), grain=grain), np.full((240, 320), 128, np.uint8)])
    assert not found["ink"].any()
    assert not found["pixels"].any()


def test_rows_may_be_longer_than_what_is_seen_of_them(camera, digits):
    frames = [PICTURES[name](digits.pixels[7], digits.pixels[8]) for name in ("paper", "large", "small", "MNIST")]
    np.testing.assert_array_equal(camera.find(frames), camera.find(frames, more=5))


def test_wrong_arguments_are_refused(camera):
    assert camera.run(b"w") == head(0)


def hostile(random: np.random.Generator) -> Pixels:
    """Frames that no camera takes: noise, blocks, spirals, combs, specks, gradients with bars."""
    height, width = random.integers(8, random.choice([50, 321]), 2)
    y, x = np.mgrid[:height, :width]
    step = int(random.integers(2, 9))
    around = np.hypot(y - height / 2, x - width / 2) + random.integers(1, 6) * np.arctan2(y - height / 2, x - width / 2)
    comb = (
        (x % step == 0)
        | ((y == 0) & (x % (2 * step) <= step))
        | ((y == height - 1) & ((x + step) % (2 * step) <= step))
    )
    bars = 200 - 150 * ((y + x // 9) % (3 * step) < 2) - 80 * ((x + y // 7) % (2 * step) < 1)
    kinds = (
        random.integers(0, 256, (height, width)),
        np.full((height, width), random.integers(0, 256)),
        255 * (random.random((height, width)) < random.random()),
        random.integers(0, 256, (41, 41))[y // 8, x // 8],
        255 * (around % step < step / 2),
        255 * comb,
        bars,
        random.uniform(-1, 1) * y + random.uniform(-1, 1) * x + random.normal(100, 20, (height, width)),
    )
    return np.clip(kinds[random.integers(len(kinds))], 0, 255).astype(np.uint8)


def test_nothing_is_undefined_for_any_frame(camera):
    random = np.random.default_rng(5)
    found = camera.find([hostile(random) for _ in range(120)])
    assert set(found["found"].tolist()) == {0, 1}


def test_a_row_of_boxes_is_read_box_by_box(camera, digits):
    frame = np.ones((120, 320))
    for place, index in enumerate((3, 500, 1000)):
        frame[30:90, 10 + 100 * place : 70 + 100 * place] = on_paper(digits.pixels[index], 60, 60, 60, 0, 0)
    boxes = [(5, 20, 70, 80), (105, 20, 70, 80), (205, 20, 70, 80), (280, 20, 38, 90)]
    count, answers = camera.read(seen(frame), boxes)
    assert count == 3
    assert answers["label"].tolist() == [*(int(digits.labels[digits.targets[i]]) for i in (3, 500, 1000)), -1]
    assert answers["accepted"].tolist() == [1, 1, 1, 0]
    assert (answers["percent"][:3] > 60).all()


def test_answers_are_accepted_as_the_runtime_does(camera):
    random = np.random.default_rng(8)
    logits = np.clip(np.rint(random.normal(0, random.uniform(1, 60, (3000, 1)), (3000, 10))), -128, 127).astype(np.int8)
    said = np.frombuffer(camera.run(b"".join(b"j" + row.tobytes() for row in logits)), np.int32).reshape(-1, 2)
    shares = np.exp(0.1 * (logits - logits.max(axis=1, keepdims=True).astype(int)))  # sources_of has steps of 0.1
    probabilities = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    best_two = np.sort(probabilities, axis=1)[:, -2:]
    expected = (best_two[:, 1] >= 0.5) & (best_two.sum(axis=1) >= 0.5)
    assert 0.1 < expected.mean() < 0.9
    assert (said[:, 0] == expected).mean() >= 0.999
    assert np.abs(said[:, 1] - 100 * best_two[:, 1]).max() < 0.6


@pytest.mark.parametrize("digit", STROKES)
@pytest.mark.parametrize("panel", [60, 240, 30_000])
def test_strokes_are_drawn_as_mnist_has_them(digit, panel, camera, reader):
    strokes = [[(panel * x, panel * y) for x, y in stroke] for stroke in STROKES[digit]]
    drawn, pixels = camera.draw(strokes)
    rows, columns = np.nonzero(pixels)
    assert drawn == 1
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert np.abs([(pixels.sum(axis=1 - k) * np.arange(28)).sum() / pixels.sum() - 13.5 for k in (0, 1)]).max() <= 0.55
    assert 2.3 <= stroke_width(pixels > 127) <= 3.7  # MNIST's are 3.0 wide
    answer = reader.predict(pixels)
    assert (answer.label, answer.accepted) == (digit, True)


def test_a_dot_is_drawn_and_nothing_is_drawn_of_no_points(camera):
    drawn, pixels = camera.draw([[(7, 7)]])
    assert drawn == 1
    assert 4 <= (pixels > 127).sum() <= 12
    for points in (np.zeros((0, 2), np.int16), np.array([PEN_UP, PEN_UP], np.int16)):
        drawn, pixels = camera.draw_points(points)
        assert drawn == 0
        assert not pixels.any()


def test_any_points_are_drawn(camera):
    random = np.random.default_rng(2)
    for count in (1, 2, 3, 40):
        drawn, pixels = camera.draw_points(random.integers(-(2**15), 2**15, (count, 2)).astype(np.int16))
        assert drawn in (0, 1)
        assert pixels.max() == 255 * drawn


def test_other_networks_have_no_camera():
    assert not [name for name in sources_of(random_network(0)[0]).files if "camera" in name]

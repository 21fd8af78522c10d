"""The page's scripts read the same numbers as the runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from written_numbers import Digits, number

from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.codegen.web.engine import model_of
from digits_edge.export.codegen.web.page import scripts
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.runtime import Classifier, Reading
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.numbers import answer, frames, lattice, lines, read, seams, tilt
from digits_edge.runtime.picture.connected_components import components

py_mini_racer = pytest.importorskip("py_mini_racer", reason="runs the page's JavaScript: pip install mini-racer")

RELEASED: Final = Path(__file__).parents[2] / "artifacts" / "micro"
KINDS: Final = ({"gap": 0.15}, {"gap": 0.0}, {"gap": -0.05}, {"gap": 0.1, "signs": 0.3}, {"gap": 0.1, "cheque": True})
GLUE: Final = """
const infer = openEngine(MODEL.engine);
const boundaries = openSeams(MODEL.seams);
const image = (text, height, width) => {
  const data = Uint8Array.from({ length: text.length }, (_, place) => text.charCodeAt(place));
  return { data, height, width, channels: 1 };
};
const withoutPixels = (key, value) => (key === "pixels" || key === "probabilities" ? undefined : value);
const numbersIn = (...picture) => {
  const classify = (pixels) => probabilities(infer(pixels), MODEL.output);
  const reading = readNumbers(image(...picture), classify, boundaries, MODEL);
  return JSON.stringify(reading, withoutPixels);
};
"""
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Page:
    """The scripts, loaded, with the model."""

    context: Any

    def evaluate(self, code: str) -> Any:
        return json.loads(self.context.eval(f"JSON.stringify({code})"))

    def read(self, picture: Pixels) -> dict[str, Any]:
        return dict(json.loads(self.context.call("numbersIn", picture.tobytes().decode("latin1"), *picture.shape)))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    bundle = Bundle.open(RELEASED)
    data = bundle.read("model.int8.tflite")
    model = model_of(read_network(data), bundle.contract(), TfliteModel.load(data, "micro").spec.output, {})
    with py_mini_racer.MiniRacer() as context:
        context.eval(f'"use strict";\n{scripts()}\nconst MODEL = {json.dumps(model)};\n{GLUE}')
        yield Page(context)


@pytest.fixture(scope="module")
def reader() -> Classifier:
    """The released model's int8 ONNX, of the same network as the page's int8 TFLite."""
    return Classifier.load(RELEASED)


def boxes(reading: Reading) -> list[tuple[int, ...]]:
    return [*(digit.box for digit in reading.digits), *reading.left_out]


def page_boxes(read: dict[str, Any]) -> list[tuple[int, ...]]:
    digits = (digit for line in read["lines"] for number in line for digit in number["digits"])
    found = [*(digit["box"] for digit in digits), *read["leftOut"]]
    return [(box["left"], box["top"], box["right"], box["bottom"]) for box in found]


def test_numbers_are_read_as_the_runtime_reads_them(page, reader, digits):
    rng, made, differ, otherwise, placed = np.random.default_rng(0), 200, [], 0, 0
    drawn = Digits(digits.pixels, [str(target) for target in digits.targets])
    for index in range(made):
        picture, text = number(rng, drawn, int(rng.integers(1, 8)), **KINDS[index % len(KINDS)])
        ours, theirs = reader.read(picture), page.read(picture)
        if theirs["text"] != ours.text:
            differ.append(f"{text}: {ours.text}, the page {theirs['text']}")
        otherwise += theirs["accepted"] != ours.accepted
        placed += page_boxes(theirs) == boxes(ours)
    print(f"of {made} numbers {len(differ)} have another text, {otherwise} are accepted otherwise:", *differ, sep="\n")
    assert len(differ) <= 0.05 * made
    assert otherwise <= 0.06 * made
    assert placed >= 0.8 * made


def on_a_larger_sheet(picture: Pixels, *widths: tuple[int, int]) -> Pixels:
    return np.pad(picture, widths, constant_values=int(np.median(picture)))


def slanted(picture: Pixels) -> Pixels:
    """Each column lower than the one before."""
    fall = np.arange(picture.shape[1]) // 5
    framed = on_a_larger_sheet(picture, (10, 10 + int(fall[-1])), (0, 0))
    return np.stack([np.roll(framed[:, column], by) for column, by in enumerate(fall)], axis=1)


def in_a_box(picture: Pixels) -> Pixels:
    framed = on_a_larger_sheet(picture, (12, 12), (12, 12))
    framed[8:11, 8:-8] = framed[-11:-8, 8:-8] = 40
    framed[8:-8, 8:11] = framed[8:-8, -11:-8] = 40
    return framed


PICTURES: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "two lines": lambda picture: np.concatenate([picture, picture]),
    "a printed box": in_a_box,
    "a slanted line": slanted,
    "light on dark": lambda picture: 255 - picture,
    "small in a large picture": lambda picture: on_a_larger_sheet(picture, (500, 500), (500, 500)),
    "no ink": lambda picture: np.full((90, 200), 200, np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_lines_frames_and_slants_are_found_as_in_the_runtime(name, page, reader, digits):
    drawn = Digits(digits.pixels, [str(target) for target in digits.targets])
    picture = PICTURES[name](number(np.random.default_rng(4), drawn, 4, 0.3)[0])
    ours, theirs = reader.read(picture), page.read(picture)
    assert (theirs["text"], theirs["accepted"], theirs["reason"]) == (ours.text, ours.accepted, ours.reason)
    np.testing.assert_allclose(page_boxes(theirs), boxes(ours), atol=2)  # a cut may be a pixel beside
    assert bool(ours.text) == (name != "no ink")


@pytest.mark.parametrize(
    ("table", "module"),
    [
        ("FRAMES", frames),
        ("WRITING", lines),
        ("SEAMS", seams),
        ("LATTICE", lattice),
        ("ANSWER", answer),
        ("READ", read),
    ],
)
def test_constants_are_pythons(table: str, module: ModuleType, page):
    constants = page.evaluate(table)
    assert constants == {name: np.array(getattr(module, name)).tolist() for name in constants}
    numeric = {name for name, value in vars(module).items() if name.isupper() and not isinstance(value, str)}
    assert len(constants) >= len(numeric) - 2  # without those of other modules, and of a number of digits that is given


def test_a_picture_is_turned_bit_for_bit_as_in_the_runtime(page):
    ink = np.random.default_rng(1).random((30, 41), np.float32)
    for slope in (0.2, -0.15):
        given = f"{{ data: new Float32Array({ink.ravel().tolist()}), height: 30, width: 41 }}"
        height, width, data = page.evaluate(f"((t) => [t.height, t.width, [...t.data]])(turned({given}, {slope}))")
        np.testing.assert_array_equal(np.array(data, np.float32).reshape(height, width), tilt.turned(ink, slope))


def test_components_are_numbered_alike(page):
    mask = np.random.default_rng(2).random((20, 31)) < 0.4
    given = f"{{ data: new Uint8Array({mask.astype(int).ravel().tolist()}), height: 20, width: 31 }}"
    theirs = page.evaluate(f"[...components({given}, {{}}).numbers()]")
    np.testing.assert_array_equal(theirs, components(mask).numbers().ravel() + 1)

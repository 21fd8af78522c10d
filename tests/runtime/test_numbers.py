"""Numbers are read: digits apart and touching, in lines, boxes and columns, with signs beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from digits_edge.runtime import Classifier, UsageError
from digits_edge.runtime.numbers.explain import draw_reading
from digits_edge.runtime.numbers.read import read_numbers
from digits_edge.runtime.picture.resize import resize

Ink = npt.NDArray[np.float32]  # from 0 to 1


@pytest.fixture(scope="module")
def default() -> Classifier:
    return Classifier.load()


@pytest.fixture(scope="module")
def shapes(digits, default) -> list[Ink]:
    """The surest picture of each class, cut out."""
    probabilities = default.predict_proba(digits.pixels)
    rows = [int(np.argmax(probabilities[:, label] * (digits.targets == label))) for label in range(10)]
    return [cut_out(digits.pixels[row] / np.float32(255)) for row in rows]


def cut_out(ink: Ink) -> Ink:
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def written(shapes: Sequence[Ink], text: str, tall: int = 40, gap: float = 0.2) -> Ink:
    """A line of digits; the gap between two is a share of their height, a space is a gap as wide as two digits."""
    line, space = np.zeros((tall, tall), np.float32), 0
    for character in text:
        if character == " ":
            space = 2 * tall
            continue
        shape = shapes[int(character)]
        digit = resize(shape, tall, max(3, shape.shape[1] * tall // shape.shape[0]))
        filled = np.flatnonzero((line > 0.3).any(axis=0))
        left = max(0, (filled[-1] + 1 if filled.size else 0) + round(gap * tall) + space)
        space = 0
        line = np.pad(line, ((0, 0), (0, max(0, left + digit.shape[1] - line.shape[1]))))
        np.maximum(line[:, left : left + digit.shape[1]], digit, out=line[:, left : left + digit.shape[1]])
    return line


def on_paper(ink: Ink, margin: int = 25, light: float = 210, contrast: float = 0.6) -> npt.NDArray[np.uint8]:
    ink = np.pad(ink, margin)
    shade = light - 40 * np.linspace(0, 1, ink.shape[1]) + np.random.default_rng(0).normal(0, 2, ink.shape)
    return (shade * (1 - contrast * ink)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("tall", [14, 22, 40, 90, 200])
@pytest.mark.parametrize("text", ["7", "75013", "0269481"])
def test_digits_apart_are_read_at_any_size(default, shapes, tall, text):
    assert default.read(on_paper(written(shapes, text, tall))).text == text


def test_what_is_read_comes_with_boxes_and_scores(default, shapes):
    reading = default.read(on_paper(written(shapes, "408 15")))
    assert reading.text == "408 15"
    assert reading.accepted
    assert [number.text for number in reading.numbers] == ["408", "15"]
    assert "".join(digit.label for digit in reading.digits) == "40815"
    assert all(0.5 < number.score <= 1 for number in reading.numbers)
    lefts = [digit.box.left for digit in reading.digits]
    assert lefts == sorted(lefts)
    first = reading.digits[0].box
    assert (first.left, first.top) == pytest.approx((25 + 8, 25), abs=3)
    assert first.bottom == pytest.approx(25 + 40, abs=3)
    assert reading.numbers[0].box.right == reading.digits[2].box.right


def test_boxes_are_in_pixels_of_the_given_picture_even_if_it_was_shrunk(default, shapes):
    ink = on_paper(written(shapes, "62", tall=300), margin=200)
    large = np.kron(ink, np.ones((4, 4), np.uint8))  # over 2,000 pixels wide, so it is shrunk before it is searched
    box, larger = (default.read(picture).numbers[0].box for picture in (ink, large))
    assert np.array(larger) == pytest.approx(4 * np.array(box), abs=16)


@pytest.mark.parametrize("text", ["00", "55", "26", "703"])
def test_touching_digits_are_divided(default, shapes, text):
    ink = written(shapes, text, gap=-0.03)
    assert default.read(on_paper(ink)).text == text


def test_the_number_of_digits_helps(default, shapes):
    picture = on_paper(written(shapes, "1188", gap=0.1))
    assert default.read(picture, digits=4).text == "1188"
    for count in (2, 3):  # as many as were asked for, or nothing
        assert len(default.read(picture, digits=count).digits) in (0, count)


def test_lines_are_apart_by_a_line_break(default, shapes):
    first, second = written(shapes, "314"), written(shapes, "2796")
    page = np.zeros((120, max(first.shape[1], second.shape[1])), np.float32)
    page[:40, : first.shape[1]] = first
    page[80:, : second.shape[1]] = second
    assert default.read(on_paper(page)).text == "314\n2796"


@pytest.mark.parametrize("slope", [-0.3, 0.25])
def test_slanted_lines_are_read_and_boxes_lie_on_the_digits(default, shapes, slope):
    ink = written(shapes, "46207")
    angle = float(np.degrees(np.arctan(slope)))
    picture = Image.fromarray(on_paper(ink, 60)).rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=190)
    reading = default.read(picture)
    assert reading.text == "46207"
    tops = np.array([digit.box.top for digit in reading.digits])
    assert np.sign(tops[-1] - tops[0]) == np.sign(slope)


def test_printed_boxes_are_taken_off(default, shapes):
    ink = np.zeros((70, 5 * 62 + 2), np.float32)
    for place, label in enumerate("90127"):
        shape = shapes[int(label)]
        digit = resize(shape, 40, max(3, shape.shape[1] * 40 // shape.shape[0]))
        left = 62 * place + (62 - digit.shape[1]) // 2
        ink[15:55, left : left + digit.shape[1]] = digit
    ink[:2] = ink[-2:] = 0.9
    for place in range(6):
        ink[:, 62 * place : 62 * place + 2] = 0.9
    assert default.read(on_paper(ink)).text == "90127"


def test_ruled_lines_and_a_dark_margin_are_no_digits(default, shapes):
    picture = on_paper(written(shapes, "385"), margin=50)
    picture[20::35] = picture[20::35] // 2
    picture[:, :25] = 30
    assert default.read(picture).text == "385"


def test_signs_are_left_out_and_said(default, shapes):
    ink = written(shapes, "1 52", gap=0.3)
    left = int(np.flatnonzero((ink > 0.3).any(axis=0))[0]) + 20
    tall = len(ink)
    ink[tall // 2 - 2 : tall // 2 + 2, left + 10 : left + 34] = 1  # a dash between the numbers
    reading = default.read(on_paper(ink))
    assert reading.text.replace(" ", "") == "152"
    ((dash_left, top, right, bottom),) = reading.left_out
    assert (dash_left, top) == pytest.approx((25 + left + 10, 25 + tall // 2 - 2), abs=3)
    assert (right, bottom) == pytest.approx((25 + left + 34, 25 + tall // 2 + 2), abs=3)


def test_light_ink_on_dark_paper(default, shapes):
    assert default.read(255 - on_paper(written(shapes, "6194"))).text == "6194"


def test_paper_without_ink_says_so(default):
    reading = default.read(np.full((60, 200), 200, np.uint8))
    assert (reading.text, reading.numbers, reading.accepted, reading.reason) == ("", (), False, "no ink")


def test_a_drawing_is_not_accepted(default):
    picture = np.full((200, 300), 220, np.uint8)
    y, x = np.mgrid[:200, :300]
    for row in (40, 100, 160):
        for column in (50, 150, 250):  # rings with crosses in them
            away = np.hypot(y - row, x - column)
            picture[(np.abs(away - 24) < 3) | ((away < 24) & (np.abs(np.abs(y - row) - np.abs(x - column)) < 3))] = 40
    assert not default.read(picture).accepted


@pytest.mark.parametrize("digits", [0, -1, 51, True])
def test_a_wrong_number_of_digits_is_named(default, digits):
    with pytest.raises(UsageError, match="digits: expected a number from 1 to 50"):
        default.read(np.zeros((28, 28), np.uint8), digits=digits)


def test_a_model_for_whole_pictures_is_named(default):
    with pytest.raises(UsageError, match="received one of 28 x 28 for pictures as a whole"):
        read_numbers(
            np.zeros((40, 40), np.uint8), default.predict_proba, replace(default.contract, preprocess="resize"), None
        )


def test_the_drawing_shows_boxes_and_text(default, shapes):
    picture = on_paper(written(shapes, "27"))
    drawn = np.asarray(draw_reading(picture, default.read(picture)))
    assert drawn.shape[0] > picture.shape[0]
    coloured = np.abs(drawn[: picture.shape[0]].astype(int) - picture[..., None]).max(axis=2) > 60
    box = default.read(picture).digits[0].box
    assert coloured[box.top : box.bottom, box.left].mean() > 0.9

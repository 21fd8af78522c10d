"""A digit is found on any paper, and what is no digit is refused; read with the package's own model."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.background import find_ink
from digits_edge.runtime.picture.connected_components import components
from digits_edge.runtime.picture.explain import explain
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.runtime.picture.median import median
from digits_edge.runtime.picture.resize import resize
from digits_edge.runtime.picture.ruled_lines import without_lines
from digits_edge.runtime.picture.stroke_width import evened, stroke_width

Page = npt.NDArray[np.float64]  # ink from 0 to 1, [300, 240]
HEIGHT, WIDTH = 300, 240


@pytest.fixture(scope="module")
def default() -> Classifier:
    return Classifier.load()


def page(digit: npt.NDArray[np.uint8], size: int = 110, top: int = 80, left: int = 60) -> Page:
    """A digit's ink on an empty page, so many pixels high."""
    ink = np.zeros((HEIGHT, WIDTH))
    ink[top : top + size, left : left + size] = resize(digit.astype(np.float32), size, size) / 255
    return ink


def photographed(ink: Page, light: float | npt.NDArray[np.float64] = 200.0, contrast: Any = 0.6, grain: float = 2.0):
    """Dark ink on paper in this light: uint8[H, W]."""
    noise = np.random.default_rng(0).normal(0, grain, ink.shape)
    return np.clip(light * (1 - contrast * ink) + noise, 0, 255).astype(np.uint8)


def shade() -> npt.NDArray[np.float64]:
    """A vignette, with a shadow over a corner."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    light: npt.NDArray[np.float64] = (190 - 70 * (x**2 + y**2) / 2) * (1 - 0.35 / (1 + np.exp(-12 * (x + y - 0.9))))
    return light


def ruled(ink: npt.NDArray[Any], squared: bool) -> npt.NDArray[Any]:
    lined = ink.copy()
    for row in range(18, HEIGHT, 37):
        lined[row : row + 2] = np.maximum(lined[row : row + 2], 0.5)
    if squared:
        for column in range(11, WIDTH, 37):
            lined[:, column : column + 2] = np.maximum(lined[:, column : column + 2], 0.5)
    return lined


def crowded(ink: Page) -> Page:
    """Specks, and a neighbour's strokes that the border cuts off."""
    busy = ink.copy()
    for row, column in np.random.default_rng(1).integers(5, 230, (12, 2)):
        busy[row : row + 2, column : column + 2] = 0.7
    busy[60:200, WIDTH - 6 :] = 1
    busy[:8, 20:90] = 1
    return busy


def on_a_table(ink: Page):
    picture = photographed(ink)
    picture[:40], picture[:, :20] = 35, 30
    return picture


def marker(digit: npt.NDArray[np.uint8]):
    """Broad strokes of one colour that fill the frame."""
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    box = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    height, width = HEIGHT - 12, min(WIDTH - 12, (HEIGHT - 12) * box.shape[1] // box.shape[0])
    ink = np.zeros((HEIGHT, WIDTH))
    left = (WIDTH - width) // 2
    ink[6 : 6 + height, left : left + width] = resize(box, height, width) / 255
    return photographed(ndimage.grey_erosion(ink, 9), shade())


def in_yellow(grey: npt.NDArray[np.uint8]):
    """Yellow ink on grey paper, which luma hardly tells apart."""
    return np.stack([np.full_like(grey, 205), np.full_like(grey, 200), grey], axis=-1)


def with_margins(ink: Page):
    """Paper whose edges lie on something dark, one of them slanted."""
    picture = photographed(ink, shade(), 0.4)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture[(x < 12 + y / 40) | (y > HEIGHT - 20)] = 25
    return picture


def faded(ink: Page):
    """Strokes that are four times as strong at one end."""
    return photographed(ink, shade(), 0.1 + 0.3 * np.linspace(0, 1, HEIGHT)[:, None], 1.0)


def broken(ink: Page) -> Page:
    """Strokes with gaps in them."""
    gaps = ink.copy()
    gaps[130:133] = 0
    gaps[:, 110:112] = 0
    return gaps


PAPERS: dict[str, Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]] = {
    "even light": lambda d: photographed(page(d)),
    "light on dark": lambda d: 255 - photographed(page(d)),
    "vignette and shadow": lambda d: photographed(page(d), shade()),
    "faint pencil": lambda d: photographed(page(d), shade(), contrast=0.16, grain=1.0),
    "thick marker": lambda d: photographed(ndimage.grey_dilation(page(d), 7)),
    "fine pen": lambda d: photographed(ndimage.grey_erosion(page(d), 5)),
    "ruled paper": lambda d: photographed(ruled(page(d), squared=False)),
    "squared paper": lambda d: photographed(ruled(page(d), squared=True)),
    "specks and neighbours": lambda d: photographed(crowded(page(d))),
    "the edge of a dark table": lambda d: on_a_table(page(d)),
    "a marker that fills the frame": marker,
    "yellow ink": lambda d: in_yellow(photographed(page(d), shade(), 0.3, 0.5)),
    "dark margins": lambda d: with_margins(page(d)),
    "faded strokes": lambda d: faded(page(d, 200, 50, 20)),
    "broken strokes": lambda d: photographed(broken(page(d))),
    "small and off-centre": lambda d: photographed(page(d, 44, 240, 8)),
    "small in a large picture": lambda d: np.pad(photographed(page(d), 200.0, grain=0), 500, constant_values=200),
    "16 x 16 that fill the frame": lambda d: (resize(trimmed(d), 16, 16) > 110).astype(np.uint8) * np.uint8(255),
    "8 x 8": lambda d: resize(trimmed(d), 8, 8).astype(np.uint8),
    "a mouse drawing": lambda d: 255 - np.pad(drawn_fine(d), 4),
}


def trimmed(digit: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    width = max(len(columns), 14)  # a 1 is not made as wide as it is high
    middle = int(columns.mean())
    left = max(0, middle - width // 2)
    return digit[rows[0] : rows[-1] + 1, left : left + width].astype(np.float32)


def drawn_fine(digit: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle of the strokes alone, a pixel or two wide."""
    return np.where(digit >= ndimage.maximum_filter(digit, (1, 3)) * 0.98, digit, 0) // 128 * np.uint8(255)


@pytest.mark.parametrize("paper", PAPERS)
def test_digits_are_read_on(paper, default, digits):
    chosen = digits.pixels[::40], digits.targets[::40]
    answers = default.predict_many([PAPERS[paper](digit) for digit in chosen[0]])
    right = [answer.label == str(target) for answer, target in zip(answers, chosen[1], strict=True)]
    assert len(right) == 50
    assert np.mean(right) >= (0.9 if paper in ("8 x 8", "a mouse drawing", "a marker that fills the frame") else 0.96)


def test_a_million_pixels_of_shade_have_no_digit(default):
    for light in (shade(), 200.0, 40.0):
        blank = np.kron(photographed(np.zeros((HEIGHT, WIDTH)), light), np.ones((3, 3), np.uint8))
        prediction = default.predict(blank)
        assert (prediction.label, prediction.reason) == (None, "no ink")


def test_squared_paper_alone_has_no_digit(default):
    assert not default.predict(photographed(ruled(np.zeros((HEIGHT, WIDTH)), squared=True))).accepted


def test_two_digits_side_by_side_are_several(default, digits):
    reasons = []
    for one, other in zip(digits.pixels[::100], digits.pixels[50::100], strict=True):
        both = np.maximum(page(one, 100, 90, 5), page(other, 100, 90, 125))
        reasons.append(default.predict(photographed(both)).reason)
    assert set(reasons) <= {"several", "not like training data"}
    assert np.mean([reason == "several" for reason in reasons]) > 0.9


def test_margins_alone_are_no_digit(default):
    for row in range(0, 60, 6):
        picture = photographed(np.zeros((HEIGHT, WIDTH)), shade())[: 100 + 3 * row]
        picture[:, : 5 + row // 2] = 25
        picture[: row // 3] = 20
        assert (default.predict(picture).label, default.predict(255 - picture).accepted) == (None, False)


@pytest.mark.parametrize("margin", [0, 12])
def test_a_number_is_never_one_digit(margin, default, digits):
    """Numbers of eight digits, the last one at the border."""
    reasons = []
    for first in range(0, 400, 20):
        chosen = digits.pixels[first : first + 8 * 211 : 211]
        eight = np.concatenate([resize(digit[2:26, 4:24].astype(np.float32), 60, 50) for digit in chosen], axis=1) / 255
        row = np.pad(eight, ((6, 6), (12 + margin, 0)))
        picture = photographed(row)
        picture[:, :margin] = 25
        reasons.append(default.predict(picture).reason)
    assert set(reasons) <= {"several", "not like training data"}
    assert np.mean([reason == "several" for reason in reasons]) > 0.9


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "hard").iterdir()), ids=lambda path: path.stem)
def test_a_hard_picture_is_read_or_said_to_have_several_digits(path, default):
    written = path.stem.partition("_")[2]
    answer = default.predict(path)
    if len(written) == 1:
        assert (answer.label, answer.accepted) == (written, True)
    else:
        assert answer.reason == "several"


def test_noise_is_refused(default):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (side, side), dtype=np.uint8) for side in (28, 28, 60, 200) for _ in range(10)]
    assert not any(prediction.accepted for prediction in default.predict_many(noise))


def test_most_letters_are_not_like_training_data(default):
    def written(letter: str) -> npt.NDArray[np.uint8]:
        image = Image.new("L", (160, 160), 235)
        ImageDraw.Draw(image).text((80, 80), letter, fill=40, anchor="mm", font_size=90)
        return np.asarray(image)

    answers = list(default.predict_many([written(letter) for letter in "AEFHKMNPRWXdfhkmnrtw"]))
    assert np.mean([answer.reason == "not like training data" for answer in answers]) >= 0.7
    assert not any(answer.accepted and answer.score < default.contract.min_score for answer in answers)


def test_a_higher_min_score_accepts_fewer(digits):
    strict = Classifier.load(min_score=0.9999999)
    answers = list(strict.predict_many([photographed(page(digit), shade(), 0.12) for digit in digits.pixels[::50]]))
    assert {answer.reason for answer in answers if not answer.accepted} & {"unsure"}


def test_the_same_photograph_in_every_form_has_one_label(default, digits):
    photo = photographed(page(digits.pixels[701]), shade())
    image = Image.fromarray(photo)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned = io.BytesIO()
    image.rotate(90, expand=True).save(turned, "JPEG", exif=exif)
    deep = io.BytesIO()
    Image.fromarray(photo.astype(np.uint16) * 257).save(deep, "PNG")
    ink = Image.new("RGBA", image.size, "white")
    ink.putalpha(Image.fromarray((page(digits.pixels[701]) * 255).astype(np.uint8)))  # light ink on nothing
    sources = [photo, image, image.convert("RGB"), image.convert("P"), turned.getvalue(), deep.getvalue(), ink]
    assert {default.predict(source).label for source in sources} == {"3"}


def test_the_steps_are_named_and_drawn(default, digits):
    photo = photographed(ruled(page(digits.pixels[1001]), squared=True))
    found = default.find(photo)
    names = ["picture", "ink", "without printed lines", "digit", "even strokes", "28 x 28"]
    assert [step.name for step in found.steps] == names
    drawing = explain(found, default.predict(photo), default.labels)
    assert drawing.width > len(names) * 200
    colours = np.asarray(drawing).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 50
    assert [step.name for step in find_digit(digits.pixels[0]).steps] == ["has MNIST's form"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.intp])
def test_the_median_is_that_of_numpy(size, dtype):
    values = (np.random.default_rng(5).random(size) * 100).astype(dtype)
    assert median(values) == np.median(values)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (9, 30), (80, 61)])
def test_components_are_those_of_scipy(share, shape):
    rng = np.random.default_rng(5)
    mask, weights = rng.random(shape) < share, rng.random(shape)
    oracle, count = ndimage.label(mask, np.ones((3, 3)))
    found = components(mask, weights)
    assert len(found) == count
    for index in range(count):
        pixels = found.mask(np.arange(count) == index)
        label = oracle[pixels][0]
        np.testing.assert_array_equal(pixels, oracle == label)
        assert found.area[index] == pixels.sum()
        assert found.sums[0][index] == pytest.approx(weights[pixels].sum())
        rows, columns = np.nonzero(pixels)
        box = (found.top[index], found.bottom[index], found.left[index], found.right[index])
        assert box == (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)
        ends = (rows.min() == 0, columns.min() == 0, rows.max() == shape[0] - 1, columns.max() == shape[1] - 1)
        assert found.sides[index] == sum(ends)


def test_ink_is_the_share_of_light_that_it_takes(digits):
    ink = find_ink(photographed(page(digits.pixels[3]), shade(), contrast=0.5, grain=1.0).astype(np.float32))
    assert ink.dark
    core = page(digits.pixels[3]) > 0.95
    assert np.median(ink.strength[core]) == pytest.approx(
        0.5 * 0.87, abs=0.08
    )  # some light is taken for the dark's own
    assert np.median(ink.strength[page(digits.pixels[3]) == 0]) < 0.01
    assert ink.noise < 0.02


def test_printed_lines_are_taken_off_and_strokes_stay(digits):
    ink = page(digits.pixels[1201]).astype(np.float32)
    cleaned = without_lines(ruled(ink, squared=True).astype(np.float32), 0.1)
    outside = ndimage.grey_dilation(ink, 9) == 0
    assert cleaned[outside].max() < 0.1
    assert cleaned[ink > 0.9].mean() > 0.8
    alone = ink.copy()
    alone[100:102] = 0.5
    assert without_lines(alone, 0.1) is alone  # a single line may be a stroke


@pytest.mark.parametrize("width", [1, 3, 10, 30])
def test_strokes_of_any_width_come_near_to_mnists(width):
    ring = np.hypot(*np.mgrid[-60:61, -45:46] / 0.75)
    ink = (np.abs(ring - 58) <= width).astype(np.float32)
    box = ink[ink.any(axis=1)][:, ink.any(axis=0)]
    even = evened(box, narrow=True)
    assert 0.07 < stroke_width(np.pad(even, 1) > 0.5) / (max(even.shape) - (14 if even is not box else 0)) < 0.27

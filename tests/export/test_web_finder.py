"""The page's finder in JavaScript makes of every picture the same pixels, byte for byte, as the runtime's in Python."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from digits_edge.export.codegen.web.page import DOM_FREE
from digits_edge.runtime.errors import PictureError
from digits_edge.runtime.metadata import Preprocess
from digits_edge.runtime.picture import background as paper
from digits_edge.runtime.picture import decode as picture
from digits_edge.runtime.picture import finder as find
from digits_edge.runtime.picture import mnist_form as normalise
from digits_edge.runtime.picture import ruled_lines as lines
from digits_edge.runtime.picture import shrink
from digits_edge.runtime.picture import stroke_width as strokes
from digits_edge.runtime.picture.connected_components import components
from digits_edge.runtime.picture.decode import read_picture
from digits_edge.runtime.picture.preprocess import prepare
from digits_edge.runtime.picture.resize import resize

py_mini_racer = pytest.importorskip("py_mini_racer", reason="runs the page's JavaScript: pip install mini-racer")

Pixels = npt.NDArray[np.uint8]
FINDER = DOM_FREE[: DOM_FREE.index("preprocess.js") + 1]
GLUE = """
function bytesOf(text) {
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < bytes.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}
const plain = (image) => ({ ...image, data: image.data && [...image.data] });
const floats = (image) => ({ ...image, data: new Float32Array(image.data) });
const mask = (image) => ({ ...image, data: new Uint8Array(image.data) });
"""


class Page:
    """The scripts, loaded."""

    def __init__(self, context: Any) -> None:
        self._context = context
        sources = [
            (files("digits_edge.export.codegen.web") / "scripts" / name).read_text(encoding="utf-8") for name in FINDER
        ]
        context.eval("\n".join(['"use strict";', *sources, GLUE]))

    def call(self, function: str, *values: Any) -> Any:
        """Of a JavaScript function and JSON values."""
        return self._context.call(f"({function})", *values)

    def prepare(self, image: Pixels, preprocess: str, shape: tuple[int, ...]) -> tuple[Pixels | None, bool]:
        pixels, several = self.call(
            """(text, height, width, channels, preprocess, shape) => {
              const picture = { data: bytesOf(text), height, width, channels };
              const { pixels, several } = prepare(picture, preprocess, shape);
              return [pixels && [...pixels], several];
            }""",
            image.tobytes().decode("latin1"),
            *image.shape[:2],
            3 if image.ndim == 3 else 1,
            preprocess,
            shape,
        )
        return None if pixels is None else np.array(pixels, np.uint8).reshape(shape), several

    def from_image(self, rgba: Pixels) -> Pixels:
        found = self.call(
            "(text, width, height) => plain(fromImage(new Uint8ClampedArray(bytesOf(text)), width, height))",
            rgba.tobytes().decode("latin1"),
            rgba.shape[1],
            rgba.shape[0],
        )
        shape = (found["height"], found["width"], found["channels"])
        return np.array(found["data"], np.uint8).reshape(shape[:2] if shape[2] == 1 else shape)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with py_mini_racer.MiniRacer() as context:
        yield Page(context)


def as_json(image: npt.NDArray[Any]) -> dict[str, Any]:
    return {"data": image.ravel().tolist(), "height": image.shape[0], "width": image.shape[1]}


def same(theirs: dict[str, Any], ours: npt.NDArray[Any]) -> bool:
    """Bit for bit: JSON keeps every float."""
    return (theirs["height"], theirs["width"]) == ours.shape and np.array_equal(theirs["data"], ours.ravel())


def on_paper(
    digit: Pixels, side: int = 130, top: int = 60, left: int = 40, light: Any = 205.0, contrast: Any = 0.6
) -> npt.NDArray[np.float64]:
    """Dark ink on a page of 260 x 220 in this light."""
    ink = np.zeros((260, 220))
    ink[top : top + side, left : left + side] = resize(digit.astype(np.float32), side, side) / 255
    lit: npt.NDArray[np.float64] = light * (1 - contrast * ink)
    return lit


def seen(lit: npt.NDArray[np.float64], grain: float = 2.0) -> Pixels:
    return np.clip(lit + np.random.default_rng(0).normal(0, grain, lit.shape), 0, 255).astype(np.uint8)


def shade() -> npt.NDArray[np.float64]:
    """A vignette, with a shadow over a corner."""
    y, x = np.mgrid[-1:1:260j, -1:1:220j]
    light: npt.NDArray[np.float64] = (190 - 35 * (x**2 + y**2)) * (1 - 0.35 / (1 + np.exp(-12 * (x + y - 0.9))))
    return light


def lined(lit: npt.NDArray[np.float64], squared: bool) -> npt.NDArray[np.float64]:
    """With printed lines that are not quite level."""
    level = np.zeros((500, 500))
    level[::37] = level[1::37] = 1
    level[:, ::37] += squared
    turned = ndimage.rotate(level, 1.5, reshape=False, order=1)[100 : 100 + len(lit), 100 : 100 + lit.shape[1]]
    printed: npt.NDArray[np.float64] = lit * (1 - 0.3 * turned.clip(0, 1))
    return printed


def in_colour(grey: Pixels) -> Pixels:
    """Blue ink on yellow paper."""
    return np.stack([grey, (grey * 0.9).astype(np.uint8), 120 + grey // 8], axis=-1)


def in_yellow(grey: Pixels) -> Pixels:
    """Yellow ink on grey paper."""
    return np.stack([np.full_like(grey, 205), np.full_like(grey, 200), grey], axis=-1)


def on_a_table(lit: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """With dark margins on two sides, one of them slanted."""
    y, x = np.mgrid[: lit.shape[0], : lit.shape[1]]
    return np.where((x < 14 + y / 40) | (y > 240), 30, lit)


def on_line() -> npt.NDArray[np.bool_]:
    """A line under it, not quite level."""
    y, x = np.mgrid[:260, :220]
    under: npt.NDArray[np.bool_] = np.abs(y - 90 + x / 40) <= 1
    return under


def filling(digit: Pixels, side: int) -> Pixels:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    box = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return resize(box.astype(np.float32), side, side).astype(np.uint8)


def barred(height: int) -> Pixels:
    picture = np.full((70, 60), 220, np.uint8)
    picture[8 : 8 + height, 20 : 20 + height // 4] = 30
    return picture


PICTURES: dict[str, Callable[[Pixels], Pixels]] = {
    "even light": lambda d: seen(on_paper(d)),
    "light ink on dark": lambda d: 255 - seen(on_paper(d)),
    "a shadow's edge": lambda d: seen(on_paper(d, light=shade())),
    "faint pencil in the shade": lambda d: seen(on_paper(d, light=shade(), contrast=0.16), 1.0),
    "ruled paper": lambda d: seen(lined(on_paper(d), squared=False)),
    "squared paper in the shade": lambda d: seen(lined(on_paper(d, light=shade()), squared=True)),
    "coarse grain": lambda d: seen(on_paper(d), 20.0),
    "in colour": lambda d: in_colour(seen(on_paper(d, light=shade()))),
    "a marker that fills the frame": lambda d: seen(on_paper(d, 218, 20, 1, shade())),
    "in yellow": lambda d: in_yellow(seen(on_paper(d, light=shade()))),
    "dark margins": lambda d: seen(on_a_table(on_paper(d, light=shade()))),
    "a faded stroke": lambda d: seen(on_paper(d, light=shade(), contrast=0.1 + np.mgrid[:260, :220][0] / 400)),
    "a thick marker": lambda d: seen(ndimage.grey_erosion(on_paper(d), 9)),
    "a fine pen": lambda d: seen(ndimage.grey_dilation(on_paper(d), 5)),
    "ink of one shade on white": lambda d: np.where(on_paper(d) < 150, 20, 255).astype(np.uint8),
    "cut off by the border": lambda d: seen(on_paper(d)[:, 75:]),
    "small in a large picture": lambda d: np.pad(seen(on_paper(d, 70, 9, 30), 0.0), 390, constant_values=205),
    "a strip along which a line is printed": lambda d: seen(np.where(on_line(), 80, on_paper(d, 60, 25, 70))[:100]),
    "a strip": lambda d: np.pad(filling(d, 24), ((4, 4), (700, 80))),
    "16 x 16 that it fills": lambda d: filling(d, 16),
    "8 x 8": lambda d: filling(d, 8),
    "MNIST's own form": lambda d: d,
    "nearly MNIST's form": lambda d: np.roll(d, 2, axis=1),
    "a digit of half its size beside it": lambda d: seen(np.minimum(on_paper(d, 110, 60, 8), on_paper(d, 80, 70, 130))),
    "a bar, its middle between two pixels": lambda d: barred(20 + int(d.sum()) % 31),
    "noise": lambda d: np.random.default_rng(d).integers(0, 256, (90, 70), np.uint8),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_pixels_are_found(name, page, digits):
    chosen = [PICTURES[name](digit) for digit in digits.pixels[7::399]]
    assert len(chosen) == 5
    for image in chosen:
        ours = prepare(image, "digit", (28, 28))
        pixels, several = page.prepare(image, "digit", (28, 28))
        assert (pixels is None, several) == (ours.pixels is None, ours.several)
        np.testing.assert_array_equal(pixels, ours.pixels)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "runtime" / "hard").iterdir()), ids=lambda path: path.stem
)
def test_the_same_pixels_are_found_in_a_hard_picture(path, page):
    image = read_picture(path)
    ours = prepare(image, "digit", (28, 28))
    pixels, several = page.prepare(image, "digit", (28, 28))
    assert several == ours.several
    np.testing.assert_array_equal(pixels, ours.pixels)


def test_nothing_and_several_digits_are_told_apart(page, digits):
    one, other = digits.pixels[3], digits.pixels[1203]
    assert page.prepare(seen(on_paper(one)), "digit", (28, 28))[1] is False
    both = np.minimum(on_paper(one, 100, 80, 5), on_paper(other, 100, 80, 115))
    assert page.prepare(seen(both), "digit", (28, 28))[1] is True
    blank = seen(shade())
    assert prepare(blank, "digit", (28, 28)).pixels is None
    assert page.prepare(blank, "digit", (28, 28)) == (None, False)


@pytest.mark.parametrize(
    ("preprocess", "shape"),
    [
        ("resize", (32, 20)),
        ("resize", (24, 30, 3)),
        ("resize", (260, 220)),
        ("resize", (260, 220, 3)),
        ("digit", (20, 20)),
    ],
)
def test_any_shape_is_made_of_grey_and_of_colour(preprocess: Preprocess, shape, page, digits):
    grey = seen(on_paper(digits.pixels[1500]))
    for image in (grey, in_colour(grey)):
        ours = prepare(image, preprocess, shape).pixels
        np.testing.assert_array_equal(page.prepare(image, preprocess, shape)[0], ours)


def transparent(digit: Pixels, ink: int, side: int) -> Image.Image:
    """Ink of one shade on nothing."""
    image = Image.new("RGBA", (side, side), (ink, ink // 2 + 60, ink, 0))
    image.putalpha(Image.fromarray(resize(digit.astype(np.float32), side, side).astype(np.uint8)))
    return image


IMAGES: dict[str, Callable[[Pixels], Image.Image]] = {
    "grey": lambda d: Image.fromarray(seen(on_paper(d))),
    "in colour": lambda d: Image.fromarray(in_colour(seen(on_paper(d)))),
    "dark ink on nothing": lambda d: transparent(d, 20, 90),
    "light ink on nothing": lambda d: transparent(d, 230, 90),
    "large": lambda d: Image.fromarray(seen(on_paper(d))).resize((2203, 3079)),
    "large and in colour": lambda d: Image.fromarray(in_colour(seen(on_paper(d)))).resize((2049, 1025)),
    "large ink on nothing": lambda d: transparent(d, 40, 2090),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_canvas_becomes_the_picture_that_python_reads(name, page, digits):
    image = IMAGES[name](digits.pixels[901])
    file = io.BytesIO()
    image.save(file, "PNG")
    np.testing.assert_array_equal(page.from_image(np.asarray(image.convert("RGBA"))), read_picture(file.getvalue()))


@pytest.mark.parametrize(("width", "height"), [(7, 30), (30, 7), (8001, 8000), (8, 801)])
def test_a_canvas_is_refused_in_python_s_words(width, height, page):
    with pytest.raises(PictureError) as refused:
        read_picture(np.broadcast_to(np.uint8(0), (height, width)))
    words = str(refused.value).removeprefix("array: ")
    assert (
        page.call("(w, h) => { try { fromImage([], w, h) } catch (error) { return error.message } }", width, height)
        == words
    )


@pytest.mark.parametrize(
    ("table", "module"),
    [
        ("FIND", find),
        ("PAPER", paper),
        ("LINES", lines),
        ("STROKES", strokes),
        ("FORM", normalise),
        ("IMAGE", picture),
        ("COLOUR", shrink),
    ],
)
def test_constants_are_pythons(table: str, module: ModuleType, page):
    constants = page.call(f"() => {table}")
    assert constants == {name: np.array(getattr(module, name)).tolist() for name in constants}
    assert len(constants) > 1


@pytest.mark.parametrize("target", [(20, 13), (1, 1), (80, 200), (37, 41)])
def test_resizing_is_bit_for_bit_the_same(target, page):
    image = np.random.default_rng(3).random((37, 41), np.float32)
    theirs = page.call("(image, height, width) => plain(resize(floats(image), height, width))", as_json(image), *target)
    assert same(theirs, resize(image, *target))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.45, 0.7, 1.0])
def test_components_are_the_same_in_the_same_order(share, page):
    rng = np.random.default_rng(int(share * 100))
    drawn, weights = rng.random((50, 43)) < share, rng.integers(0, 99, (50, 43))
    ours = components(drawn, weights)
    theirs = page.call(
        """(drawn, weights) => {
          const { figures, mask: maskOf } = components(mask(drawn), { ink: weights.data });
          return [figures, [...maskOf((index) => index % 2 === 0).data]];
        }""",
        as_json(drawn.astype(int)),
        as_json(weights),
    )
    assert [figure["sums"]["ink"] for figure in theirs[0]] == ours.sums[0].tolist()
    for name in ("top", "bottom", "left", "right", "area", "sides", "longer"):
        assert [figure[name] for figure in theirs[0]] == getattr(ours, name).tolist()
    np.testing.assert_array_equal(theirs[1], ours.mask(np.arange(len(ours)) % 2 == 0).ravel())


def test_half_is_rounded_to_even_and_the_middle_of_an_even_count_is_a_mean(page):
    halves = [0.5, 1.5, 2.5, 2.4999, -0.5, -1.5, 7.0]
    assert page.call("(values) => values.map(rint)", halves) == np.rint(halves).tolist()
    rng = np.random.default_rng(2)
    for count in (1, 2, 7, 100, 101):
        for values in (rng.random(count, np.float32), rng.integers(0, 4, count).astype(np.float32)):
            theirs = page.call("(values) => median(new Float32Array(values))", values.tolist())
            assert theirs == float(np.median(values))


def test_ink_lines_and_strokes_are_bit_for_bit_the_same(page, digits):
    small = ndimage.zoom(seen(lined(on_paper(digits.pixels[604], light=shade()), squared=True)), 0.6)
    grey = small.astype(np.float32)
    ink = paper.find_ink(grey)
    theirs = page.call(
        "(grey) => { const i = findInk(floats(grey)); return [plain(i.strength), i.noise] }", as_json(grey)
    )
    assert same(theirs[0], ink.strength)
    assert theirs[1] == ink.noise
    cleaned = lines.without_lines(ink.strength, 0.05)
    assert cleaned is not ink.strength
    assert same(page.call("(ink) => plain(withoutLines(floats(ink), 0.05))", as_json(ink.strength)), cleaned)
    for width in (1, 4, 30):
        ring = (np.abs(np.hypot(*np.mgrid[-60:61, -45:46] / 0.75) - 40) <= width).astype(np.float32)
        even = strokes.evened(ring, narrow=True)
        assert same(page.call("(ink) => plain(evened(floats(ink), true))", as_json(ring)), even)

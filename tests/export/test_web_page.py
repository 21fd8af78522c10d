"""The web page reads what is drawn on it and what is given to it, as the runtime does, and needs nothing but itself."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from networks import mean
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Error, Locator, Page
from strokes import STROKES, Stroke
from written_numbers import Digits, number

from digits_edge.export.codegen.int8_network import Int8Network, Multiplier, Requantization
from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.codegen.web import page as web_page
from digits_edge.export.codegen.web.engine import model_of
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.tensor_spec import Quantization
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.runtime.metadata import Contract, Golden
from digits_edge.runtime.teaching import load, save
from digits_edge.trainer.datasets.dataset import Dataset

RELEASED: Final = Path(__file__).parents[2] / "artifacts" / "micro"
PHONE: Final = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def reader() -> Classifier:
    """The released model's int8 ONNX, of the same network as the page's int8 TFLite."""
    return Classifier.load(RELEASED)


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """The released model, as its export gives it to the page."""
    bundle = Bundle.open(RELEASED)
    data = bundle.read("model.int8.tflite")
    facts = {"accuracy": 0.9943, "pictures": 3_000, "parameters": 7_842}
    return model_of(read_network(data), bundle.contract(), TfliteModel.load(data, "micro").spec.output, facts)


@pytest.fixture(scope="module")
def address(model: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("web") / "index.html"
    path.write_bytes(web_page.page(model))
    return path.as_uri()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Open the page, in a browser without a network; whatever goes wrong in a script fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[Error] = []

    def open_page(url: str = address, *, settled: bool = True, **options: Any) -> Page:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(url)
        if settled:
            answer(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(opened: Callable[..., Page]) -> Page:
    return opened()


def answer(page: Page) -> Locator:
    """The answer, once there is no reading under way."""
    settled = page.locator("#answer[aria-busy=false]")
    settled.wait_for()
    return settled


def label(page: Page) -> str | None:
    return answer(page).get_attribute("data-label")


def accepted(page: Page) -> str | None:
    return answer(page).get_attribute("data-accepted")


def on_screen(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    """The places of a stroke in the square in the middle of the sheet."""
    box = page.locator("#sheet").bounding_box()
    assert box is not None
    side = box["height"]
    left = box["x"] + (box["width"] - side) / 2
    return [(left + x * side, box["y"] + y * side) for x, y in stroke]


def draw(page: Page, strokes: Sequence[Stroke], *, lift: bool = True) -> None:
    """Draw with the mouse."""
    for stroke in strokes:
        first, *rest = on_screen(page, stroke)
        page.mouse.move(*first)
        page.mouse.down()
        for point in rest:
            page.mouse.move(*point, steps=2)
        if lift:
            page.mouse.up()


def write(page: Page, text: str) -> None:
    """Draw digits one beside the other over the width of the sheet."""
    size = 1.7 / len(text)
    for place, digit in enumerate(text):
        left = -0.35 + place * size
        draw(
            page,
            [[(left + x * size, 0.5 + (y - 0.5) * min(1, 1.8 * size)) for x, y in stroke] for stroke in STROKES[digit]],
        )


def give(page: Page, picture: bytes, name: str = "picture.png", kind: str = "image/png") -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": kind, "buffer": picture})


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def on_paper(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit in pencil or ink, enlarged, somewhere on a page: uint8[H, W]."""
    height, width = (int(side) for side in rng.integers(150, 400, 2))
    side = int(rng.integers(60, 140))
    ink = np.zeros((height, width), np.float32)
    row, column = int(rng.integers(4, height - side - 4)), int(rng.integers(4, width - side - 4))
    enlarged = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    ink[row : row + side, column : column + side] = np.asarray(enlarged, np.float32) / 255
    paper = rng.uniform(190, 250) - rng.uniform(0, 40) * np.linspace(0, 1, width)
    return np.clip(paper * (1 - rng.uniform(0.5, 0.95) * ink) + rng.normal(0, 1.5, ink.shape), 0, 255).astype(np.uint8)


def screenshot(where: Page | Locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(where.screenshot())).convert("RGB"))


def look_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two screenshots show the same; a browser rounds a few pixels of a border differently each time."""
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 3


def test_it_needs_nothing_but_itself(opened, address):
    page = opened("about:blank", settled=False)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    draw(page, STROKES["7"])
    assert label(page) == "7"
    assert requests == [address]
    assert page.evaluate("[typeof fromImage, typeof prepare, typeof openEngine]") == ["undefined"] * 3


def test_it_is_one_small_file_that_names_no_other(model):
    page = web_page.page(model)
    assert len(page) < 170_000
    assert not re.search(rb"https?:|@import|url\(", page)
    assert b"default-src 'none'" in page


@pytest.mark.parametrize("digit", STROKES)
def test_a_drawn_digit_is_read(page, digit):
    draw(page, STROKES[digit])
    assert (label(page), accepted(page)) == (digit, "true")
    assert page.locator("#verdict").inner_text() == "✓ Accepted"
    assert page.locator("#bars .best").inner_text().split()[0] == digit


def test_it_reads_while_the_pen_is_down(page):
    draw(page, STROKES["0"], lift=False)
    page.locator("#answer[data-label='0'][aria-busy=true]").wait_for()  # shown, and not yet read aloud
    page.mouse.up()
    assert label(page) == "0"


def test_a_finger_draws_and_does_not_scroll(opened):
    page = opened(**PHONE)
    touch = page.context.new_cdp_session(page)
    for stroke in STROKES["4"]:
        points = [{"x": x, "y": y} for x, y in on_screen(page, stroke)]
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert label(page) == "4"
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("key", ["Space", "Enter"])
def test_the_keyboard_draws(page, key):
    page.locator("#sheet").focus()
    for presses, pressed in ((12, "ArrowUp"), (1, key), (24, "ArrowDown"), (1, key), (5, "ArrowRight")):
        for _ in range(presses):
            page.keyboard.press(pressed)
    assert label(page) == "1"
    page.keyboard.press("Escape")
    assert (label(page), accepted(page)) == ("", "none")


def test_every_control_is_reached_by_tab_and_seen_to_be(page):
    unfocused, reached = screenshot(page), []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        box = page.locator(":focus-visible").locator(
            "xpath=ancestor-or-self::*[self::label or @tabindex or self::button]"
        )
        x, y, width, height = (int(box.bounding_box()[part]) for part in ("x", "y", "width", "height"))
        around = np.s_[y - 8 : y + height + 8, x - 8 : x + width + 8]
        assert (screenshot(page)[around] != unfocused[around]).any()
    assert reached == ["sheet", "clear", "file"]


def test_an_empty_sheet_has_no_ink(page, reader):
    assert (label(page), accepted(page)) == ("", "none")
    assert page.locator("#verdict").inner_text() == "No ink yet"
    give(page, encoded(np.full((200, 300), 240, np.uint8)))
    assert (label(page), accepted(page)) == ("", "none")
    assert page.locator("#verdict").inner_text() == "No ink found"


@pytest.mark.parametrize("text", ["74", "75013"])
def test_a_number_is_written_and_copied(opened, text):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    assert page.locator("#copy").is_disabled()
    write(page, text)
    assert (label(page), accepted(page)) == (text, "true")
    assert page.locator("#label").inner_text() == text
    assert page.locator("#bars .name").all_inner_texts() == list(text)
    assert page.locator("#boxes text.accepted").all_text_contents() == list(text)
    sheet = page.locator("#sheet").bounding_box()
    lefts = [rect.bounding_box()["x"] for rect in page.locator("#boxes rect.accepted").all()]
    assert lefts == sorted(lefts)
    assert sheet["x"] < lefts[0]
    assert lefts[-1] < sheet["x"] + sheet["width"]
    page.locator("#copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.locator("#clear").click()
    answer(page)
    assert page.locator("#boxes rect").count() == 0
    assert page.locator("#bars .name").all_inner_texts() == list("0123456789")


def test_pictures_of_numbers_get_the_runtimes_answers(page, reader, digits):
    rng, asked, differ, left_out = np.random.default_rng(8), 20, [], 0
    drawn = Digits(digits.pixels, [str(target) for target in digits.targets])
    for _ in range(asked):
        picture = encoded(number(rng, drawn, int(rng.integers(2, 7)), 0.15, signs=0.4)[0])
        expected = reader.read(picture)
        give(page, picture)
        read = label(page)
        if read != expected.text:
            differ.append((read, expected.text))
        left_out += page.locator("#boxes rect.out").count() == len(expected.left_out) > 0
    assert len(differ) <= 0.05 * asked, differ
    assert left_out >= 5


KEPT: Final = "1 taught, kept in this browser. Press one to forget it."
TICK: Final[list[Stroke]] = [[(0.25, 0.55), (0.45, 0.8), (0.8, 0.2)]]


def teach(page: Page, text: str) -> None:
    page.fill("#truth", text)
    page.click("#teach button")


def test_what_it_is_taught_is_kept_and_can_be_saved_and_forgotten(opened, tmp_path):
    page = opened()
    draw(page, TICK)
    assert label(page) != "tick"
    teach(page, "tick")
    assert label(page) == "tick"
    assert accepted(page) == "true"
    page.reload()
    assert page.locator("#taught").inner_text() == KEPT
    draw(page, TICK)
    assert label(page) == "tick"
    page.click("#clear")
    draw(page, STROKES["3"])
    assert label(page) == "3"
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "mine.npz")
    labels, pixels = load(tmp_path / "mine.npz", (28, 28))
    assert labels == ["tick"]
    assert pixels.max() > 200
    page.click("#forget")
    page.click("#clear")
    draw(page, TICK)
    assert label(page) != "tick"
    page.reload()
    assert page.locator("#taught").inner_text() == ""
    assert page.locator("#examples button").count() == 0


def test_examples_are_loaded_and_removed_one_by_one(opened, tmp_path):
    page = opened()
    pixels = np.zeros((2, 28, 28), np.uint8)
    pixels[0, 5:20, 10:14] = pixels[1, 10:14, 5:20] = 255
    save(tmp_path / "mine.npz", ["é", "long"], pixels)
    np.savez(tmp_path / "other.npz", labels=np.array(["7"]), pixels=pixels)
    for name in ("other.npz", "mine.npz", "mine.npz"):
        page.set_input_files("#load", tmp_path / name)
        said = page.locator("#objection, #taught").filter(has_text="." if name == "mine.npz" else "expected")
        said.first.wait_for()
        if name == "other.npz":
            assert said.inner_text().startswith("other.npz: expected examples for this model")
    page.locator("#examples li:nth-child(2)").wait_for()
    assert page.locator("#examples button").all_inner_texts() == ["é", "long"]
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "again.npz")
    labels, again = load(tmp_path / "again.npz", (28, 28))
    assert labels == ["é", "long"]
    np.testing.assert_array_equal(again, pixels)
    page.locator("#examples button").first.click()
    assert page.locator("#examples button").all_inner_texts() == ["long"]
    page.reload()
    assert page.locator("#examples button").all_inner_texts() == ["long"]


def test_each_digit_of_a_number_can_be_taught(opened):
    page = opened()
    write(page, "72")
    assert label(page) == "72"
    teach(page, "7")
    assert page.locator("#objection").inner_text() == "Expected the 2 digits of the number, as they should be read."
    teach(page, "75")
    assert label(page) == "75"
    assert page.locator("#objection").inner_text() == ""
    assert page.locator("#taught").inner_text() == KEPT


def test_clearing_takes_all_away(page):
    empty = screenshot(page.locator("#sheet"))
    draw(page, STROKES["3"])
    page.locator("#clear").click()
    assert label(page) == ""
    assert look_alike(screenshot(page.locator("#sheet")), empty)


def test_pictures_get_the_runtimes_answers(page, reader, digits):
    rng, asked, differ, otherwise = np.random.default_rng(5), range(0, len(digits), 25), [], []
    for row in asked:
        picture = encoded(on_paper(digits.pixels[row], rng))
        expected = reader.predict(picture)
        give(page, picture)
        read = answer(page).evaluate("(element) => ({ ...element.dataset })")
        if read["label"] != (expected.label or ""):
            differ.append(row)
        if (read["accepted"] == "true") != expected.accepted:
            otherwise.append(row)
    print(f"of {len(asked)} pictures {len(differ)} have another label, {len(otherwise)} are accepted otherwise")
    assert len(differ) <= 0.005 * len(asked)
    assert len(otherwise) <= 0.02 * len(asked)


@pytest.fixture(scope="module")
def two(digits: Dataset) -> bytes:
    """A picture of a 2, four times as wide as high."""
    pixels = np.full((300, 1200), 235, np.uint8)
    digit = Image.fromarray(digits.pixels[digits.targets == 2][0]).resize((180, 180), Image.Resampling.BICUBIC)
    pixels[60:240, 510:690] -= (0.8 * np.asarray(digit)).astype(np.uint8)
    return encoded(pixels)


def test_a_picture_is_dropped_anywhere(page, two, tmp_path):
    path = tmp_path / "two.png"
    path.write_bytes(two)
    hand = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        hand.send("Input.dispatchDragEvent", {"type": kind, "x": 5, "y": 5, "data": dragged})
    page.locator("#sheet.picture").wait_for()
    assert label(page) == "2"


def test_a_picture_is_pasted(page, two):
    page.evaluate(
        """(picture) => {
            const bytes = Uint8Array.from(atob(picture), (character) => character.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        base64.b64encode(two).decode(),
    )
    page.locator("#sheet.picture").wait_for()
    assert label(page) == "2"


def test_a_picture_is_shown_in_its_proportions_and_drawn_away(page, two):
    give(page, two)
    assert label(page) == "2"
    shown = screenshot(page.locator("#sheet"))
    side = len(shown)
    light = np.flatnonzero((shown == 235).all(axis=2)[:, side // 4])
    assert (light[0] / side, light[-1] / side) == pytest.approx((0.25, 0.75), abs=0.02)
    draw(page, STROKES["7"])
    assert label(page) == "7"


def test_a_photograph_lies_as_its_exif_data_say(page, reader, two):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned = encoded(np.rot90(np.asarray(Image.open(io.BytesIO(two)))), "JPEG", exif=exif, quality=95)
    assert reader.predict(turned).label == "2"
    give(page, turned, "turned.jpg", "image/jpeg")
    assert label(page) == "2"


def test_more_pixels_than_a_phone_has_for_a_canvas(page, two):
    large = Image.open(io.BytesIO(two)).resize((9600, 2400), Image.Resampling.NEAREST)
    give(page, encoded(np.asarray(large), compress_level=1))
    assert label(page) == "2"


def test_what_is_no_picture_is_told_and_changes_nothing(page, two):
    draw(page, STROKES["7"])
    before, shown = answer(page).evaluate("(element) => element.outerHTML"), screenshot(page.locator("#sheet"))
    for name, data in (("notes.txt", b"Dear diary"), ("cut.png", two[:40]), ("empty.png", b"")):
        give(page, data, name)
        trouble = page.locator("#trouble[role=alert]")
        trouble.get_by_text(name).wait_for()
        assert trouble.inner_text() == f"{name}: no picture that this browser can read"
        assert answer(page).evaluate("(element) => element.outerHTML") == before
        assert look_alike(screenshot(page.locator("#sheet")), shown)
    give(page, encoded(np.full((3, 3), 255, np.uint8)), "small.png")
    trouble.get_by_text("small.png: expected at least 8 x 8 pixels, received 3 x 3").wait_for()
    give(page, two)
    assert label(page) == "2"
    assert trouble.inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("many", [False, True])
def test_a_phone_shows_sheet_and_answer_at_once(opened, model, tmp_path, many, scheme):
    if many:  # a label for each output is left, under names that are hard to lay out
        model = model | {"labels": [f"</script><!-- & a class with a rather long name, {label}" for label in range(10)]}
    path = tmp_path / "index.html"
    path.write_bytes(web_page.page(model))
    page = opened(path.as_uri(), color_scheme=scheme, **PHONE)
    draw(page, STROKES["5"])
    assert label(page) == model["labels"][5]
    assert page.locator("#label").inner_text() == model["labels"][5]
    for part in ("#sheet", "#answer", "#pixels", "#clear", "label.button:has(#file)"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("scrollY") == 0


def test_a_model_of_whole_pictures_in_colour(opened, tmp_path):
    shape = (12, 8, 3)
    network = Int8Network((mean(shape, 0, Requantization((Multiplier.of(1 / 96),), 0)),))  # the most of a colour
    golden = Golden(np.zeros((1, *shape), np.uint8), np.zeros((1, 3), np.float32))
    contract = Contract("colours", ("red", "green", "blue"), shape, "resize", 0.5, 0.0, golden)
    facts = {"accuracy": 1.0, "pictures": 1, "parameters": None}
    path = tmp_path / "index.html"
    path.write_bytes(web_page.page(model_of(network, contract, Quantization(0.1, 0), facts)))
    page = opened(path.as_uri())
    give(page, encoded(np.full((60, 90, 3), (20, 180, 90), np.uint8)))
    assert (label(page), accepted(page)) == ("green", "true")
    sheet = page.locator("#sheet").bounding_box()
    assert sheet["width"] == pytest.approx(sheet["height"])
    assert not page.locator("#copy").is_visible()
    seen = screenshot(page.locator("#pixels"))
    assert seen.shape[0] / seen.shape[1] == pytest.approx(12 / 8, rel=0.02)
    assert tuple(seen[seen.shape[0] // 2, seen.shape[1] // 2]) == (20, 180, 90)

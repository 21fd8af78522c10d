"""Draw what was read on the picture itself. Needs pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from ..picture.decode import read_scaled
from ..picture.explain import BAD, DARK, GOOD, PAGE, QUIET, TEXT
from .reading import Reading

if TYPE_CHECKING:
    from PIL import Image

LEGEND = 2 * TEXT  # height of the line below the picture


def draw_reading(picture: Any, reading: Reading) -> Image.Image:
    """Draw a box around each digit, its label above it, thin ones around what was left out, and the text below."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingExtra("pillow", "image", "drawing what was read") from None
    pixels, scale = read_scaled(picture)
    given = Image.fromarray(pixels)
    page = Image.new("RGB", (given.width, given.height + LEGEND), PAGE)
    page.paste(given, (0, 0))
    draw = ImageDraw.Draw(page)
    for digit in reading.digits:
        colour = GOOD if digit.accepted else BAD
        left, top, right, bottom = (side / scale for side in digit.box)
        draw.rectangle((left, top, right, bottom), outline=colour, width=2)
        draw.text((left + 2, max(0, top - TEXT - 2)), digit.label, colour, font_size=TEXT)
    for box in reading.left_out:
        draw.rectangle(tuple(side / scale for side in box), outline=QUIET, width=1)
    verdict = "accepted" if reading.accepted else f"not accepted: {reading.reason}"
    text = f"{reading.text.replace(chr(10), ' / ') or 'nothing'}, {verdict}"
    draw.text((4, given.height + TEXT // 2), text, DARK, font_size=TEXT)
    return page

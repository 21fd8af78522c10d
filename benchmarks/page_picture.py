"""Write a number on a web page that was exported, in Chromium, and save what the page looks like then.

python benchmarks/page_picture.py artifacts/micro/web/index.html docs/images/page.png
"""

import argparse
import math
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1180, 760


def arc(x: float, y: float, width: float, height: float, start: int, end: int) -> list[tuple[float, float]]:
    """Points of an ellipse, from one angle to another, in degrees clockwise from the right."""
    angles = [math.radians(start + (end - start) * step / 24) for step in range(25)]
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


# How a pen goes, in heights of the sheet.
NUMBER = (
    [(0.17, 0.25), (0.43, 0.25), (0.26, 0.75)],
    [(0.75, 0.25), (0.57, 0.25), (0.55, 0.45), *arc(0.62, 0.59, 0.13, 0.15, -120, 140)],
    arc(0.99, 0.5, 0.12, 0.25, -90, 270),
    [(1.3, 0.25), (1.29, 0.75)],
    [*arc(1.6, 0.37, 0.11, 0.12, -150, 90), *arc(1.6, 0.62, 0.13, 0.13, -90, 150)],
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="web/index.html of a bundle")
    parser.add_argument("out", type=Path, help="a .png")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="of the Chromium family")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(options.page.resolve().as_uri())
        box = page.locator("#sheet").bounding_box()
        assert box is not None
        for turn in range(3):  # the first is slow, before the scripts are compiled
            if turn:
                page.get_by_role("button", name="Clear").click()
            for stroke in NUMBER:
                points = [(box["x"] + x * box["height"], box["y"] + y * box["height"]) for x, y in stroke]
                page.mouse.move(*points[0])
                page.mouse.down()
                for x, y in points:
                    page.mouse.move(x, y, steps=3)
                page.mouse.up()
            page.locator("#answer[aria-busy=false]").wait_for()
        page.screenshot(path=options.out)
        browser.close()


if __name__ == "__main__":
    main()

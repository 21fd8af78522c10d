"""Draw a digit on a web page that was exported, in Chromium, and save what the page looks like then.

python benchmarks/page_picture.py artifacts/micro/web/index.html docs/images/page.png
"""

import argparse
import math
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1180, 760
BAR = [(0.66, 0.22), (0.38, 0.22), (0.36, 0.46)]  # on a sheet of 1 x 1
BOWL = [(0.48 + 0.2 * math.cos(angle / 10), 0.62 + 0.18 * math.sin(angle / 10)) for angle in range(-19, 25)]


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
        box = page.locator("canvas").first.bounding_box()
        assert box is not None
        for turn in range(3):  # the first is slow, before the scripts are compiled
            if turn:
                page.get_by_role("button", name="Clear").click()
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in BAR + BOWL]
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

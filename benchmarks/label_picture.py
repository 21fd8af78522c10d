"""Collect digits of the embedded sample, some of them damaged, label a few, and save what the page looks like then.

python benchmarks/label_picture.py docs/images/label.png
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from digits_edge.runtime import Classifier, Collector
from digits_edge.trainer import read_dataset

WIDTH, HEIGHT, PICTURES = 1180, 760, 56


def collect(folder: Path) -> None:
    """Keep some digits, in half of which a square is white or black."""
    rng = np.random.default_rng(4)
    classifier = Collector(folder, keep="all").wrap(Classifier.load())
    pixels = read_dataset("sample").pixels
    for row in rng.permutation(len(pixels))[:PICTURES]:
        digit = pixels[row].copy()
        if rng.random() < 0.5:
            top, left = rng.integers(6, 16, 2)
            digit[top : top + 6, left : left + 6] = rng.choice([0, 255])
        classifier.predict(digit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="a .png")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="of the Chromium family")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place, "collected")
        collect(folder)
        words = [sys.executable, "-m", "digits_edge.cli", "label", str(folder), "--no-browser"]
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            process.stderr.readline()
            browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(process.stderr.readline().split()[0])
            page.locator("#grid [aria-current]").wait_for()
            for key in ("Enter", "n", "Enter", "Enter", "n"):
                page.keyboard.press(key)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=options.out)
            browser.close()
        finally:
            process.kill()


if __name__ == "__main__":
    main()

"""Make the letters and digits of other scripts that recipes train against: trainer/fitting/scripts.npz.

python benchmarks/scripts.py /usr/share/fonts/truetype/noto

The fonts are Noto's (Debian's `fonts-noto-core`); thinning them to lines needs scikit-image. Zeros are left out: most
scripts write them as we do. `signs` are the lines of each sign, one bit a pixel, digits first, `digits` their number.
"""

import argparse
import unicodedata
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont
from skimage.morphology import skeletonize

from digits_edge.runtime.picture.mnist_form import bounding_box
from digits_edge.trainer.fitting.outliers import SCRIPTS, SIDE

NAMES = (
    "Arabic", "Armenian", "Balinese", "Bengali", "Cherokee", "Devanagari", "Ethiopic", "Georgian", "Gujarati",
    "Gurmukhi", "Hebrew", "Javanese", "Kannada", "Khmer", "Lao", "Malayalam", "Mongolian", "Myanmar", "Oriya",
    "Sinhala", "Tamil", "Telugu", "Thai", "Tibetan",
)  # fmt: skip
LETTERS = 30  # of each font
SIZE = 120  # pixels


def lines(sign: str, font: ImageFont.FreeTypeFont) -> np.ndarray | None:
    """The middle lines of a sign's strokes, bool[SIDE, SIDE], the longer side filled; None if the font lacks it."""
    mask = font.getmask(sign)
    if not mask.getbbox() or bytes(mask) == bytes(font.getmask("\U0010ffff")):
        return None
    page = Image.new("L", (4 * SIZE, 4 * SIZE))
    ImageDraw.Draw(page).text((2 * SIZE, 2 * SIZE), sign, 255, font, "mm")
    ink = page.crop(page.getbbox())
    scale = (SIDE - 2) / max(ink.size)
    small = np.asarray(ink.resize([max(1, round(side * scale)) for side in ink.size], Image.Resampling.BOX))
    thin = skeletonize(np.pad(small > 100, 1))
    if not thin.any():
        return None
    box = thin[bounding_box(thin)]
    return np.pad(box, [(0, SIDE - side) for side in box.shape])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of Noto's fonts")
    rng, digits, letters = np.random.default_rng(0), [], []
    folder = parser.parse_args().folder
    for path in sorted(folder / f"Noto{style}{name}-Regular.ttf" for name in NAMES for style in ("Sans", "Serif")):
        if not path.exists():
            continue
        font = ImageFont.truetype(path, SIZE)
        signs = [chr(code) for code in sorted(TTFont(path).getBestCmap()) if code > 0x2FF]
        digits += [lines(sign, font) for sign in signs if sign.isdecimal() and unicodedata.decimal(sign)]
        of_letters = [sign for sign in signs if unicodedata.category(sign) in ("Lo", "Ll", "Lu")]
        letters += [lines(of_letters[i], font) for i in rng.permutation(len(of_letters))[:LETTERS]]
    kept = [[sign for sign in some if sign is not None] for some in (digits, letters)]
    np.savez_compressed(SCRIPTS, signs=np.packbits([*kept[0], *kept[1]], axis=2), digits=len(kept[0]))
    print(f"{len(kept[0])} digits, {len(kept[1])} letters, {SCRIPTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

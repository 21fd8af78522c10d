"""How much of what is no digit a model rejects, and how many digits: through `predict`, as a user's pictures go.

python benchmarks/not_digits.py --data mnist-idx-folder --blank FOLDER --objects fashion.npz --fonts A.ttf B.otf ...

Letters are those of the Latin alphabet that look like no digit, glyphs those of other scripts, in fonts of one's own,
none of which is trained with (those of matplotlib are). Written are the same letters, the digits of other scripts but
their zeros, and letters that may be taken for digits, bent as a hand bends them and with thicker or thinner strokes.
Filled are the letters A to J from edge to edge of 28 x 28 pixels, white on black, as notMNIST has them. Noise is
uniform, of three sizes. Several are two or three of t10k's digits side by side on shaded paper. Nothing was chosen by
these sets.
"""

import argparse
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import mannwhitneyu

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier, Prediction
from digits_edge.runtime.metadata import familiarity
from digits_edge.runtime.picture.mnist_form import bounding_box
from digits_edge.runtime.picture.resize import resize
from digits_edge.trainer import read_dataset

LETTERS = "AEFHKMNPRUVWXadefhkmnprtuvwx"
ALIKE = "BCDGIJLOQSTYZbcgijloqsyz"  # letters that some hand writes like a digit
# Hebrew, Devanagari, Tamil, kana, and some Chinese: as many of each as the font has.
SCRIPTS = ((0x5D0, 0x5EA), (0x905, 0x939), (0xB85, 0xBB9), (0x3042, 0x3093), (0x30A2, 0x30F3), (0x4E00, 0x4E1A))
# Zeros: Devanagari, Bengali, Gurmukhi, Gujarati, Oriya, Tamil, Telugu, Kannada, Malayalam, Thai, Lao, Burmese, Khmer.
ZEROS = (0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0x1040, 0x17E0)
COVERAGES = (1, 0.999, 0.99, 0.98, 0.95, 0.9)
SIZE = 96  # pixels of a letter


def drawn(sign: str, font: ImageFont.FreeTypeFont, turn: float) -> np.ndarray:
    """A letter dark on light, turned by so many degrees: uint8[200, 200]."""
    page = Image.new("L", (200, 200), 240)
    ImageDraw.Draw(page).text((100, 100), sign, fill=30, font=font, anchor="mm")
    return np.asarray(page.rotate(turn, Image.Resampling.BILINEAR, fillcolor=240))


def written(sign: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> np.ndarray:
    """A sign dark on light as a hand might write it, slanted, bent, with another pen: uint8[200, 200]."""
    bends = [gaussian_filter(rng.normal(size=(200, 200)), 20) for _ in range(2)]
    rows, columns = np.mgrid[:200, :200].astype(float)
    columns += rng.normal(0.05, 0.2) * (rows - 100)
    places = [place + 5 * bend / bend.std() for place, bend in zip((rows, columns), bends, strict=True)]
    ink = map_coordinates(240.0 - drawn(sign, font, rng.normal(0, 7)), places, order=1)
    ink = gaussian_filter(ink, 3)
    level = rng.uniform(0.15, 0.45) * ink.max()  # the lower, the thicker the strokes
    return (240 - 210 * np.clip(10 * (ink - level) / ink.max(), 0, 1)).astype(np.uint8)


def filled(sign: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """A letter white on black that reaches from edge to edge: uint8[28, 28]."""
    ink = (240 - drawn(sign, font, 0)).astype(np.float32)
    ink = ink[bounding_box(ink)]
    height, width = (max(1, round(side * 28 / max(ink.shape))) for side in ink.shape)
    letter, (top, left) = np.zeros((28, 28), np.float32), ((28 - height) // 2, (28 - width) // 2)
    letter[top : top + height, left : left + width] = resize(ink, height, width)
    return (letter * (255 / letter.max())).astype(np.uint8)


def has(font: ImageFont.FreeTypeFont, sign: str) -> bool:
    """Whether a font has a sign, and it has ink."""
    mask = font.getmask(sign)
    return bool(mask.getbbox()) and bytes(mask) != bytes(font.getmask("\U0010ffff"))


def signs(font: ImageFont.FreeTypeFont) -> list[str]:
    """Letters of `SCRIPTS` that a font has."""
    wanted = (chr(code) for low, high in SCRIPTS for code in range(low, high + 1))
    return [sign for sign in wanted if unicodedata.category(sign).startswith("L") and has(font, sign)]


def side_by_side(digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Digits, 84 pixels high, in a row on shaded paper: uint8[200, 400]."""
    ink, apart = np.zeros((200, 400), np.float32), int(rng.integers(75, 120))
    for place, digit in enumerate(digits):
        left, top = 20 + place * apart, int(rng.integers(50, 62))
        part = ink[top : top + 84, left : left + 84]
        np.maximum(part, resize(digit.astype(np.float32), 84, 84), out=part)
    shade = 225 - 20 * np.linspace(0, 1, 400) + rng.normal(0, 2, ink.shape)
    return np.clip(shade - 0.6 * ink, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--blank", type=Path, required=True, help="a folder of pictures of paper without ink")
    parser.add_argument("--objects", type=Path, required=True, help="an .npz with x: uint8[N, 28, 28]")
    parser.add_argument("--fonts", type=Path, nargs="+", required=True)
    parser.add_argument("--bundle", type=Path, help="the package's model unless given")
    options = parser.parse_args()
    classifier = Classifier.load(options.bundle)
    rng, test = np.random.default_rng(0), read_dataset(options.data, part="test")
    fonts = [ImageFont.truetype(path, SIZE) for path in options.fonts]
    turns = (-6, 0, 6)
    with np.load(options.objects) as arrays:
        objects = list(arrays["x"])
    kinds = {
        "written letters": LETTERS,
        "written letters like digits": ALIKE,
        "written digits of other scripts": [chr(zero + digit) for zero in ZEROS for digit in range(1, 10)],
    }
    sets = {
        "t10k": list(test.pixels),
        "blank paper": sorted(path for path in options.blank.iterdir() if not path.name.startswith(".")),
        "objects": objects,
        "noise": [rng.integers(0, 256, (side, side), dtype=np.uint8) for side in (28, 64, 200) for _ in range(200)],
        "letters": [drawn(sign, font, turn) for sign in LETTERS for font in fonts for turn in turns],
        "glyphs": [drawn(sign, font, turn) for font in fonts for sign in signs(font) for turn in turns],
        **{
            name: [written(sign, font, rng) for font in fonts for sign in of if has(font, sign) for _ in range(3)]
            for name, of in kinds.items()
        },
        "filled letters": [filled(sign, font) for font in fonts for sign in "ABCDEFGHIJ" if has(font, sign)],
        "several": [
            side_by_side(test.pixels[rng.integers(len(test), size=count)], rng) for count in (2, 3) for _ in range(200)
        ],
    }
    answers = {name: list(classifier.predict_many(pictures)) for name, pictures in sets.items()}
    known = familiar(answers["t10k"])
    rows = []
    for name, predictions in answers.items():
        reasons = Counter(prediction.reason for prediction in predictions)
        count = len(predictions)
        shares = [f"{reasons[r] / count:.1%}" for r in ("no ink", "several", "not like training data", "unsure")]
        other = familiar(predictions)
        auroc = "" if name == "t10k" else f"{mannwhitneyu(known, other).statistic / (len(known) * len(other)):.4f}"
        rows.append((name, f"{count:,}", f"{1 - reasons[None] / count:.2%}", *shares, auroc))
    header = ("pictures", "", "rejected", "no ink", "several", "not like training data", "unsure", "AUROC")
    print(table(header, rows))
    print("\nAUROC: of the familiarity, the two best classes' probability, to tell t10k from these (no ink: 0).\n")
    right = np.array([p.label == test.labels[t] for p, t in zip(answers["t10k"], test.targets, strict=True)])
    order = np.argsort([-prediction.score for prediction in answers["t10k"]], kind="stable")
    surest = ~right[order]
    print("Risk against coverage on t10k: of the surest answers, the share that is wrong.\n")
    risks = [f"{surest[: round(share * len(surest))].mean():.2%}" for share in COVERAGES]
    print(table(("coverage", *(f"{share:.1%}" for share in COVERAGES)), [("wrong", *risks)]))
    fast = classifier.predict_proba(test.pixels).argmax(axis=1) == test.targets
    print(f"\nt10k through predict: {right.mean():.2%}; through predict_proba: {fast.mean():.2%}")


def familiar(predictions: list[Prediction]) -> np.ndarray:
    return familiarity(np.stack([prediction.probabilities for prediction in predictions]))


if __name__ == "__main__":
    main()

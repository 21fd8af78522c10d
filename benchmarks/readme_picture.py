"""Draw the README's pictures: digits on uneven paper and the runtime's answers, one of them step by step, and a number.

python benchmarks/readme_picture.py docs/images/predictions.png docs/images/steps.png docs/images/numbers.png

The digits are from the embedded sample (MNIST); the paper is made up: grain, shade, squares and place are drawn at
random.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from written_numbers import Digits, number

from digits_edge.runtime import Classifier
from digits_edge.runtime.numbers.explain import draw_reading
from digits_edge.runtime.picture.explain import explain
from digits_edge.runtime.picture.resize import resize
from digits_edge.trainer import read_dataset

SEED = 93  # of the number: large, with signs


def on_paper(digit: np.ndarray, rng: np.random.Generator, squared: bool) -> np.ndarray:
    """A digit, uint8[28, 28], as dark ink somewhere on shaded paper, uint8[240, 240]."""
    side = int(rng.integers(90, 160))
    ink = np.zeros((240, 240), np.float32)
    row, column = rng.integers(8, 232 - side, 2)
    ink[row : row + side, column : column + side] = resize(digit.astype(np.float32), side, side) / 255
    if squared:
        for start in range(int(rng.integers(10, 40)), 240, 40):
            ink[start : start + 2] = np.maximum(ink[start : start + 2], 0.45)
            ink[:, start : start + 2] = np.maximum(ink[:, start : start + 2], 0.45)
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    shadow = 1 / (1 + np.exp(-8 * (x * rng.uniform(0.5, 1) + y - rng.uniform(0.2, 0.8))))
    shade = (230 - 50 * rng.random() * (x**2 + y**2)) * (1 - 0.35 * shadow)
    return np.clip(shade * (1 - rng.uniform(0.35, 0.75) * ink) + rng.normal(0, 2, ink.shape), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("steps", type=Path)
    parser.add_argument("numbers", type=Path)
    options = parser.parse_args()
    out = options.out
    rng, sample, classifier = np.random.default_rng(3), read_dataset("sample"), Classifier.load()
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    for column, (paper, pixels) in enumerate(figure.subplots(2, 10).T):
        picture = on_paper(sample.pixels[column * 500 + int(rng.integers(500))], rng, squared=column % 3 == 2)
        if column == 5:
            explain(classifier.find(picture), classifier.predict(picture), classifier.labels).save(options.steps)
        prediction, normalised = classifier.predict(picture), classifier.find(picture).pixels
        assert normalised is not None
        for axes, image in ((paper, picture), (pixels, normalised)):
            axes.imshow(image, cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
        pixels.set_xlabel(f"{prediction.label}\n{prediction.score:.3f}", fontsize=13)
    figure.axes[0].set_ylabel("picture", fontsize=11)
    figure.axes[10].set_ylabel("28 x 28", fontsize=11)
    out.parent.mkdir(exist_ok=True)
    figure.savefig(out, dpi=90)
    digits = Digits(sample.pixels, [sample.labels[target] for target in sample.targets])
    picture, _ = number(np.random.default_rng(SEED), digits, 5, 0.08, signs=0.35)
    draw_reading(picture, classifier.read(picture)).save(options.numbers)


if __name__ == "__main__":
    main()

"""Draw the README's picture: digits on uneven paper, what the runtime makes of them, and its answers.

python benchmarks/readme_picture.py docs/predictions.png

The digits are from the embedded sample (MNIST); the paper is made up: grain, shade and place are drawn at random.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from digits_edge.runtime import Classifier
from digits_edge.runtime.resize import resize
from digits_edge.trainer.datasets import read


def on_paper(digit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit, uint8[28, 28], as dark ink somewhere on shaded paper, uint8[160, 160]."""
    side = int(rng.integers(70, 120))
    ink = np.zeros((160, 160), np.float32)
    row, column = rng.integers(0, 160 - side, 2)
    ink[row : row + side, column : column + side] = resize(digit.astype(np.float32), side, side) / 255
    shade = 225 - 25 * np.linspace(0, 1, 160) * rng.random() + rng.normal(0, 3, (160, 160))
    return np.clip(shade - 150 * ink, 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    rng, sample, classifier = np.random.default_rng(3), read("sample"), Classifier.load()
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    for column, (paper, pixels) in enumerate(figure.subplots(2, 10).T):
        picture = on_paper(sample.pixels[column * 500 + int(rng.integers(500))], rng)
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


if __name__ == "__main__":
    main()

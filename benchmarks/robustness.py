"""Digits that are not MNIST's, to judge a model by: drawn ones, low-resolution ones, corrupted ones."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

from digits_edge.runtime import Classifier


def on_drawn(classifier: Classifier, path: Path) -> float:
    """Accuracy on an .npz of digits drawn dark on light, 28 x 28, each read as a picture of its own."""
    with np.load(path) as arrays:
        return _as_pictures(classifier, arrays["x"], arrays["y"])


def on_load_digits(classifier: Classifier) -> float:
    """Accuracy on scikit-learn's 1,797 digits by 13 writers, 8 x 8.

    They are enlarged fourfold, with straight lines between the pixels, and read as a user's pictures are: found, boxed
    and centred in 28 x 28. Nothing is trained or chosen by them.
    """
    return _as_pictures(classifier, enlarged_load_digits(), load_digits().target)


def enlarged_load_digits() -> np.ndarray:
    """uint8[1797, 48, 48], with a margin."""
    enlarged = ndimage.zoom(load_digits().images * 255 / 16, (1, 4, 4), order=1, grid_mode=True, mode="grid-constant")
    return np.pad(np.clip(np.rint(enlarged), 0, 255).astype(np.uint8), ((0, 0), (8, 8), (8, 8)))


def accuracy(classifier: Classifier, pixels: np.ndarray, targets: np.ndarray) -> float:
    """The share of pixels uint8[N, 28, 28] that are read as what they are."""
    return float((classifier.predict_proba(pixels).argmax(axis=1) == targets).mean())


def _as_pictures(classifier: Classifier, pictures: np.ndarray, targets: np.ndarray) -> float:
    answers = classifier.predict_many(list(pictures))
    return float(np.mean([answer.label == str(target) for answer, target in zip(answers, targets, strict=True)]))

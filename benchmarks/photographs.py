"""Photographs and scans of single digits, read by `predict`: right, accepted, right of those accepted; and the time.

python benchmarks/photographs.py --photos FOLDER --drawn drawn.npz --data mnist-idx-folder

FOLDER holds pictures and a labels.csv with the columns file, label and series; a series is counted under what stands
before its first hyphen. Also judged: an .npz of drawn digits, scikit-learn's load_digits (8 x 8 as they are, and
enlarged), and t10k. Nothing is trained by any of them. The times are those of finding and normalising in a 1000 x 1000
grey picture, decoding apart, and of `predict` with it as a JPEG in colour, one thread.
"""

import argparse
import csv
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from robustness import enlarged_load_digits
from sklearn.datasets import load_digits

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.finder import find_digit
from digits_edge.runtime.picture.shrink import to_grey
from digits_edge.trainer import read_dataset

TIMES = 20


def row(classifier: Classifier, name: str, pictures: Sequence[Any], labels: Sequence[str]) -> tuple[str, ...]:
    answers = list(classifier.predict_many(pictures))
    right = np.array([answer.label == label for answer, label in zip(answers, labels, strict=True)])
    accepted = np.array([answer.accepted for answer in answers])
    kept = f"{right[accepted].mean():.1%}" if accepted.any() else "–"
    return name, f"{len(right):,}", f"{right.mean():.2%}", f"{(~right).sum()}", f"{accepted.mean():.1%}", kept


def milliseconds(function: Callable[[Any], Any], argument: Any) -> float:
    """The least of several times, in which other work on the machine counts least."""
    spent = []
    for _ in range(TIMES):
        start = time.perf_counter()
        function(argument)
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent)


def jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of pictures with a labels.csv")
    parser.add_argument("--drawn", type=Path, required=True, help="an .npz of drawn digits: x uint8[N, 28, 28], y")
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--bundle", type=Path, help="the package's model unless given")
    options = parser.parse_args()
    classifier = Classifier.load(options.bundle)
    with (options.photos / "labels.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    rows = []
    for kind in sorted({entry["series"].partition("-")[0] for entry in listed}):
        chosen = [entry for entry in listed if entry["series"].partition("-")[0] == kind]
        paths, labels = [options.photos / entry["file"] for entry in chosen], [entry["label"] for entry in chosen]
        rows.append(row(classifier, kind, paths, labels))
    with np.load(options.drawn) as arrays:
        rows.append(row(classifier, "drawn", list(arrays["x"]), [str(label) for label in arrays["y"]]))
    scans = load_digits()
    labels = [str(label) for label in scans.target]
    small = np.rint(scans.images * 255 / 16).astype(np.uint8)
    rows.append(row(classifier, "load_digits, 8 x 8", list(small), labels))
    rows.append(row(classifier, "load_digits, enlarged", list(enlarged_load_digits()), labels))
    test = read_dataset(options.data, part="test")
    rows.append(row(classifier, "t10k", list(test.pixels), [test.labels[target] for target in test.targets]))
    print(table(("pictures", "", "right", "wrong", "accepted", "right of those"), rows))
    fast = classifier.predict_proba(test.pixels).argmax(axis=1) == test.targets
    print(f"\nt10k through predict_proba: {fast.mean():.2%}")
    paths = [options.photos / entry["file"] for entry in listed[:: max(1, len(listed) // 20)]]
    pictures = [Image.open(path).convert("RGB").resize((1000, 1000)) for path in paths]
    found = [milliseconds(find_digit, to_grey(np.asarray(picture))) for picture in pictures]
    answered = [milliseconds(classifier.predict, jpeg(picture)) for picture in pictures]
    print(f"1000 x 1000 grey pixels to 28 x 28: {np.median(found):.1f} ms, {max(found):.1f} ms at most")
    print(f"a JPEG of 1000 x 1000 answered: {np.median(answered):.1f} ms, {max(answered):.1f} ms at most")


if __name__ == "__main__":
    main()

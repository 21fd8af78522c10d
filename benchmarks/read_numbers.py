"""Numbers read by `read`: whole numbers right, digits right, accepted, and right of those accepted; and the time.

python benchmarks/read_numbers.py --data mnist-idx-folder --pictures FOLDER FOLDER

Each folder holds pictures and a labels.csv with the columns file, label and kind: in a label, _ or a space divides
numbers, and - or / divides lines. Strings are made of the digits that the released models were validated with, so what
`read` was built with is judged by them; the pictures are by other hands. Spaces within a line do not count.
"""

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from written_numbers import Digits, Pixels, number

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.resize import resize
from digits_edge.trainer import read_dataset
from digits_edge.trainer.datasets.split import split

MANIFEST = Path(__file__).parents[1] / "artifacts" / "compact" / "manifest.json"
GAPS = {"wide apart": 0.25, "apart": 0.1, "touching": 0.0, "overlap 5 %": -0.05, "overlap 12 %": -0.12}
LENGTHS = (1, 2, 3, 5, 8)
SIGNS = 0.3
FIELD = 400, 1000  # height and width of the pictures whose time is shown apart


@dataclass(frozen=True)
class Answer:
    """One picture's answer beside what it shows, both without spaces."""

    text: str
    label: str
    accepted: bool
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the whole number is right."""
        return self.text == self.label


def answer(classifier: Classifier, picture: Any, label: str) -> Answer:
    start = time.perf_counter()
    reading = classifier.read(picture)
    seconds = time.perf_counter() - start
    return Answer(reading.text.replace(" ", ""), label, reading.accepted, seconds)


def edits(one: str, other: str) -> int:
    """The least number of characters to change, add or remove (Levenshtein 1966)."""
    before = list(range(len(other) + 1))
    for row, character in enumerate(one, 1):
        line = [row]
        for column, wanted in enumerate(other, 1):
            changed = before[column - 1] + (character != wanted)
            line.append(min(before[column] + 1, line[-1] + 1, changed))
        before = line
    return before[-1]


def row(name: str, answers: list[Answer]) -> tuple[str, ...]:
    right = np.array([one.right for one in answers])
    accepted = np.array([one.accepted for one in answers])
    digits = 1 - sum(edits(one.text, one.label) for one in answers) / sum(len(one.label) for one in answers)
    kept = f"{right[accepted].mean():.1%}" if accepted.any() else "–"
    milliseconds = 1000 * float(np.median([one.seconds for one in answers]))
    counts = f"{right.sum()} of {len(right)}"
    return name, counts, f"{right.mean():.1%}", f"{digits:.1%}", f"{accepted.mean():.1%}", kept, f"{milliseconds:.0f}"


HEAD = ("pictures", "right", "", "digits right", "accepted", "right of those", "ms")


def of_folder(classifier: Classifier, folder: Path, show: bool) -> Iterable[tuple[str, ...]]:
    kinds: dict[str, list[Answer]] = defaultdict(list)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for entry in csv.DictReader(file):
            label = entry["label"].replace("_", "").replace(" ", "").replace("-", "\n").replace("/", "\n")
            one = answer(classifier, str(folder / entry["file"]), label)
            kinds[entry["kind"]].append(one)
            if show and not one.right:
                print(f"{entry['file']}: {label!r} read as {one.text!r}, {'accepted' if one.accepted else 'unsure'}")
    for kind in sorted(kinds):
        yield row(f"{folder.name}, {kind}", kinds[kind])
    yield row(f"{folder.name}, all", [one for answers in kinds.values() for one in answers])


def of_strings(classifier: Classifier, digits: Digits, count: int, seed: int) -> Iterable[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    for name, gap, signs in [*((name, gap, 0.0) for name, gap in GAPS.items()), ("with signs", 0.12, SIGNS)]:
        every = []
        for length in LENGTHS if gap > 0 else LENGTHS[1:]:
            drawn = (number(rng, digits, length, gap, signs=signs) for _ in range(count))
            answers = [answer(classifier, picture, text) for picture, text in drawn]
            yield row(f"{name}, {length}", answers)
            every += answers
        yield row(f"{name}, all", every)
    drawn = (number(rng, digits, 5, GAPS["apart"]) for _ in range(count))
    yield row(
        f"apart, 5, {FIELD[1]} x {FIELD[0]} pixels",
        [answer(classifier, in_field(picture), text) for picture, text in drawn],
    )


def in_field(picture: Pixels) -> Pixels:
    """A picture enlarged to the size of `FIELD`, on paper of its median shade."""
    scale = min(side / own for side, own in zip(FIELD, picture.shape, strict=True))
    height, width = (int(side * scale) for side in picture.shape)
    field = np.full(FIELD, np.median(picture), np.uint8)
    top, left = (FIELD[0] - height) // 2, (FIELD[1] - width) // 2
    field[top : top + height, left : left + width] = resize(picture.astype(np.float32), height, width)
    return field


def validation_digits(data: str) -> Digits:
    """The digits that the released models were validated with, and not trained."""
    whole = read_dataset(data, part="train")
    rule = json.loads(MANIFEST.read_text(encoding="utf-8"))["provenance"]["run"]["split"]
    held = split(whole, rule["fraction"], rule["seed"]).validation
    return Digits(whole.pixels[held], [whole.labels[target] for target in whole.targets[held]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder with MNIST's IDX files, or mnist, for strings of validation digits")
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], help="folders of pictures with a labels.csv")
    parser.add_argument("--count", type=int, default=100, help="strings of each length")
    parser.add_argument("--seed", type=int, default=16, help="of the strings")
    parser.add_argument("--bundle", type=Path, help="the package's model unless given")
    parser.add_argument("--show", action="store_true", help="print each picture that is read wrongly")
    options = parser.parse_args()
    classifier = Classifier.load(options.bundle)
    rows = [line for folder in options.pictures for line in of_folder(classifier, folder, options.show)]
    if options.data:
        rows += of_strings(classifier, validation_digits(options.data), options.count, options.seed)
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()

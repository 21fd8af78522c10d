"""Made-up pictures of hard kinds, through `predict` and `read`.

python benchmarks/hard.py --pictures FOLDER

FOLDER holds pictures and a labels.csv with the columns file, label and kind. `predict` means one digit: of a picture of
several, it has to say so. A picture is wrongly accepted if an accepted answer is not what it shows.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from digits_edge.common.tables import table
from digits_edge.runtime import Classifier

SEVERAL = "several"


def judged(classifier: Classifier, picture: str, label: str) -> tuple[bool, bool, bool, bool]:
    """Whether `predict` is right, and wrongly accepts; the same of `read`."""
    prediction, reading = classifier.predict(picture), classifier.read(picture)
    digits = "".join(filter(str.isdigit, label))
    single = prediction.label == digits if len(digits) == 1 else str(prediction.reason).startswith(SEVERAL)
    number = "".join(reading.text.split()) == digits
    return single, prediction.accepted and not single, number, reading.accepted and not number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures with a labels.csv")
    parser.add_argument("--bundle", type=Path, help="the package's model unless given")
    options = parser.parse_args()
    classifier = Classifier.load(options.bundle)
    kinds = defaultdict(list)
    with (options.pictures / "labels.csv").open(encoding="utf-8", newline="") as file:
        for entry in csv.DictReader(file):
            kinds[entry["kind"]].append(judged(classifier, str(options.pictures / entry["file"]), entry["label"]))
    rows = []
    for kind, all_judged in [*kinds.items(), ("all", [one for some in kinds.values() for one in some])]:
        single, accepted, number, relied = np.sum(all_judged, axis=0)
        count = len(all_judged)
        rows.append((kind, f"{single} of {count}", str(accepted), f"{number} of {count}", str(relied)))
    print(table(("kind", "predict: right", "wrongly accepted", "read: right", "wrongly accepted"), rows))


if __name__ == "__main__":
    main()

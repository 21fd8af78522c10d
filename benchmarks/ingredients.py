"""What each ingredient of the released models' training is worth, on the validation part of MNIST's training digits.

python benchmarks/ingredients.py --data mnist-idx-folder

`micro` is trained with a short schedule, and then with one thing changed, with two seeds each, on 48,000 digits. Judged
are the other 12,000; the same made harder to read, as benchmarks/corruptions.py does it, without the kinds that are
held out; the same stretched to squares of 16 x 16 pixels; and flagged ones and barred sevens of the simulated hands of
benchmarks/teach.py. The teacher is the released `compact`, which has learnt most of the 12,000. What is finished stays:
the command can be stopped and given again.
"""

import argparse
import re

import numpy as np
from corruptions import CORRUPTIONS, HELD_OUT, corrupt
from release import PUBLISHED, RUNS, SEEDS, digits_edge
from teach import as_usps, strokes

from digits_edge.common.keras_models import load_model, predict_logits
from digits_edge.common.numerics import cross_entropy
from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.trainer import Run
from digits_edge.trainer.fitting.checkpoint import checkpoint_path

TEACHER = ("--teacher", PUBLISHED / "compact" / "model.keras", "--views", RUNS / "views")
SHORT = ("--set", "epochs=8", "--set", "gentle_epochs=2")
LONG = ("--set", "epochs=24", "--set", "gentle_epochs=6")
MORE_DECAY = ("--set", "weight_decay=0.05")
VARIANTS = {
    "8 epochs": SHORT,
    "one teacher": (*SHORT, *TEACHER),
    "no outliers": (*SHORT, "--set", "outliers=0"),
    "no drawn digits": (*SHORT, "--set", "hands=0"),
    "more drawn digits (0.15)": (*SHORT, "--set", "hands=0.15"),
    "no stretched digits": (*SHORT, "--set", "augmentation.stretch=0"),
    "no gentle epochs": (*SHORT, "--set", "gentle_epochs=0"),
    "more weight decay (0.05)": (*SHORT, *MORE_DECAY),
    "24 epochs": LONG,
    "24 epochs, more weight decay (0.05)": (*LONG, *MORE_DECAY),
    "24 epochs, one teacher": (*LONG, *TEACHER),
}
Labelled = tuple[np.ndarray, np.ndarray]  # uint8[N, 28, 28] and int64[N]


def judged_by(run: Run) -> dict[str, Labelled]:
    """Pictures to judge by, which are the same for all runs."""
    pixels, targets = run.validation()
    finder = Classifier.load()
    squares = [finder.find(np.pad(as_usps(picture), 24)).pixels for picture in pixels]
    kept = [place for place, found in enumerate(squares) if found is not None]
    kinds = [kind for kind in CORRUPTIONS if kind not in HELD_OUT]
    signs = strokes(finder, "1", "7")
    return {
        "wrong": (pixels, targets),
        "harder": (np.concatenate([corrupt(pixels, kind) for kind in kinds]), np.tile(targets, len(kinds))),
        "squares": (np.stack([squares[place] for place in kept]), targets[kept]),
        "flagged 1, barred 7": (signs.pixels, signs.labels.astype(int)),
    }


def judge(run: Run, sets: dict[str, Labelled]) -> list[float]:
    """The share of each set that is read wrong, and the validation loss."""
    network = load_model(run.model_path)
    answers = [(predict_logits(network, pixels), targets) for pixels, targets in sets.values()]
    return [*((logits.argmax(axis=1) != targets).mean() for logits, targets in answers), cross_entropy(*answers[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's IDX files, or mnist to download them")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS[:2])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rows, sets = [], {}
    for name, words in VARIANTS.items():
        figures = []
        for seed in options.seeds:
            out = RUNS / "ingredients" / f"{re.sub(r'[^0-9a-z.]+', '-', name)}-{seed}"
            if not (out / "run.json").exists():
                resume = ("--resume",) if checkpoint_path(out).exists() else ()
                usual = ("--data", options.data, "--recipe", "micro", "--seed", seed, "--validation-fraction", 0.2)
                digits_edge("train", *usual, *words, "--out", out, *resume, threads=options.threads)
            sets = sets or judged_by(Run.open(out))
            figures.append(judge(Run.open(out), sets))
        *wrong, loss = np.mean(figures, axis=0)
        rows.append((name, *(f"{share:.2%}" for share in wrong), f"{loss:.4f}"))
        print(*rows[-1], flush=True)
    print(table(("micro", *sets, "loss"), rows))


if __name__ == "__main__":
    main()

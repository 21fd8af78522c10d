"""What a released model learns by fine-tuning on a few pictures, what it forgets, and how long that takes.

python benchmarks/adapt.py --data shared/mnist
python benchmarks/adapt.py --data shared/mnist --choose --set learning_rate=3e-4

For 5, 10 and 20 pictures of each class of a kind of digits, drawn at random: accuracy on the rest of the kind before
and after, and how t10k's changed, at worst. The kinds are those of benchmarks/teach.py, whose simulated hands are each
learnt alone. `--choose` measures what the recipe was chosen by instead: other hands that write other signs, and how
the accuracy on the rehearsed validation pictures changed.
`--time` measures the processor's seconds alone: of fine-tuning, with and without folds, and of one epoch of `compact`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from teach import SIGNS, Kind, _found, draw, like_usps, low_resolution

from digits_edge.common.keras_models import load_model, predict_logits
from digits_edge.runtime import Classifier
from digits_edge.trainer import RECIPES, Recipe, Run, TrainOptions, train
from digits_edge.trainer.datasets import split
from digits_edge.trainer.datasets.idx import read_array
from digits_edge.trainer.released import model_file
from digits_edge.trainer.run_info import Judged

COUNTS = (5, 10, 20)
EACH = 60  # pictures of each sign in each hand
HANDS = (0, 1, 2, 3)
OTHER_HANDS = (20, 22)  # that compact reads wrongly now and then
Test = tuple[np.ndarray, np.ndarray]  # pixels uint8[N, 28, 28] and targets
# A zero with a stroke through it, a two without a foot, a four that is open and crossed, a nine like a hook.
OTHER_SIGNS = {
    "0": [[(0.5, 0), (0.05, 0.25), (0.05, 0.75), (0.5, 1), (0.95, 0.75), (0.95, 0.25), (0.5, 0)], [(0.1, 1), (0.9, 0)]],
    "2": [[(0.1, 0.2), (0.5, 0.0), (0.85, 0.3), (0.1, 1.0)], [(0.1, 1.0), (0.5, 0.9)]],
    "4": [[(0.2, 0.0), (0.1, 0.6), (0.95, 0.55)], [(0.75, 0.1), (0.7, 1.0)]],
    "9": [[(0.8, 0.1), (0.3, 0.0), (0.15, 0.35), (0.75, 0.3), (0.8, 0.05), (0.75, 0.8), (0.2, 1.0)]],
}


def written(classifier: Classifier, signs: str, hands: tuple[int, ...]) -> Kind:
    """Drawn signs in some hands, found as in any picture."""
    rng = np.random.default_rng(1)
    rows = [(draw(sign, h, rng), sign, h) for h in hands for sign in signs for _ in range(EACH)]
    return _found(classifier, *([row[part] for row in rows] for part in range(3)))


def adapted(recipe: Recipe, init: str, folder: Path, **pictures: np.ndarray) -> Run:
    """A released model, fine-tuned; without a validation part, the pictures are judged by folds."""
    np.savez(folder / "own.npz", **pictures)
    run = folder / "run"
    options = TrainOptions(
        str(folder / "own.npz"), recipe, run, init=Path(init), also="sample", max_forgetting=1, force=True
    )
    with contextlib.redirect_stderr(io.StringIO()):
        return train(options)


def accuracy(file: Path, pixels: np.ndarray, targets: np.ndarray) -> float:
    """In percent."""
    return 100 * float((predict_logits(load_model(file), pixels).argmax(axis=1) == targets).mean())


def change(judged: Judged) -> float:
    """Of the accuracy, in points."""
    return 100 * (judged.wrong_before - judged.wrong) / judged.pictures


def measure(recipe: Recipe, init: str, kind: Kind, test: Test | None, folder: Path) -> list[str]:
    """A row of the table: before and after each number of pictures, with the worst change on the test pictures."""
    (pixels, labels, hands), cells = kind, []
    unchanged, targets = test and accuracy(model_file(Path(init)), *test), labels.astype(np.int64)
    for count in COUNTS:
        shares, lost = [], []
        for writer in np.unique(hands):
            rng, own = np.random.default_rng([count, writer]), np.flatnonzero(hands == writer)
            groups = [rng.permutation(own[labels[own] == label]) for label in np.unique(labels[own])]
            chosen, rest = (np.concatenate([group[part] for group in groups]) for part in np.s_[:count, count:])
            learnt = {"x_train": pixels[chosen], "y_train": targets[chosen]}
            run = adapted(recipe, init, folder, **learnt, x_val=pixels[rest], y_val=targets[rest])
            judged = run.info.adaptation.own
            shares.append([100 - 100 * wrong / judged.pictures for wrong in (judged.wrong_before, judged.wrong)])
            lost.append(accuracy(run.model_path, *test) - unchanged if test else change(run.info.adaptation.rehearsed))
        before, after = np.mean(shares, axis=0)
        cells.append(f"{before:.1f} → {after:.1f} ({min(lost):+.2f})")
    return cells


def seconds(recipe: Recipe, init: str, kind: Kind, folder: Path) -> None:
    """Print the processor's and the clock's seconds of fine-tuning on 20 pictures, and of an epoch of `compact`."""
    pixels, labels = (part[np.concatenate([np.arange(10), np.arange(EACH, EACH + 10)])] for part in kind[:2])
    own = {"x_train": pixels, "y_train": labels.astype(np.int64)}
    epochs = [replace(RECIPES["compact"], epochs=count) for count in (1, 3)]
    runs = {
        "20 pictures, with folds": lambda: adapted(recipe, init, folder, **own),
        "20 pictures, held out": lambda: adapted(recipe, init, folder, **own, x_val=pixels, y_val=own["y_train"]),
        "compact, 1 epoch of sample": lambda: train(TrainOptions("sample", epochs[0], folder / "run", force=True)),
        "compact, 3 epochs of sample": lambda: train(TrainOptions("sample", epochs[1], folder / "run", force=True)),
    }
    for name, run in runs.items():
        clock, processor = time.perf_counter(), time.process_time()
        run()
        print(f"{name}: {time.perf_counter() - clock:.0f} s, of the processor {time.process_time() - processor:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with MNIST's t10k")
    parser.add_argument("--init", default="compact", help="the released model to start from (compact)")
    parser.add_argument("--choose", action="store_true", help="measure the hands that the recipe was chosen by")
    parser.add_argument("--time", action="store_true", help="measure times only")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change the recipe adapt")
    parser.add_argument("--own-share", type=float, default=split.OWN_SHARE, help="of the pictures of an epoch")
    parser.add_argument("--rehearsed", type=int, default=split.REHEARSED, help="pictures of an epoch, at least")
    arguments = parser.parse_args()
    split.OWN_SHARE, split.REHEARSED = arguments.own_share, arguments.rehearsed
    recipe, classifier = RECIPES["adapt"], Classifier.load()
    for change in arguments.set:
        recipe = recipe.override(*change.split("="))
    images, labels = (min(arguments.data.glob(f"t10k-{kind}*")) for kind in ("images", "labels"))
    test = read_array(images), read_array(labels).astype(np.int64)
    SIGNS.update(OTHER_SIGNS)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.time:
            seconds(recipe, arguments.init, written(classifier, "71", HANDS[:1]), Path(folder))
            return
        kinds = {"other signs": lambda: written(classifier, "0249", OTHER_HANDS)}
        if not arguments.choose:
            kinds = {
                "sevens with a bar, ones with a flag": lambda: written(classifier, "71", HANDS),
                "load_digits": lambda: low_resolution(classifier),
                "like USPS": lambda: like_usps(classifier),
            }
        print("| learnt, in % (t10k, in points) |", " | ".join(f"{count} each" for count in COUNTS), "|")
        print("|---|" + "--:|" * len(COUNTS))
        for name, kind in kinds.items():
            cells = measure(recipe, arguments.init, kind(), None if arguments.choose else test, Path(folder))
            print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()

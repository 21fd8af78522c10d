"""What a released model learns by fine-tuning on a few pictures, what it forgets, and how long that takes.

python benchmarks/adapt.py --data mnist-idx-folder
python benchmarks/adapt.py --data mnist-idx-folder --choose --set learning_rate=3e-4

For 5, 10 and 20 pictures of each class of a kind of digits, drawn at random: accuracy on the rest of the kind before
and after, and in brackets how the accuracy on t10k and on the rehearsed validation pictures changed, each at worst.
The kinds are those of benchmarks/teach.py, whose simulated hands are each learnt alone. `--choose` measures what the
recipe was chosen by instead: other hands that write other signs, and the rehearsed pictures, not t10k. `--time`
measures the seconds of fine-tuning with folds, and those of `compact`, by the clock and of the processor.
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
from teach import EACH, SIGNS, Judged, as_usps, low_resolution, restyled, strokes

from digits_edge.common.keras_models import predict_logits
from digits_edge.runtime import Classifier
from digits_edge.trainer import RECIPES, Recipe, TrainOptions, read_dataset, train
from digits_edge.trainer.datasets import split
from digits_edge.trainer.datasets.idx import read_array
from digits_edge.trainer.fitting.fit import FitPlan, fit, state_of
from digits_edge.trainer.fitting.folds import state
from digits_edge.trainer.pipeline import _build as build
from digits_edge.trainer.pipeline import _training_pictures as training_pictures

COUNTS = (5, 10, 20)
OTHER_HANDS = 20  # the first of four
Test = tuple[np.ndarray, np.ndarray]  # pixels uint8[N, 28, 28] and targets
# A zero with a stroke through it, a two without a foot, a four that is open and crossed, a nine like a hook.
OTHER_SIGNS = {
    "0": [[(0.5, 0), (0.05, 0.25), (0.05, 0.75), (0.5, 1), (0.95, 0.75), (0.95, 0.25), (0.5, 0)], [(0.1, 1), (0.9, 0)]],
    "2": [[(0.1, 0.2), (0.5, 0.0), (0.85, 0.3), (0.1, 1.0)], [(0.1, 1.0), (0.5, 0.9)]],
    "4": [[(0.2, 0.0), (0.1, 0.6), (0.95, 0.55)], [(0.75, 0.1), (0.7, 1.0)]],
    "9": [[(0.8, 0.1), (0.3, 0.0), (0.15, 0.35), (0.75, 0.3), (0.8, 0.05), (0.75, 0.8), (0.2, 1.0)]],
}


class Learner:
    """A released model that is fine-tuned again and again, each time from its start, as `digits-edge train` does."""

    def __init__(self, recipe: Recipe, init: str) -> None:
        options = TrainOptions("own", recipe, Path("run"), init=Path(init), also="sample")
        self.others = split.split(read_dataset("sample"), options.validation_fraction, options.split_seed)
        parts = split.rehearsing(self.others, self.others)
        self.model = build(options, parts.dataset, training_pictures(options, parts), "cpu")
        self.plan = FitPlan(self.model, ((), ()), ((), ()), options.seed, Path(), {})
        self.start = state(self.plan)

    def learn(
        self, pixels: np.ndarray, targets: np.ndarray, chosen: np.ndarray, rest: np.ndarray
    ) -> tuple[float, float]:
        """Start anew and fine-tune on the chosen pictures; accuracy on the rest before and after."""
        self.restart()
        before = self.accuracy(pixels[rest], targets[rest])
        own = replace(self.others.dataset, pixels=pixels, targets=targets)
        parts = split.rehearsing(split.Split(own, chosen, rest), self.others)
        training = parts.dataset.take(parts.epoch(self.model.recipe.batch_size))
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            fit(replace(self.plan, training=training, validation=own.take(rest), checkpoint=Path(folder, "fit.npz")))
        return before, self.accuracy(pixels[rest], targets[rest])

    def restart(self) -> None:
        """Be the released model again."""
        for variable, value in zip(state_of(self.plan), self.start, strict=True):
            variable.assign(value)

    def accuracy(self, pixels: np.ndarray, targets: np.ndarray) -> float:
        """In percent, as the model is now."""
        return 100 * float((predict_logits(self.model.network, pixels).argmax(axis=1) == targets).mean())


def measure(learner: Learner, kind: Judged, test: Test, counts: tuple[int, ...]) -> list[str]:
    """A row of the table: before and after each number of pictures, with the worst changes on other pictures."""
    (pixels, labels, hands), cells = kind[:3], []
    learner.restart()
    rehearsed = learner.others.dataset.take(learner.others.validation)
    unchanged = [learner.accuracy(*pictures) for pictures in (test, rehearsed)]
    targets = labels.astype(np.int64)
    for count in counts:
        shares, lost = [], []
        for writer in np.unique(hands):
            rng, own = np.random.default_rng([count, writer]), np.flatnonzero(hands == writer)
            groups = [rng.permutation(own[labels[own] == label]) for label in np.unique(labels[own])]
            chosen, rest = (np.concatenate([group[part] for group in groups]) for part in np.s_[:count, count:])
            shares.append(learner.learn(pixels, targets, chosen, rest))
            now = [learner.accuracy(*pictures) for pictures in (test, rehearsed)]
            lost.append(np.subtract(now, unchanged))
        before, after = np.mean(shares, axis=0)
        cells.append(f"{before:.1f} → {after:.1f} ({', '.join(f'{worst:+.2f}' for worst in np.min(lost, axis=0))})")
    return cells


def seconds(kind: Judged, folder: Path) -> None:
    """Print the clock's and the processor's seconds of fine-tuning on 20 pictures, and of an epoch of `compact`."""
    pixels, labels = (part[np.concatenate([np.arange(10), np.arange(EACH, EACH + 10)])] for part in kind[:2])
    np.savez(folder / "own.npz", x=pixels, y=labels.astype(np.int64))
    own, compact = str(folder / "own.npz"), RECIPES["compact"]
    jobs = {
        "20 pictures, with folds": TrainOptions(
            own, RECIPES["adapt"], folder / "a", init=Path("compact"), also="sample"
        ),
        "compact, 1 epoch of sample": TrainOptions("sample", replace(compact, epochs=1, gentle_epochs=0), folder / "b"),
        "compact, 3 epochs of sample": TrainOptions(
            "sample", replace(compact, epochs=3, gentle_epochs=0), folder / "c"
        ),
    }
    for name, options in jobs.items():
        clock, processor = time.perf_counter(), time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            train(options)
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
    SIGNS.update(OTHER_SIGNS)
    if arguments.time:
        with tempfile.TemporaryDirectory() as folder:
            seconds(strokes(classifier, "7", "1"), Path(folder))
        return
    learner = Learner(recipe, arguments.init)
    images, labels = (min(arguments.data.glob(f"t10k-{kind}*")) for kind in ("images", "labels"))
    test, counts = (read_array(images), read_array(labels).astype(np.int64)), COUNTS
    kinds = {
        "sevens with a bar, ones with a flag": lambda: strokes(classifier, "7", "1"),
        "load_digits": lambda: low_resolution(classifier),
        "like USPS": lambda: restyled(classifier, as_usps, 3),
    }
    if arguments.choose:
        kinds, counts = {"other signs": lambda: strokes(classifier, *OTHER_SIGNS, first=OTHER_HANDS)}, COUNTS[1:2]
        test = learner.others.dataset.take(learner.others.validation)
    print("| learnt, in % (test, rehearsed, in points) |", " | ".join(f"{count} each" for count in counts), "|")
    print("|---|" + "--:|" * len(counts))
    for name, kind in kinds.items():
        print(f"| {name} |", " | ".join(measure(learner, kind(), test, counts)), "|", flush=True)


if __name__ == "__main__":
    main()

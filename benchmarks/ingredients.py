"""What each ingredient of the released models' training is worth, on the validation part of MNIST's training digits.

python benchmarks/ingredients.py --data mnist-idx-folder

`micro` is trained with a shorter schedule, with all ingredients and then without one of them or with more of it, with
two seeds each. Columns: validation pictures that are read wrong, the validation loss, those read wrong when made harder
to read (as benchmarks/corruptions.py does it, without the kinds that are held out), and flagged ones and barred sevens
of the simulated hands of benchmarks/teach.py that are read as such. The teachers are the notebooks of `make release`,
which come first. What is finished stays: the command can be stopped and given again.
"""

import argparse
from pathlib import Path

import numpy as np
from corruptions import CORRUPTIONS, HELD_OUT, corrupt
from release import RUNS, SEEDS, TEACHER, digits_edge, run_folder
from teach import strokes

from digits_edge.common.keras_models import load_model, predict_logits
from digits_edge.common.numerics import cross_entropy
from digits_edge.common.tables import table
from digits_edge.runtime import Classifier
from digits_edge.trainer import Run
from digits_edge.trainer.fitting.checkpoint import checkpoint_path

TAUGHT = [word for seed in SEEDS for word in ("--teacher", run_folder(TEACHER, seed))]
SHORT = ("--set", "epochs=16", "--set", "gentle_epochs=4")
VARIANTS = {
    "all": (*TAUGHT, *SHORT),
    "one teacher": (*TAUGHT[:2], *SHORT),
    "no teachers": SHORT,
    "no outliers": (*TAUGHT, *SHORT, "--set", "outliers=0"),
    "no drawn digits": (*TAUGHT, *SHORT, "--set", "hands=0"),
    "more drawn digits (0.15)": (*TAUGHT, *SHORT, "--set", "hands=0.15"),
    "no gentle epochs": (*TAUGHT, "--set", "epochs=16", "--set", "gentle_epochs=0"),
    "three times as long": (*TAUGHT, "--set", "epochs=48", "--set", "gentle_epochs=12"),
}


def judge(run: Run) -> tuple[float, float, float, float]:
    """The columns of the table, of one run."""
    pixels, targets = run.validation()
    network = load_model(run.model_path)

    def wrong(pictures: np.ndarray) -> float:
        return float((predict_logits(network, pictures).argmax(axis=1) != targets).sum())

    harder = np.mean([wrong(corrupt(pixels, kind)) for kind in CORRUPTIONS if kind not in HELD_OUT])
    signs = strokes(Classifier.load(), "1", "7")  # only finds them
    read = predict_logits(network, signs.pixels).argmax(axis=1).astype(str) == signs.labels
    return wrong(pixels), cross_entropy(predict_logits(network, pixels), targets), float(harder), float(read.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's IDX files, or mnist to download them")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS[:2])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rows = []
    for name, words in VARIANTS.items():
        figures = []
        for seed in options.seeds:
            out = RUNS / "ingredients" / f"{'-'.join(name.split(' (')[0].split())}-{seed}"
            if not (out / "run.json").exists():
                resume = ("--resume",) if checkpoint_path(out).exists() else ()
                usual = ("--data", options.data, "--recipe", "micro", "--seed", seed, "--validation-fraction", 0.05)
                kept = ("--views", Path(RUNS, "views")) if "--teacher" in words else ()
                digits_edge("train", *usual, *words, *kept, "--out", out, *resume, threads=options.threads)
            figures.append(judge(Run.open(out)))
        wrong, loss, harder, read = np.mean(figures, axis=0)
        rows.append((name, f"{wrong:.1f}", f"{loss:.4f}", f"{harder:.1f}", f"{read:.1%}"))
        print(*rows[-1], flush=True)
    print(table(("micro, 16 epochs", "wrong of 3,000", "loss", "wrong of 3,000 harder", "flagged 1, barred 7"), rows))


if __name__ == "__main__":
    main()

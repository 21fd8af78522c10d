"""Judge the released models, every seed of them, and print the tables of docs/reference/benchmarks.md.

python benchmarks/released.py --data mnist-idx-folder --drawn drawn.npz

With --cards it writes the model cards, too. The runs are those of `make release`. Nothing was chosen by what is judged
by here.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from corruptions import CORRUPTIONS, HELD_OUT, corrupt
from model_cards import write_card
from release import RECIPES, SEEDS, run_folder
from robustness import accuracy, on_drawn, on_load_digits

from digits_edge.common.numerics import expected_calibration_error
from digits_edge.common.tables import table
from digits_edge.export.engines.model_files import open_models
from digits_edge.runtime import Classifier
from digits_edge.trainer import Run, read_dataset

FILES = ("model.onnx", "model.int8.onnx", "model.int8.tflite")


@dataclass(frozen=True)
class Figures:
    """Of one seed of a model: accuracies on t10k by file; then of the int8 ONNX alone."""

    t10k: dict[str, float]
    calibration_error: float
    corrupted: dict[str, float]
    load_digits: float
    drawn: float


def judge(run: Run, test: tuple[np.ndarray, np.ndarray], corrupted: dict[str, np.ndarray], drawn: Path) -> Figures:
    pixels, targets = test
    models = {model.file: model for model in open_models(run.path / "bundle").files}
    answers = {file: models[file].predict_proba(pixels) for file in FILES}
    classifier = Classifier.load(run.path / "bundle")
    return Figures(
        t10k={file: float((p.argmax(axis=1) == targets).mean()) for file, p in answers.items()},
        calibration_error=expected_calibration_error(answers["model.int8.onnx"], targets),
        corrupted={name: accuracy(classifier, changed, targets) for name, changed in corrupted.items()},
        load_digits=on_load_digits(classifier),
        drawn=on_drawn(classifier, drawn),
    )


def spread(values: list[float]) -> str:
    """Mean, and lowest to highest."""
    return f"{np.mean(values):.2%} ({100 * min(values):.2f}–{100 * max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    parser.add_argument("--drawn", type=Path, required=True, help="an .npz of drawn digits: x uint8[N, 28, 28], y")
    parser.add_argument("--cards", action="store_true", help="write artifacts/*/MODEL_CARD.md")
    options = parser.parse_args()
    test = read_dataset(options.data, part="test")
    corrupted = {name: corrupt(test.pixels, name) for name in CORRUPTIONS}
    rows, kinds, seeds = [], [], []
    for model in RECIPES:
        runs = [Run.open(run_folder(model, seed)) for seed in SEEDS if (run_folder(model, seed) / "run.json").exists()]
        figures = [judge(run, (test.pixels, test.targets), corrupted, options.drawn) for run in runs]
        first, bundle = runs[0].info, runs[0].path / "bundle"
        sizes = {file: (bundle / file).stat().st_size for file in FILES}
        mean = {name: float(np.mean([f.corrupted[name] for f in figures])) for name in CORRUPTIONS}
        rows.append(
            (
                model,
                str(len(runs)),
                f"{first.parameters:,}",
                f"{first.macs / 1e6:.2f} M",
                f"{first.activation_bytes:,}",
                f"{sizes['model.int8.onnx']:,}",
                f"{sizes['model.int8.tflite']:,}",
                spread([f.t10k["model.int8.onnx"] for f in figures]),
                f"{np.mean([f.drawn for f in figures]):.1%}",
                f"{np.mean([f.load_digits for f in figures]):.1%}",
                f"{np.mean(list(mean.values())):.1%}",
                f"{np.mean([f.calibration_error for f in figures]):.4f}",
                f"{np.mean([run.info.wall_seconds for run in runs]) / 60:.0f} min",
            )
        )
        kinds.append((model, *(f"{share:.1%}" for share in mean.values())))
        for run, f in zip(runs, figures, strict=True):
            validation = f"{run.info.metrics.val_accuracy:.2%}"
            seeds.append((f"{model}, {run.info.seed}", validation, *(f"{f.t10k[file]:.2%}" for file in FILES)))
        if options.cards:
            facts = dict(zip(HEADER[1:], rows[-1][1:], strict=True))
            each = dict(zip((kind for kind in CORRUPTIONS), kinds[-1][1:], strict=True))
            write_card(Path("artifacts", model), first, facts, each)
    print(table(HEADER, rows))
    print()
    print(table(("model", *(f"{kind}*" if kind in HELD_OUT else kind for kind in CORRUPTIONS)), kinds))
    print()
    print(table(("model, seed", "validation", *(f"t10k {file}" for file in FILES)), seeds))


HEADER = (
    "model",
    "seeds",
    "parameters",
    "MACs",
    "activations, bytes",
    "int8 ONNX, bytes",
    "int8 TFLite, bytes",
    "t10k, int8",
    "drawn",
    "load_digits",
    "corrupted",
    "calibration error",
    "training",
)

if __name__ == "__main__":
    main()

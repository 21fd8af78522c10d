"""Judge the released models, every seed of them, and print the tables of docs/reference/benchmarks.md.

python benchmarks/released.py --data mnist-idx-folder --drawn drawn.npz

With --cards it writes the model cards, too. Judged are the bundles in artifacts/, which are of the first seed, and the
int8 ONNX of the other seeds, as `make release` published them. Nothing was chosen by what is judged by here.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from corruptions import CORRUPTIONS, HELD_OUT, corrupt
from model_cards import write_card
from release import OTHERS, PUBLISHED
from robustness import accuracy, on_drawn, on_load_digits

from digits_edge.common.numerics import expected_calibration_error
from digits_edge.common.tables import table
from digits_edge.export.engines.model_files import open_models
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer import read_dataset
from digits_edge.trainer.released import NAMES

FILES = ("model.onnx", "model.int8.onnx", "model.int8.tflite")


Pictures = tuple[np.ndarray, np.ndarray]  # uint8[N, 28, 28] and int64[N]


@dataclass(frozen=True)
class Figures:
    """Of the int8 ONNX of one seed: accuracies, and the calibration error on t10k."""

    t10k: float
    calibration_error: float
    corrupted: dict[str, float]
    load_digits: float
    drawn: float


def judge(path: Path, test: Pictures, corrupted: dict[str, np.ndarray], drawn: Path) -> Figures:
    pixels, targets = test
    classifier = Classifier.load(path)
    return Figures(
        t10k=accuracy(classifier, pixels, targets),
        calibration_error=expected_calibration_error(classifier.predict_proba(pixels), targets),
        corrupted={name: accuracy(classifier, changed, targets) for name, changed in corrupted.items()},
        load_digits=on_load_digits(classifier),
        drawn=on_drawn(classifier, drawn),
    )


def by_file(bundle: Path, test: Pictures) -> list[str]:
    """Accuracy of each file of a bundle on t10k."""
    pixels, targets = test
    models = {model.file: model for model in open_models(bundle).files}
    return [f"{(models[file].predict_proba(pixels).argmax(axis=1) == targets).mean():.2%}" for file in FILES]


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
    pictures = (test.pixels, test.targets)
    corrupted = {name: corrupt(test.pixels, name) for name in CORRUPTIONS}
    rows, kinds, files = [], [], []
    for model in NAMES:
        bundle = PUBLISHED / model
        seeds = (bundle / "model.int8.onnx", *sorted(OTHERS.glob(f"{model}-*.onnx")))
        figures = [judge(path, pictures, corrupted, options.drawn) for path in seeds]
        run = Bundle.open(bundle).section("provenance")["run"]
        sizes = {file: (bundle / file).stat().st_size for file in FILES}
        mean = {name: float(np.mean([f.corrupted[name] for f in figures])) for name in CORRUPTIONS}
        rows.append(
            (
                model,
                str(len(seeds)),
                f"{run['parameters']:,}",
                f"{run['macs'] / 1e6:.2f} M",
                f"{run['activation_bytes']:,}",
                f"{sizes['model.int8.onnx']:,}",
                f"{sizes['model.int8.tflite']:,}",
                spread([f.t10k for f in figures]),
                f"{np.mean([f.drawn for f in figures]):.1%}",
                f"{np.mean([f.load_digits for f in figures]):.1%}",
                f"{np.mean(list(mean.values())):.1%}",
                f"{np.mean([f.calibration_error for f in figures]):.4f}",
            )
        )
        kinds.append((model, *(f"{share:.1%}" for share in mean.values())))
        files.append((f"{model}, {run['seed']}", f"{run['metrics']['val_accuracy']:.2%}", *by_file(bundle, pictures)))
        if options.cards:
            facts = dict(zip(HEADER[1:], rows[-1][1:], strict=True))
            each = dict(zip((kind for kind in CORRUPTIONS), kinds[-1][1:], strict=True))
            write_card(bundle, run, facts, each)
    print(table(HEADER, rows))
    print()
    print(table(("model", *(f"{kind}*" if kind in HELD_OUT else kind for kind in CORRUPTIONS)), kinds))
    print()
    print(table(("model, seed", "validation", *(f"t10k {file}" for file in FILES)), files))


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
)

if __name__ == "__main__":
    main()

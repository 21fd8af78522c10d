"""Judge the released bundles on MNIST's t10k and time them here: the README's table.

python benchmarks/released.py --data mnist-idx-folder
"""

import argparse
from pathlib import Path

from digits_edge.export.benchmark import benchmark
from digits_edge.export.evaluate import evaluate, read_judgement
from digits_edge.export.models import open_models

RELEASED = sorted(Path("artifacts").glob("*/manifest.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="a folder with MNIST's t10k, or mnist")
    data = parser.parse_args().data
    print("| bundle | file | bytes | validation | t10k | wrong | time / model.onnx |")
    print("|--------|------|------:|-----------:|-----:|------:|------------------:|")
    for manifest in RELEASED:
        models = open_models(manifest.parent)
        judgement = read_judgement(models, data)
        timings = {timing.file: timing for timing in benchmark(models, lambda: None)}
        for model in models.files:
            result, timing = evaluate(model, judgement, models.labels, lambda: None), timings[model.file]
            print(
                f"| {manifest.parent.name} | {model.file} | {model.bytes:,} | {timing.accuracy:.2%} "
                f"| {result.accuracy:.2%} | {result.wrong} | {timing.ratio:.2f} |"
            )


if __name__ == "__main__":
    main()

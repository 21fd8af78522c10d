"""Train the notebook's recipe on a Kaggle train.csv with several seeds, export each, and print the README's table.

python benchmarks/notebook_recipe.py --data train.csv.gz --seeds 7 1
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path


def digits_edge(*words: object) -> dict:
    """Run a command with --json and give what it printed."""
    command = [sys.executable, "-m", "digits_edge.cli", *map(str, words), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="Kaggle's train.csv, plain or .gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    options = parser.parse_args()
    print("| seed | Keras | int8 ONNX | int8 TFLite |")
    print("|-----:|------:|----------:|------------:|")
    for seed in options.seeds:
        out = Path("artifacts", "runs", f"notebook-recipe-{seed}")
        run = digits_edge(
            "train", "--data", options.data, "--recipe", "notebook", "--seed", seed, "--out", out, "--force"
        )
        rungs = {r["file"]: r for r in digits_edge("export", out, "--int8")["gate"]["rungs"]}
        keras, onnx, tflite = (
            f"{1 - wrong / rungs['model.onnx']['pictures']:.2%} ({wrong} wrong)"
            for wrong in (
                run["metrics"]["val_wrong"],
                rungs["model.int8.onnx"]["wrong"],
                rungs["model.int8.tflite"]["wrong"],
            )
        )
        print(f"| {seed} | {keras} | {onnx} | {tflite} |", flush=True)


if __name__ == "__main__":
    main()

"""How fast `fast` trains, against the blog notebook's recipe: whole commands, from process start to a saved run.

python benchmarks/train_speed.py --data train.csv.gz

All train on the notebook's own split, on the same machine, one after the other; what counts is the ratio. The runs stay
under artifacts/runs/train-speed. `--precision` also times an epoch of `compact` in bfloat16 against float32.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from digits_edge.common.tables import table


def train(data: Path, name: str, *words: object) -> tuple[float, float]:
    """Seconds from the start of a training command to its saved run, and the validation accuracy."""
    out = Path("artifacts", "runs", "train-speed", name)
    command = [
        sys.executable,
        "-m",
        "digits_edge.cli",
        "train",
        "--data",
        data,
        "--out",
        out,
        "--force",
        "--json",
        *words,
    ]
    started = time.time()
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    saved = (out / "run.json").stat().st_mtime
    return saved - started, json.loads(done.stdout)["metrics"]["val_accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Kaggle's train.csv, plain or .gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9], help="of fast; notebook runs once")
    parser.add_argument("--precision", action="store_true", help="also time mixed_bfloat16")
    options = parser.parse_args()
    slow, accuracy = train(options.data, "notebook", "--recipe", "notebook")
    rows = [("notebook, 7", f"{slow:.0f} s", "1.0", f"{accuracy:.2%}")]
    seconds = []
    for seed in options.seeds:
        took, accuracy = train(options.data, f"fast-{seed}", "--recipe", "fast", "--seed", seed)
        seconds.append(took)
        rows.append((f"fast, {seed}", f"{took:.0f} s", f"{slow / took:.1f}", f"{accuracy:.2%}"))
    print(table(("recipe, seed", "start to saved run", "times as fast", "validation"), rows))
    print(f"\nfast in the median: {slow / np.median(seconds):.1f} times as fast as the notebook's recipe")
    if options.precision:
        for precision in ("float32", "mixed_bfloat16"):
            took, _ = train(options.data, precision, "--epochs", 1, "--set", f"precision={precision}")
            print(f"compact, one epoch in {precision}: {took:.0f} s")


if __name__ == "__main__":
    main()

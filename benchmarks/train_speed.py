"""How fast `fast` trains, against the blog notebook's recipe: whole commands, from process start to a saved run.

python benchmarks/train_speed.py --data train.csv.gz

Both train on the notebook's own split, on the same machine, one after the other and alternating; what counts is the
ratio. `--precision` times an epoch in bfloat16 against float32 too.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from digits_edge.export.report import table


def train(data: Path, *words: object) -> tuple[float, dict]:
    """Seconds from start to exit of a training command, and its run."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "digits_edge.cli", "train", "--data", str(data), "--json"]
        command += ["--out", str(Path(folder, "run")), *map(str, words)]
        started = time.monotonic()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        return time.monotonic() - started, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Kaggle's train.csv, plain or .gz")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9], help="of fast; notebook runs once")
    parser.add_argument("--precision", action="store_true", help="also time mixed_bfloat16")
    options = parser.parse_args()
    rows, fast = [], []
    slow, run = train(options.data, "--recipe", "notebook")
    rows.append(("notebook", 7, f"{slow:.0f} s", "1.0", f"{run['metrics']['val_accuracy']:.2%}"))
    for seed in options.seeds:
        seconds, run = train(options.data, "--recipe", "fast", "--seed", seed)
        fast.append(seconds)
        rows.append(
            ("fast", seed, f"{seconds:.1f} s", f"{slow / seconds:.1f}", f"{run['metrics']['val_accuracy']:.2%}")
        )
    print(table(("recipe", "seed", "start to saved run", "times as fast", "validation"), rows))
    print(f"\nfast in the median: {slow / np.median(fast):.1f} times as fast as the notebook's recipe")
    if options.precision:
        for precision in ("float32", "mixed_bfloat16"):
            words = ("--recipe", "compact", "--epochs", 1, "--set", f"precision={precision}")
            print(f"compact, one epoch in {precision}: {train(options.data, *words)[0]:.0f} s")


if __name__ == "__main__":
    main()

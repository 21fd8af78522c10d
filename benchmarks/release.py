"""Train every released model with every seed, export each through the gate, and publish the first seed's bundles.

python benchmarks/release.py --data mnist-idx-folder --jobs 2

Each run is under artifacts/runs/release-SEED/MODEL. What is finished stays; what was interrupted goes on after its last
whole epoch: the command can be stopped and given again. The other models learn from all seeds of `notebook`.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from digits_edge.runtime.atomic_file import replacing
from digits_edge.trainer.fitting.checkpoint import checkpoint_path

RUNS = Path("artifacts", "runs")
SEEDS = (7, 8, 9)
# The bundle's name, and how it is trained.
RECIPES = {"notebook": "wide", "compact": "compact", "micro": "micro", "nano": "nano"}
TEACHER = "notebook"
FORMATS = {"micro": ("onnx", "c", "web"), "nano": ("onnx", "c")}  # C brings TFLite; the others have the default
HELD_OUT = 0.05  # of the 60,000, for the gate and the temperature


def run_folder(model: str, seed: int) -> Path:
    return RUNS / f"release-{seed}" / model


def digits_edge(*words: object, threads: int) -> None:
    """Run a command with so many threads, its progress in a log beside the run."""
    command = [sys.executable, "-m", "digits_edge.cli", *map(str, words)]
    print(" ".join(("digits-edge", *command[3:])), flush=True)  # one string: several runs print at once
    env = {**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1"}
    with (RUNS / "release.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env=env)


def train(model: str, seed: int, data: str, threads: int) -> None:
    out = run_folder(model, seed)
    if not (out / "run.json").exists():
        teachers: list[object] = []
        if model != TEACHER:
            teachers = [word for each in SEEDS for word in ("--teacher", run_folder(TEACHER, each))]
            teachers += ["--views", RUNS / "views"]
        resume = ("--resume",) if checkpoint_path(out).exists() else ()
        words = ("--data", data, "--recipe", RECIPES[model], "--seed", seed, "--validation-fraction", HELD_OUT)
        digits_edge("train", *words, "--out", out, *teachers, *resume, threads=threads)
    if not (out / "bundle").exists():
        digits_edge("export", out, "--int8", threads=threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's IDX files, or mnist to download them")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; each gets its share of the processors")
    options = parser.parse_args()
    RUNS.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        for models in ([TEACHER], [model for model in RECIPES if model != TEACHER]):
            runs = [(model, seed) for seed in SEEDS for model in models]
            for done in [pool.submit(train, *run, options.data, threads) for run in runs]:
                done.result()
    for model in RECIPES:
        formats = [word for name in FORMATS.get(model, ()) for word in ("--format", name)]
        words = ("--int8", *formats, "--out", Path("artifacts", model))
        digits_edge("export", run_folder(model, SEEDS[0]), *words, threads=os.cpu_count())
        with replacing(Path("artifacts", model, "model.keras")) as file:  # for train --init
            file.write((run_folder(model, SEEDS[0]) / "model.keras").read_bytes())
    default = Path("runtime", "digits_edge", "runtime", "default.onnx")
    with replacing(default) as file:
        file.write(Path("artifacts", "compact", "model.int8.onnx").read_bytes())


if __name__ == "__main__":
    main()

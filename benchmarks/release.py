"""Train every released model with every seed, export each through the gate, and publish the first seed's bundles.

python benchmarks/release.py --data mnist-idx-folder --jobs 2

Each run is under artifacts/runs/release-SEED/MODEL. What is finished stays; what was interrupted goes on after its last
whole epoch: the command can be stopped and given again. Of the other seeds the int8 ONNX alone is published, in
artifacts/seeds, so that anybody can judge them.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from digits_edge.runtime.atomic_file import replacing
from digits_edge.trainer import Run
from digits_edge.trainer.fitting.checkpoint import checkpoint_path

RUNS = Path("artifacts", "runs")
SEEDS = (7, 8, 9)
RECIPES = {"compact": "compact", "notebook": "wide", "micro": "micro", "nano": "nano"}  # by the bundle's name
PUBLISHED = Path("artifacts")
OTHERS = PUBLISHED / "seeds"
FORMATS = {"micro": ("onnx", "c", "web"), "nano": ("onnx", "c")}  # C brings TFLite; the others have the default
HELD_OUT = 0.05  # of the 60,000, for the gate and the temperature


def run_folder(model: str, seed: int) -> Path:
    return RUNS / f"release-{seed}" / model


def digits_edge(*words: object, threads: int) -> None:
    """Run a command with so many threads, its progress in a log beside the run."""
    command = [sys.executable, "-m", "digits_edge.cli", *map(str, words)]
    print(" ".join(("digits-edge", *command[3:])), flush=True)  # one string: several runs print at once
    env = {**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": "1"}
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / "release.log").open("a") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, env=env)


def train(model: str, seed: int, data: str, threads: int) -> None:
    """Train and export a model."""
    out = run_folder(model, seed)
    if not (out / "run.json").exists():
        resume = ("--resume",) if checkpoint_path(out).exists() else ()
        words = ("--data", data, "--recipe", RECIPES[model], "--seed", seed, "--validation-fraction", HELD_OUT)
        digits_edge("train", *words, "--out", out, *resume, threads=threads)
    if not (out / "bundle").exists():
        digits_edge("export", out, "--int8", threads=threads)


def publish(model: str) -> None:
    """Export the first seed with all its formats, and copy what is kept of the others."""
    first, *others = (run_folder(model, seed) for seed in SEEDS)
    formats = [word for name in FORMATS.get(model, ()) for word in ("--format", name)]
    digits_edge("export", first, "--int8", *formats, "--out", PUBLISHED / model, threads=os.cpu_count() or 1)
    pack(first / "model.keras", PUBLISHED / model / "model.keras")  # for train --init
    OTHERS.mkdir(exist_ok=True)
    for seed, run in zip(SEEDS[1:], others, strict=True):
        copy(run / "bundle" / "model.int8.onnx", OTHERS / f"{model}-{seed}.onnx")
    if model == "compact":
        copy(PUBLISHED / model / "model.int8.onnx", Path("runtime", "digits_edge", "runtime", "default.onnx"))


def copy(source: Path, target: Path) -> None:
    with replacing(target) as file:
        file.write(source.read_bytes())


def pack(source: Path, target: Path) -> None:
    """Copy a zip, compressed; the same bytes each time."""
    with ZipFile(source) as zipped, replacing(target) as file, ZipFile(file, "w") as packed:
        for entry in zipped.infolist():
            packed.writestr(entry, zipped.read(entry), ZIP_DEFLATED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's IDX files, or mnist to download them")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; each gets its share of the processors")
    options = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    runs: dict[str, list[Future[None]]] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        for model in RECIPES:
            runs[model] = [pool.submit(train, model, seed, options.data, threads) for seed in SEEDS]
        for model in RECIPES:
            for run in runs[model]:
                run.result()
            publish(model)
    seconds = [Run.open(run_folder(model, seed)).info.wall_seconds for model in RECIPES for seed in SEEDS]
    print(f"training took {sum(seconds) / 3600:.1f} hours, counted run by run")


if __name__ == "__main__":
    main()

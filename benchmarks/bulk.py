"""Compare `digits-edge predict` with a plain script of pandas and onnxruntime, on Kaggle's test.csv.

python benchmarks/bulk.py --data test.csv.gz

Both are whole processes that run by turns, with the same model on the same file, plain and packed; ratios are taken
within a round. The plain script gives the model all pictures in one call, or in batches of several sizes.

`--batches` compares values of --batch-size instead. `--rows 28000 1000000` writes CSVs of so many rows and measures
the time and the memory of predict for each. `--train`, with a train.csv.gz as --data, measures how training reads its
CSV, against pandas alone.
"""

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

MODEL = Path(__file__).parents[1] / "artifacts/compact/model.int8.onnx"
PLAIN = """
import sys

import numpy as np
import onnxruntime
import pandas as pd

source, model, target, batch = sys.argv[1:]
pixels = pd.read_csv(source).to_numpy().astype(np.uint8).reshape(-1, 28, 28)
session = onnxruntime.InferenceSession(model)
size = int(batch) or len(pixels)
parts = [session.run(None, {"image": pixels[i : i + size]})[0] for i in range(0, len(pixels), size)]
labels = np.concatenate(parts).argmax(axis=1)
pd.DataFrame({"ImageId": range(1, len(labels) + 1), "Label": labels}).to_csv(target, index=False)
"""
PLAIN_BATCHES = (0, 1024, 256, 64, 32)
READ = {
    "digits-edge": "import sys; from digits_edge.trainer import read_dataset; read_dataset(sys.argv[1])",
    "pandas": "import sys; import pandas as pd; pd.read_csv(sys.argv[1]).to_numpy().astype('uint8')",
}
BATCHES = (1, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Cost:
    """The cost of one process: seconds on the clock, seconds of CPU, and its peak memory in MiB."""

    seconds: float
    cpu: float
    memory: float


def plain(source: Path, target: Path, batch: int) -> list[str]:
    return [sys.executable, "-c", PLAIN, str(source), str(MODEL), str(target), str(batch)]


def ours(source: Path, *words: object) -> list[str]:
    predict = [sys.executable, "-m", "digits_edge.cli", "predict", str(source), "--bundle", str(MODEL)]
    return [*predict, *map(str, words)]


def run(command: list[str]) -> Cost:
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"exit code {child.returncode}: {' '.join(command[:6])}")
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def by_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            costs[name].append(run(command))
    return costs


def show(title: str, costs: dict[str, list[Cost]], base: str) -> None:
    print(f"\n| {title} | seconds | CPU seconds | MiB | times {base}'s seconds |\n|---|---:|---:|---:|---:|")
    for name, found in costs.items():
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(found, costs[base], strict=True))
        middle = [
            statistics.median(values) for values in zip(*((c.seconds, c.cpu, c.memory) for c in found), strict=True)
        ]
        print(f"| {name} | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.0f} | {ratio:.2f} |")


def against_plain(source: Path, folder: Path, rounds: int) -> None:
    target = folder / "ours.csv"
    commands = {"digits-edge": ours(source, "--submission", target)}
    for batch in PLAIN_BATCHES:
        commands[f"plain, {f'batches of {batch:,}' if batch else 'one call'}"] = plain(
            source, folder / f"{batch}", batch
        )
    show(source.name, by_turns(commands, rounds), "digits-edge")
    for batch in PLAIN_BATCHES:
        rows = zip(target.read_text().splitlines(), (folder / f"{batch}").read_text().splitlines(), strict=True)
        if other := sum(a != b for a, b in rows):
            print(f"{other} rows have another label than with plain batches of {batch}")


def written(source: Path, rows: int, target: Path) -> Path:
    """Write a CSV of so many rows by repeating those of another."""
    header, *lines = source.read_bytes().splitlines(keepends=True)
    with target.open("wb") as file:
        file.write(header)
        file.writelines(islice(cycle(lines), rows))
    return target


def memory(source: Path, folder: Path, rows: list[int]) -> Iterator[str]:
    yield "| rows | bytes | --submission: MiB | seconds | --jsonl: MiB | seconds |\n|---:|---:|---:|---:|---:|---:|"
    for count in rows:
        large = written(source, count, folder / "large.csv")
        wrote, printed = run(ours(large, "--submission", folder / "out.csv")), run(ours(large, "--jsonl"))
        size = f"{large.stat().st_size:,}"
        large.unlink()
        yield (
            f"| {count:,} | {size} | {wrote.memory:.0f} | {wrote.seconds:.1f} "
            f"| {printed.memory:.0f} | {printed.seconds:.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Kaggle's test.csv.gz, or train.csv.gz")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", action="store_true", help="compare values of --batch-size")
    parser.add_argument("--rows", type=int, nargs="+", default=[], help="measure CSVs of so many rows")
    parser.add_argument("--train", action="store_true", help="measure how training reads a train.csv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpacked = folder / "test.csv"
        with gzip.open(options.data) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
        if options.train:
            commands = {name: [sys.executable, "-c", code, str(unpacked)] for name, code in READ.items()}
            show("reading", by_turns(commands, options.rounds), "pandas")
        elif options.rows:
            for line in memory(unpacked, folder, options.rows):
                print(line, flush=True)
        elif options.batches:
            sizes = {f"{n}": ours(unpacked, "--batch-size", n, "--submission", folder / "out.csv") for n in BATCHES}
            show("--batch-size", by_turns(sizes, options.rounds), "32")
        else:
            for source in (unpacked, options.data):
                against_plain(source, folder, options.rounds)


if __name__ == "__main__":
    main()

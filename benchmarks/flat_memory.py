"""A million predictions in one process, and the memory that is resident meanwhile.

python benchmarks/flat_memory.py [--predictions 1000000] [--model artifacts/compact/model.int8.onnx]

Most are single calls of predict_proba; every hundredth reads a picture, every thousandth sends a batch through
predict_many and one through predict_proba, so that all paths and many batch sizes are walked. Once each has been,
memory must not grow by more than 1 MiB: exit code 1 where it does. `--leak` keeps every answer, to show that a leak is
noticed.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np

from digits_edge.runtime import Classifier

MODEL = Path(__file__).parents[1] / "artifacts/compact/model.int8.onnx"
MAX_GROWTH = 1.0  # MiB
STEPS = 10
SIZES = range(64, 0, -1)  # of batches, the largest first


def resident() -> float:
    """MiB of this process in memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def predictions(classifier: Classifier):
    """Answers without end, from all of the classifier's methods."""
    pixels = classifier.contract.golden.pixels
    pictures = [np.pad(255 - digit, 40, constant_values=255) for digit in pixels]
    for number in itertools.count():
        row = number % len(pixels)
        if number % 1000 == 1:
            size = SIZES[number // 1000 % len(SIZES)]
            yield from classifier.predict_many([pictures[row], np.zeros((3, 3), np.uint8)], batch_size=2)
            yield from classifier.predict_proba(np.repeat(pixels[row : row + 1], size, axis=0))
        elif number % 100 == 0:
            yield classifier.predict(pictures[row])
        else:
            yield classifier.predict_proba(pixels[row : row + 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--leak", action="store_true")
    options = parser.parse_args()
    classifier = Classifier.load(options.model)
    for size in SIZES:
        classifier.predict_proba(np.zeros((size, *classifier.contract.shape), np.uint8))
    answers = predictions(classifier)
    kept, memory, started = [], [], time.perf_counter()
    for step in range(1, STEPS + 1):
        for answer in itertools.islice(answers, options.predictions // STEPS):
            if options.leak:
                kept.append(answer)
        memory.append(resident())
        done, seconds = step * (options.predictions // STEPS), time.perf_counter() - started
        print(f"{done:>9,} predictions  {memory[-1]:7.2f} MiB  {seconds:6.0f} s", flush=True)
    growth = max(memory) - memory[0]
    print(f"grown by {growth:.2f} MiB since the first tenth, allowed {MAX_GROWTH:.0f} MiB")
    sys.exit(0 if growth <= MAX_GROWTH else 1)


if __name__ == "__main__":
    main()

"""What digits_edge.runtime costs beside a bare onnxruntime script with the same model and the same session options.

python benchmarks/runtime_overhead.py [--model artifacts/compact/model.int8.onnx]

Import, start and memory are of whole processes that run by turns, telemetry off in both and bytecode cached, as after
an install; a call is timed in one process, both kinds by turns. Ratios and differences are taken within a round; shown
is their median, and of import, which another program's load can only lengthen, the least, too. Exit code 1 where a
limit is not held.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from digits_edge.common.tables import table

MODEL = Path(__file__).parents[1] / "artifacts/compact/model.int8.onnx"
IMPORT_MS, START, CALL_US, MEMORY, IDLE_MS = 5, 1.1, 5, 1.1, 1  # the limits

BARE = """
import sys
import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.enable_cpu_mem_arena = False
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
options.add_session_config_entry("session.inter_op.allow_spinning", "0")
with open(sys.argv[1], "rb") as file:
    session = onnxruntime.InferenceSession(file.read(), options, providers=["CPUExecutionProvider"])
pixels = numpy.zeros((1, 28, 28), numpy.uint8)
pixels[:, 4:24, 13:16] = 255
answer = session.run(["probabilities"], {"image": pixels})[0]
"""
OURS = """
import sys
import numpy
from digits_edge.runtime import Classifier

classifier = Classifier.load(sys.argv[1])
pixels = numpy.zeros((1, 28, 28), numpy.uint8)
pixels[:, 4:24, 13:16] = 255
answer = classifier.predict_proba(pixels)
"""
TELL = """
print(int(answer.argmax()), flush=True)
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmRSS")))
"""
IMPORTS = """
import time, numpy, onnxruntime
wall, cpu = time.perf_counter(), time.thread_time()
from digits_edge.runtime import Classifier
print(time.perf_counter() - wall, time.thread_time() - cpu)
"""
CALLS = """
import json, time
session = classifier._session

def timed(call, times=100):
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times

def bare():
    return session.run(["probabilities"], {"image": pixels})[0]

def ours():
    return classifier.predict_proba(pixels)

timed(bare), timed(ours)
rounds = [(timed(bare), timed(ours)) for _ in range(int(sys.argv[2]))]
before = time.process_time()
time.sleep(1)
print(json.dumps({"rounds": rounds, "idle": time.process_time() - before}))
"""


@dataclass(frozen=True)
class Process:
    """One that answered once: its answer, seconds from its start to it, KiB that were resident then."""

    answer: str
    seconds: float
    memory: int


def answered(script: str, model: Path, environment: dict[str, str]) -> Process:
    command = [sys.executable, "-c", script + TELL, str(model)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        answer = process.stdout.readline().strip()
        seconds = time.perf_counter() - started
        memory = int(process.stdout.read())
    return Process(answer, seconds, memory)


def output(script: str, environment: dict[str, str], *words: object) -> str:
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True).stdout


def measured(model: Path, rounds: int, environment: dict[str, str]) -> list[tuple[str, str, str, str, str, bool]]:
    for script in (BARE, OURS):  # fills the caches of bytecode and files
        answered(script, model, environment)
    imports, pairs = [], []
    for _ in range(rounds):
        imports.append([float(word) * 1e3 for word in output(IMPORTS, environment).split()])
        pairs.append((answered(BARE, model, environment), answered(OURS, model, environment)))
    if len({process.answer for pair in pairs for process in pair}) != 1:
        raise SystemExit("the bare script and digits_edge.runtime answered differently")
    calls = json.loads(output(OURS + CALLS, environment, model, rounds * 5))

    walls, cpus = zip(*imports, strict=True)
    starts = [(bare.seconds * 1e3, ours.seconds * 1e3) for bare, ours in pairs]
    memories = [(bare.memory / 1024, ours.memory / 1024) for bare, ours in pairs]
    times = [(bare * 1e6, ours * 1e6) for bare, ours in calls["rounds"]]
    added = statistics.median(ours - bare for bare, ours in times)
    idle = calls["idle"] * 1e3

    def row(
        what: str, pairs: list[tuple[float, float]], unit: str, limit: float
    ) -> tuple[str, str, str, str, str, bool]:
        bare, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(ours / bare for bare, ours in pairs)
        return what, f"{bare:.1f} {unit}", f"{ours:.1f} {unit}", f"{ratio:.3f}", f"≤ {limit}", ratio <= limit

    call = row("one picture, one call", times, "µs", 1)
    return [
        (
            "import, beside numpy and onnxruntime",
            "",
            f"+{statistics.median(walls):.1f} ms (least {min(walls):.1f}, of CPU {statistics.median(cpus):.1f})",
            "",
            f"< {IMPORT_MS} ms",
            min(walls) < IMPORT_MS,
        ),
        row("process start to first answer", starts, "ms", START),
        (*call[:2], f"{call[2]} (+{added:.1f})", call[3], f"≤ +{CALL_US} µs", added <= CALL_US),
        row("resident memory after it", memories, "MiB", MEMORY),
        ("CPU in an idle second after calls", "", f"{idle:.1f} ms", "", f"≤ {IDLE_MS} ms", idle <= IDLE_MS),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="an .onnx that digits-edge exported")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "ORT_DISABLE_TELEMETRY": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rows = measured(options.model, options.rounds, environment)
    header = ("what", "bare onnxruntime", "digits_edge.runtime", "ratio", "limit")
    print(table(header, [row[:-1] for row in rows]))
    sys.exit(0 if all(row[-1] for row in rows) else 1)


if __name__ == "__main__":
    main()

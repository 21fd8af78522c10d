"""What each model costs on this machine with each runtime that can run it: time, memory, CPU, start.

Every pair of them lives in a process of its own, and they are timed by turns, in another order each round, so that what
else the machine does hits all alike. A ratio is taken within a round, and its spread over the rounds is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import BundleError
from digits_edge.runtime.system_info import cpu_name, instruction_sets

from ..engines.model_files import ModelFile
from ..verify.evaluate import evaluate
from ..verify.evaluate import steps as judging_steps
from ..verify.validation import Validation
from . import timed_runtime as peers
from .candidate import Candidate, Failure, Ratio
from .child_process import Child
from .recommendation import recommend

ROUNDS: Final = 5  # enough for a report: four files and their runtimes take some eight seconds on two cores
STARTS: Final = 1


@dataclass(frozen=True)
class Benchmark:
    """Figures of this machine.

    Attributes:
        cpu: its name.
        instruction_sets: those that matter to inference.
        threads: of every candidate but `onnxruntime, default options`.
        rounds: how many.
        candidates: in the order of the files; ratios are to the first.
        failures: what could not be run.
        verdict: in words.
    """

    cpu: str
    instruction_sets: tuple[str, ...]
    threads: int
    rounds: int
    candidates: tuple[Candidate, ...]
    failures: tuple[Failure, ...]
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(eq=False)
class _Pair:
    """A model with a runtime, while it is measured."""

    model: ModelFile
    runtime: str
    path: Path
    accuracy: float | None
    starts: list[tuple[float, float]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    idle_cpu: float = 0.0
    failure: str | None = None
    child: Child = field(init=False)  # since `start`
    alive: ExitStack = field(default_factory=ExitStack)

    def attempt(self, work: Callable[[_Pair], None]) -> None:
        """Do a part of the work, unless an earlier one failed."""
        try:
            if self.failure is None:
                work(self)
        except BundleError as error:
            self.failure = str(error)
            self.alive.close()

    def start(self) -> None:
        self.alive.close()
        self.child = Child(self.runtime, self.path, self.model.form)
        self.alive.callback(self.child.end)
        self.starts.append((self.child.start_seconds, self.child.import_seconds))

    def idle(self) -> None:
        self.idle_cpu = self.child.ask("idle")["idle_cpu"]

    def time(self) -> None:
        self.turns.append(self.child.ask("time"))

    def judge(self, validation: Validation, step: Callable[[], None]) -> None:
        running = replace(self.model, predict_proba=self.child.predict_proba)
        self.accuracy = evaluate(running, validation, step).accuracy


def runtimes(model: ModelFile) -> tuple[str, ...]:
    """What can run a model file here, by its kind and by what is installed."""
    if model.file.endswith(".tflite"):
        return (peers.LITERT,)
    first = peers.OURS if model.ours else peers.ONNXRUNTIME
    openvino = (peers.OPENVINO,) if find_spec("openvino") else ()
    return (first, peers.ONNXRUNTIME_DEFAULTS, *openvino)


def steps(
    models: Sequence[ModelFile], validation: Validation | None = None, rounds: int = ROUNDS, starts: int = STARTS
) -> int:
    """How often `benchmark` will call its `step`."""
    pairs = sum(len(runtimes(model)) for model in models)
    return pairs * (starts + 1 + rounds + (judging_steps(validation) if validation else 0))


def benchmark(
    models: Sequence[ModelFile],
    *,
    accuracies: Mapping[str, float | None],
    validation: Validation | None = None,
    rounds: int = ROUNDS,
    starts: int = STARTS,
    step: Callable[[], None] = lambda: None,
) -> Benchmark:
    """Measure every model file with every runtime that can run it here.

    Args:
        models: one or more; of the same task.
        accuracies: of the files, by their names, as far as known.
        validation: pictures by which every runtime's accuracy is found anew, in place of `accuracies`.
        rounds: in each of which every pair has a turn of about a tenth of a second.
        starts: how often each process is started.
        step: called after each of `steps` parts of the work.

    Raises:
        BundleError: nothing could be run.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        pairs = [pair for model in models for pair in _pairs(model, Path(folder), accuracies.get(model.file))]
        for pair in pairs:
            stack.callback(pair.alive.close)
        for _ in range(starts):
            _turn(pairs, _Pair.start, step)
        _turn(pairs, _Pair.idle, step)
        for seed in range(rounds):
            shuffled = np.random.default_rng(seed).permutation(len(pairs))
            _turn([pairs[index] for index in shuffled], _Pair.time, step)
        if validation:
            for pair in pairs:
                pair.attempt(partial(_Pair.judge, validation=validation, step=step))
    failures = tuple(Failure(p.model.file, p.runtime, p.failure) for p in pairs if p.failure is not None)
    done = [pair for pair in pairs if pair.failure is None]
    if not done:
        raise BundleError("; ".join(f"{f.file}: {f.runtime} cannot run it: {f.reason}" for f in failures))
    candidates = tuple(_candidate(pair, done[0]) for pair in done)
    return Benchmark(cpu_name(), instruction_sets(), 1, rounds, candidates, failures, recommend(candidates))


def _pairs(model: ModelFile, folder: Path, accuracy: float | None) -> list[_Pair]:
    path = folder / model.file
    path.write_bytes(model.data)
    return [_Pair(model, runtime, path, accuracy) for runtime in runtimes(model)]


def _turn(pairs: Sequence[_Pair], work: Callable[[_Pair], None], step: Callable[[], None]) -> None:
    for pair in pairs:
        pair.attempt(work)
        step()


def _candidate(pair: _Pair, first: _Pair) -> Candidate:
    seconds = np.concatenate([turn["seconds"] for turn in pair.turns])
    p50, p95, p99 = np.quantile(seconds, (0.5, 0.95, 0.99)) * 1e6
    start, imports = np.median(pair.starts, axis=0) * 1e3
    return Candidate(
        file=pair.model.file,
        runtime=pair.runtime,
        bytes=pair.model.bytes,
        accuracy=pair.accuracy,
        start_ms=float(start),
        import_ms=float(imports),
        p50_us=float(p50),
        p95_us=float(p95),
        p99_us=float(p99),
        pictures_per_second=float(np.median(_throughputs(pair))),
        cpu_us=float(np.median(_cpu_seconds(pair)) * 1e6),
        idle_cpu=float(pair.idle_cpu),
        peak_bytes=pair.turns[0]["peak_bytes"],
        latency=_ratio(_latencies(pair), _latencies(first)),
        throughput=_ratio(_throughputs(pair), _throughputs(first)),
        cpu=_ratio(_cpu_seconds(pair), _cpu_seconds(first)),
    )


# One figure of each round, float64[rounds].


def _latencies(pair: _Pair) -> npt.NDArray[np.float64]:
    return np.array([np.median(turn["seconds"]) for turn in pair.turns])


def _throughputs(pair: _Pair) -> npt.NDArray[np.float64]:
    return np.array([peers.BATCH / np.median(turn["batch_seconds"]) for turn in pair.turns])


def _cpu_seconds(pair: _Pair) -> npt.NDArray[np.float64]:
    return np.array([turn["cpu_seconds"] for turn in pair.turns])


def _ratio(figures: npt.NDArray[np.float64], first: npt.NDArray[np.float64]) -> Ratio:
    low, median, high = np.quantile(figures / first, (0.25, 0.5, 0.75))
    return Ratio(float(median), float(low), float(high))

"""Measure what each model costs on this machine with each runtime that can run it: time, memory, CPU, start-up.

Every model and runtime has a process of its own. They are timed in turns, in another order each round, so that other
load on the machine affects all alike. Ratios are taken within a round, and their spread over the rounds is reported.
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
from ..engines.worker import TIME_LIMIT
from ..verify.evaluate import evaluate_file
from ..verify.evaluate import steps as judging_steps
from ..verify.validation import Validation
from .candidate import Candidate, Failure, Ratio
from .recommendation import recommend
from .timed_process import TimedProcess
from .timed_runtime import BATCH, LITERT, ONNXRUNTIME, ONNXRUNTIME_DEFAULTS, OPENVINO, OURS

ROUNDS: Final = 5  # enough for a report: four files with their runtimes take about eight seconds on two cores
STARTS: Final = 1


@dataclass(frozen=True)
class Benchmark:
    """What was measured on this machine."""

    cpu: str
    instruction_sets: tuple[str, ...]  # of the CPU, those that matter to inference
    threads: int  # of every candidate but `onnxruntime, default options`
    rounds: int
    candidates: tuple[Candidate, ...]  # in the order of the files; ratios are to the first
    failures: tuple[Failure, ...]
    verdict: str  # the recommendation, in words

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(eq=False)
class _Measurement:
    """A model with a runtime, while they are measured."""

    model: ModelFile
    runtime: str
    path: Path
    accuracy: float | None
    time_limit: float
    starts: list[tuple[float, float]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    idle_cpu: float = 0.0
    failure: str | None = None
    process: TimedProcess = field(init=False)  # set by `start`
    alive: ExitStack = field(default_factory=ExitStack)

    def attempt(self, work: Callable[[_Measurement], None]) -> None:
        """Do a part of the work, unless an earlier part failed."""
        try:
            if self.failure is None:
                work(self)
        except BundleError as error:
            self.failure = str(error)
            self.alive.close()

    def start(self) -> None:
        self.alive.close()
        self.process = TimedProcess(self.runtime, self.path, self.model.spec, self.time_limit)
        self.alive.callback(self.process.end)
        self.starts.append((self.process.start_seconds, self.process.import_seconds))

    def idle(self) -> None:
        self.idle_cpu = self.process.ask("idle")["idle_cpu"]

    def time(self) -> None:
        self.turns.append(self.process.ask("time"))

    def judge(self, validation: Validation, step: Callable[[], None]) -> None:
        running = replace(self.model, engines={"": self.process.predict_proba})
        self.accuracy = evaluate_file(running, validation, step).accuracy


def runtimes(model: ModelFile) -> tuple[str, ...]:
    """The runtimes that can run a model file here, by its format and by what is installed."""
    if model.file.lower().endswith(".tflite"):
        return (LITERT,)
    first = OURS if model.ours else ONNXRUNTIME
    openvino = (OPENVINO,) if find_spec("openvino") else ()
    return (first, ONNXRUNTIME_DEFAULTS, *openvino)


def steps(
    models: Sequence[ModelFile], validation: Validation | None = None, rounds: int = ROUNDS, starts: int = STARTS
) -> int:
    """How often `benchmark` will call `step`."""
    return sum(len(runtimes(model)) for model in models) * (
        starts + 1 + rounds + (judging_steps(validation) if validation else 0)
    )


def benchmark(
    models: Sequence[ModelFile],
    *,
    accuracies: Mapping[str, float | None],
    validation: Validation | None = None,
    rounds: int = ROUNDS,
    starts: int = STARTS,
    time_limit: float = TIME_LIMIT,
    step: Callable[[], None] = lambda: None,
) -> Benchmark:
    """Measure every model file with every runtime that can run it here.

    Args:
        models: One or more model files for the same task.
        accuracies: Accuracy of each file by its name, as far as known.
        validation: Pictures to measure the accuracy of every file and runtime on, in place of `accuracies`.
        rounds: Number of rounds; in each, every file and runtime is timed for about a tenth of a second.
        starts: How often each process is started.
        time_limit: Seconds after which a process that has not answered is stopped.
        step: Called after each of `steps` parts of the work, for a progress bar.

    Raises:
        BundleError: No file could be run with any runtime.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for model in models:
            Path(folder, model.file).write_bytes(model.data)
        measurements = [
            _Measurement(model, runtime, Path(folder, model.file), accuracies.get(model.file), time_limit)
            for model in models
            for runtime in runtimes(model)
        ]
        for measurement in measurements:
            stack.callback(measurement.alive.close)
        for _ in range(starts):
            _turn(measurements, _Measurement.start, step)
        _turn(measurements, _Measurement.idle, step)
        for seed in range(rounds):
            shuffled = np.random.default_rng(seed).permutation(len(measurements))
            _turn([measurements[index] for index in shuffled], _Measurement.time, step)
        if validation:
            for measurement in measurements:
                measurement.attempt(partial(_Measurement.judge, validation=validation, step=step))
    failures = tuple(Failure(m.model.file, m.runtime, m.failure) for m in measurements if m.failure is not None)
    done = [m for m in measurements if m.failure is None]
    if not done:
        raise BundleError("; ".join(f"{f.file}: {f.runtime} cannot run it: {f.reason}" for f in failures))
    candidates = tuple(_candidate(m, done[0]) for m in done)
    return Benchmark(
        cpu=cpu_name(),
        instruction_sets=instruction_sets(),
        threads=1,
        rounds=rounds,
        candidates=candidates,
        failures=failures,
        verdict=recommend(candidates),
    )


def _turn(measurements: Sequence[_Measurement], work: Callable[[_Measurement], None], step: Callable[[], None]) -> None:
    for measurement in measurements:
        measurement.attempt(work)
        step()


def _candidate(measurement: _Measurement, first: _Measurement) -> Candidate:
    seconds = np.concatenate([turn["seconds"] for turn in measurement.turns])
    p50, p95, p99 = np.quantile(seconds, (0.5, 0.95, 0.99)) * 1e6
    start, imports = np.median(measurement.starts, axis=0) * 1e3
    figures = _figures(measurement)
    _, throughput, cpu_seconds = np.median(figures, axis=1)
    ratios = [_ratio(over_rounds) for over_rounds in figures / _figures(first)]
    return Candidate(
        file=measurement.model.file,
        runtime=measurement.runtime,
        bytes=measurement.model.bytes,
        accuracy=measurement.accuracy,
        start_ms=float(start),
        import_ms=float(imports),
        p50_us=float(p50),
        p95_us=float(p95),
        p99_us=float(p99),
        pictures_per_second=float(throughput),
        cpu_us=float(cpu_seconds * 1e6),
        idle_cpu=float(measurement.idle_cpu),
        peak_bytes=measurement.turns[0]["peak_bytes"],
        latency=ratios[0],
        throughput=ratios[1],
        cpu=ratios[2],
    )


def _figures(measurement: _Measurement) -> npt.NDArray[np.float64]:
    """Latency in seconds, pictures per second in batches, and CPU seconds per picture: float64[3, rounds]."""
    turns = measurement.turns
    seconds, batch_seconds = ([np.median(turn[key]) for turn in turns] for key in ("seconds", "batch_seconds"))
    return np.array([seconds, BATCH / np.array(batch_seconds), [turn["cpu_seconds"] for turn in turns]])


def _ratio(over_rounds: npt.NDArray[np.float64]) -> Ratio:
    low, median, high = np.quantile(over_rounds, (0.25, 0.5, 0.75))
    return Ratio(float(median), float(low), float(high))

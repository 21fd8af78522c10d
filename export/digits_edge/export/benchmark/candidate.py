"""The cost of one model file with one runtime on one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A ratio to the first candidate, taken within each round.

    Attributes:
        median: Median over the rounds.
        low: First quartile.
        high: Third quartile.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A model file with a runtime, and their cost on this machine.

    Attributes:
        file: Name of the model file.
        runtime: Name of the runtime, one of `timed_runtime.MODULES`.
        bytes: Size of the file.
        accuracy: Accuracy from 0 to 1; None where it is not known.
        start_ms: Time from the start of the process to the first answer, median over the starts.
        import_ms: The part of it in which the runtime and numpy were imported.
        p50_us: Median latency of one picture, from uint8 pixels to probabilities.
        p95_us: 95th percentile of the latency.
        p99_us: 99th percentile of the latency.
        pictures_per_second: Throughput in batches of 64, or one by one where the model takes one picture.
        cpu_us: CPU time per picture, summed over all threads.
        idle_cpu: CPUs in use during the 0.2 s after an answer; 1 is one CPU all the time.
        peak_bytes: Peak resident memory with single pictures, Python and numpy included; None where the system does
            not tell.
        latency: Ratio of the latency of one picture.
        throughput: Ratio of the throughput.
        cpu: Ratio of the CPU time.
    """

    file: str
    runtime: str
    bytes: int
    accuracy: float | None
    start_ms: float
    import_ms: float
    p50_us: float
    p95_us: float
    p99_us: float
    pictures_per_second: float
    cpu_us: float
    idle_cpu: float
    peak_bytes: int | None
    latency: Ratio
    throughput: Ratio
    cpu: Ratio


@dataclass(frozen=True)
class Failure:
    """A runtime that cannot run a model file, and why."""

    file: str
    runtime: str
    reason: str

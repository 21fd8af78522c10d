"""The cost of one model file with one runtime on one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A ratio to the first candidate, taken within each round."""

    median: float
    low: float  # first quartile
    high: float  # third quartile


@dataclass(frozen=True)
class Candidate:
    """A model file with a runtime, and their cost on this machine."""

    file: str
    runtime: str  # one of `timed_runtime.RUNTIMES`
    bytes: int
    accuracy: float | None  # from 0 to 1; None where it is not known
    start_ms: float  # from the start of the process to the first answer, median over the starts
    import_ms: float  # the part of it in which the runtime and numpy were imported
    p50_us: float  # latency of one picture, from uint8 pixels to probabilities
    p95_us: float
    p99_us: float
    pictures_per_second: float  # in batches of 64, or one by one where the model takes one picture
    cpu_us: float  # per picture, summed over all threads
    idle_cpu: float  # CPUs in use during the 0.2 s after an answer; 1 is one CPU all the time
    peak_bytes: int | None  # with single pictures, Python and numpy included; None where the system does not tell
    latency: Ratio  # of one picture
    throughput: Ratio
    cpu: Ratio


@dataclass(frozen=True)
class Failure:
    """A runtime that cannot run a model file, and why."""

    file: str
    runtime: str
    reason: str

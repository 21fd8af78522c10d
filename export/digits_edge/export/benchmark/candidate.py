"""What one model file costs with one runtime on one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """To the first candidate in the same round.

    Attributes:
        median: over the rounds.
        low: the first quartile.
        high: the third quartile.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Candidate:
    """A model file with a runtime, and what they cost here.

    Attributes:
        file: the model's name.
        runtime: one of `peers.MODULES`.
        bytes: the file's size.
        accuracy: from 0 to 1; None where it is not known.
        start_ms: from the start of its process to the first answer; median of the starts.
        import_ms: the part of it in which the runtime and numpy were imported.
        p50_us: median latency of one picture, from uint8 pixels to probabilities.
        p95_us: what 95 % of the calls stay under.
        p99_us: what 99 % of the calls stay under.
        pictures_per_second: in batches of 64, or one after another where the model takes one.
        cpu_us: CPU time of all threads for one picture.
        idle_cpu: CPUs used, 1 for one all the time, in the 0.2 s after an answer.
        peak_bytes: of memory resident, with Python and numpy, for single pictures; None where the system does not tell.
        latency: ratio of the latency of one picture.
        throughput: ratio of the pictures a second.
        cpu: ratio of the CPU time.
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

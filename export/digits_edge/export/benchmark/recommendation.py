"""Recommend in words what to deploy on a machine, from what was measured there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .candidate import Candidate
from .timed_runtime import LITERT, ONNXRUNTIME_DEFAULTS, OURS

MAX_ACCURACY_LOSS: Final = 0.002  # against the best: a less accurate model is not recommended, however fast
INT8: Final = ".int8."  # in a file's name


def recommend(candidates: Sequence[Candidate]) -> str:
    """Say in a few sentences which file to deploy with which runtime, and whether int8 is worth it.

    Only candidates on one thread are considered, because a device has other work to do, and only those whose accuracy
    is, where known, at most 0.2 points below the best. The fastest of them is recommended. Among candidates as fast
    within the spread, the smallest file wins, and then `digits_edge.runtime`.
    """
    best = max((c.accuracy for c in candidates if c.accuracy is not None), default=0.0)
    accurate = [c for c in candidates if c.accuracy is None or best - c.accuracy <= MAX_ACCURACY_LOSS + 1e-9]
    single = [c for c in accurate if c.runtime != ONNXRUNTIME_DEFAULTS] or accurate
    fastest = _fastest(single)
    tied = [c for c in single if not _faster(fastest, c)]
    chosen = min(tied, key=lambda c: (c.bytes, c.runtime != OURS, c.latency.median))
    sentences = [
        _choice(chosen, [c for c in tied if c is not chosen]),
        _int8(single),
        _all_cores(chosen, accurate),
        _left_out([c for c in candidates if c not in accurate], best),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _fastest(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda c: c.latency.median)


def _faster(one: Candidate, other: Candidate) -> bool:
    """Whether one is faster beyond the spread: their quartiles do not overlap."""
    return one.latency.high < other.latency.low


def _named(candidate: Candidate) -> str:
    return f"{candidate.file} with {candidate.runtime}"


def _choice(chosen: Candidate, equal: Sequence[Candidate]) -> str:
    others = f"; as fast within the spread: {', '.join(map(_named, equal))}" if equal else ""
    return f"Deploy {_named(chosen)}: {chosen.p50_us:,.0f} µs per picture{others}."


def _int8(candidates: Sequence[Candidate]) -> str:
    """Compare the fastest int8 with the fastest float, and both with each runtime; empty where one is missing."""
    integer, real = ([c for c in candidates if (INT8 in c.file) == int8] for int8 in (True, False))
    if not integer or not real:
        return ""
    quick, slow = _fastest(integer), _fastest(real)
    # A small network's int8 ONNX can be larger than its float one.
    size = f"{quick.bytes / _twin(quick, real).bytes:.0%} of the float file's size"
    times = slow.latency.median / quick.latency.median
    each = ", ".join(
        f"{c.runtime} {twin.latency.median / c.latency.median:.2f}"
        for c in integer
        if (twin := _twin(c, real)).runtime == c.runtime
    )
    each = f" (with the same runtime: {each})" if each else ""
    if _faster(quick, slow):
        return f"int8 is {times:.2f} times as fast as float{each} and has {size}."
    return (
        f"int8 is not worth it on this machine: {times:.2f} times as fast as float, no gain beyond the spread"
        f"{each}; it has {size}{_in_batches(integer, real)}."
    )


def _in_batches(integer: Sequence[Candidate], real: Sequence[Candidate]) -> str:
    """Mention that int8 is faster in batches, if it is beyond the spread."""
    many, few = (max(some, key=lambda c: c.throughput.median) for some in (integer, real))
    if many.throughput.low <= few.throughput.high:
        return ""
    return f", and in batches {many.throughput.median / few.throughput.median:.2f} times as fast"


def _twin(integer: Candidate, real: Sequence[Candidate]) -> Candidate:
    """The float candidate with the same runtime, otherwise of the same format, otherwise the first."""
    return min(real, key=lambda c: (c.runtime != integer.runtime, (c.runtime == LITERT) != (integer.runtime == LITERT)))


def _all_cores(chosen: Candidate, candidates: Sequence[Candidate]) -> str:
    parallel = [c for c in candidates if c.runtime == ONNXRUNTIME_DEFAULTS]
    if not parallel or not _faster(quick := _fastest(parallel), chosen):
        return ""
    share, cpu = quick.latency.median / chosen.latency.median, quick.cpu.median / chosen.cpu.median
    return f"On all cores, {_named(quick)} takes {share:.2f} times as long and {cpu:.1f} times the CPU time."


def _left_out(candidates: Sequence[Candidate], best: float) -> str:
    if not candidates:
        return ""
    named = ", ".join(f"{_named(c)} ({100 * (best - (c.accuracy or 0)):.1f} points)" for c in candidates)
    return f"Left out because their accuracy is too far below the best: {named}."

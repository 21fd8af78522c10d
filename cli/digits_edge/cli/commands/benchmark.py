"""`digits-edge benchmark`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from digits_edge.runtime.errors import printable

from ..options import BundleOrModel, Json, Labels, Mean, PixelRange, Std, TimeLimit, range_of
from ..output import print_json, print_lines, print_text

if TYPE_CHECKING:
    from digits_edge.export.benchmark.benchmark import Benchmark
    from digits_edge.export.benchmark.candidate import Candidate, Ratio

ROUNDS = 10
STARTS = 3  # fewer where there are fewer rounds
SPEC = "Measure the accuracy with each runtime on these labelled pictures; without them it is the gate's."
NOTE = """
Times are for one picture, from pixels to probabilities, and for batches of 64 where the model takes them. Every runtime
has one thread, except "onnxruntime, default options". Ratios compare with the first row in the same round: median and
quartiles over {rounds} rounds. Start: time from the start of the process to the first answer. CPU: time of all threads.
Idle: CPUs in use after an answer. Memory: peak resident memory, with Python and numpy."""


def command(
    model: BundleOrModel,
    data: Annotated[str | None, typer.Option(metavar="SPEC", help=SPEC)] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Time each model with each runtime this often.")] = ROUNDS,
    pixel_range: PixelRange = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    time_limit: TimeLimit = 600,
    json: Json = False,
) -> None:
    """Measure each model with every runtime that is installed, and recommend what to deploy.

    Measures the time of a picture, pictures a second, CPU time, start-up time and memory. Each runtime runs in a
    process of its own, and all take turns.

    Examples:

    digits-edge benchmark artifacts/runs/compact-sample/bundle

    digits-edge benchmark net.onnx --data mnist-idx-folder --pixel-range=-1..1
    """
    from digits_edge.common.progress import progress, say
    from digits_edge.export.benchmark.benchmark import benchmark, steps
    from digits_edge.export.engines.model_files import open_models
    from digits_edge.export.verify.evaluate import doubt_about, evaluate_file, read_validation
    from digits_edge.trainer.datasets.read import read_class_names

    models = open_models(model, range_of(pixel_range, mean, std), time_limit)
    if models.description:
        say(f"{model}: {models.description}")
    names = read_class_names(labels) if labels else None
    validation = None if data is None else read_validation(models, data, names)
    if validation:
        answers = evaluate_file(models.files[0], validation, lambda: None).probabilities
        if doubt := doubt_about(models, validation, answers):
            say(f"warning: {models.files[0].file}: {doubt}")
    starts = min(STARTS, rounds)
    with progress("measuring", steps(models.files, validation, rounds, starts)) as step:
        result = benchmark(
            models.files,
            accuracies=models.accuracies(),
            validation=validation,
            rounds=rounds,
            starts=starts,
            time_limit=time_limit,
            step=step,
        )
    if json:
        print_json(result.to_json())
        return
    _print(result)
    print_text(NOTE.format(rounds=rounds))
    if validation:
        print_lines(f"Accuracy: measured with that runtime on {validation.described}.")
    elif models.metrics:
        print_lines("Accuracy: as the gate measured it on the validation split.")
    print_text("\n" + textwrap.fill(printable(result.verdict, 1000), 118))


def _print(result: Benchmark) -> None:
    from digits_edge.common.tables import table

    print_lines(f"{result.cpu} ({' '.join(result.instruction_sets) or 'instruction sets unknown'})", "")
    speed = ("model, with", "bytes", "accuracy", "p50 µs", "p95", "p99", "time / first", "batch, 1/s", "/ first")
    print_text(table(speed, [_speed(c) for c in result.candidates], markdown=False) + "\n")
    cost = ("model, with", "start ms", "of it imports", "CPU µs", "/ first", "idle", "memory MB")
    print_text(table(cost, [_cost(c) for c in result.candidates], markdown=False))
    for failure in result.failures:
        print_lines("", f"{failure.runtime} cannot run {failure.file}: {failure.reason}")


def _speed(c: Candidate) -> Sequence[str]:
    return (
        f"{c.file}, {c.runtime}",
        f"{c.bytes:,}",
        "–" if c.accuracy is None else f"{c.accuracy:.2%}",
        f"{c.p50_us:,.0f}",
        f"{c.p95_us:,.0f}",
        f"{c.p99_us:,.0f}",
        _spread(c.latency),
        f"{c.pictures_per_second:,.0f}",
        _spread(c.throughput),
    )


def _cost(c: Candidate) -> Sequence[str]:
    return (
        f"{c.file}, {c.runtime}",
        f"{c.start_ms:,.0f}",
        f"{c.import_ms:,.0f}",
        f"{c.cpu_us:,.0f}",
        _spread(c.cpu),
        f"{c.idle_cpu:.2f}",
        "–" if c.peak_bytes is None else f"{c.peak_bytes / 1e6:.0f}",
    )


def _spread(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f}–{ratio.high:.2f})"

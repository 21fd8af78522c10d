"""`digits-edge benchmark`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.host import cpu_name

from .words import Json, print_columns, print_json


def command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE|MODEL", help="A bundle, a run that has one, or an .onnx.")],
    json: Json = False,
) -> None:
    """Time each model of a bundle here: one picture, one thread, all models by turns.

    Example:

    digits-edge benchmark artifacts/runs/compact-sample/bundle
    """
    from digits_edge.export.benchmark import ROUNDS, benchmark
    from digits_edge.export.models import open_models
    from digits_edge.trainer.progress import progress

    models = open_models(bundle)
    with progress("timing", ROUNDS) as step:
        timings = benchmark(models, step)
    if json:
        print_json({"cpu": cpu_name(), "threads": 1, "models": [asdict(timing) for timing in timings]})
        return
    rows = [
        (
            t.file,
            f"{t.bytes:,}",
            "–" if t.accuracy is None else f"{t.accuracy:.2%}",
            f"{t.p50:.0f}",
            f"{t.p95:.0f}",
            f"{t.ratio:.2f}x",
        )
        for t in timings
    ]
    print_columns([("model", "bytes", "accuracy", "p50 µs", "p95 µs", f"time / {timings[0].file}"), *rows])
    typer.echo(f"\none picture, one thread, on {cpu_name()}; accuracy as the gate saw it")

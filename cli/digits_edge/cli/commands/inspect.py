"""`digits-edge inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.system_info import cpu_name, instruction_sets, versions

from ..options import Custom, Json, TimeLimit
from ..output import print_json, print_lines, print_text


def command(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]",
            help="A bundle, a run, a refused export, a Keras, .onnx or .tflite model; the package's unless given.",
        ),
    ] = None,
    custom: Custom = None,
    time_limit: TimeLimit = 600,
    json: Json = False,
) -> None:
    """Describe a bundle, a run, a refused export or a model file, and this machine.

    Examples:

    digits-edge inspect

    digits-edge inspect artifacts/runs/compact-sample --json

    digits-edge inspect mine.keras
    """
    from digits_edge.export.inspect import inspect

    found = inspect(path, custom, time_limit)
    if json:
        here = {"cpu": cpu_name(), "instruction_sets": instruction_sets(), "versions": versions()}
        print_json({**found.facts, "here": here})
        return
    rows = [
        *found.rows,
        ("cpu", f"{cpu_name()} ({' '.join(instruction_sets())})"),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
    ]
    for key, value in rows:
        print_lines(f"{key:<16} {value}")
    for table in found.tables:
        print_text(f"\n{table}")

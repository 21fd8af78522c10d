"""`digits-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.errors import GateFailed, one_of

from .words import Json, print_json, shown


def command(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run; the newest finished one unless given.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Also quantize to int8; else the float models only.")] = False,
    format: Annotated[
        list[str] | None, typer.Option(help="onnx or tflite; may be repeated. Both unless given.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(help="Share of the validation pictures that a model may lose against Keras, net.")
    ] = 0.002,
    min_accuracy: Annotated[float, typer.Option(help="What the float models must reach.")] = 0.9,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The bundle's folder; RUN/bundle unless given.")
    ] = None,
    json: Json = False,
) -> None:
    """Turn a run into a bundle, if every model in it is as good as Keras.

    Examples:

    digits-edge export --int8

    digits-edge export artifacts/runs/kaggle --int8 --format onnx --max-drop 0.001 --out device
    """
    from digits_edge.export.export import FORMATS, ExportOptions, export
    from digits_edge.export.gate import Limits
    from digits_edge.export.report import manifest_table
    from digits_edge.trainer.run import Run

    formats = tuple(one_of("--format", name, FORMATS) for name in format) if format else FORMATS
    limits = Limits(max_drop, min_accuracy)
    source = Run.open(run) if run else Run.newest()
    try:
        bundle = export(ExportOptions(source, out or source.path / "bundle", int8, formats, limits))
    except GateFailed as refusal:
        if json:
            print_json({"published": False, "verdicts": refusal.verdicts})
        raise
    if json:
        print_json({"published": True, "bundle": str(shown(bundle.path)), "gate": bundle.manifest["gate"]})
        return
    typer.echo(manifest_table(bundle.manifest))
    size = sum(file.bytes for file in bundle.files)
    typer.echo(f"\n{shown(bundle.path)}: published, {size:,} bytes in {len(bundle.files)} files")

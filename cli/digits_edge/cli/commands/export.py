"""`digits-edge export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from digits_edge.export.formats import MODELS, Format
from digits_edge.export.verify.criteria import Limits
from digits_edge.runtime.errors import GateFailed, UsageError

from ..options import Json, Labels, PixelRange, PreprocessOption, print_json, shown, with_limits

OWN = "A model of your own"


@with_limits
def command(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN|MODEL.keras]", help="A run, or a Keras model; the newest finished run if none."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Also quantize to int8; else the float models only.")] = False,
    format: Annotated[
        list[Format] | None,
        typer.Option(
            help="Export this format; may be repeated. onnx and tflite unless given; c and web are written from the "
            "int8 TFLite model, which comes along."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The bundle's folder; RUN/bundle or MODEL-bundle unless given."),
    ] = None,
    no_ladder: Annotated[
        bool, typer.Option("--no-ladder", help="Refuse at the first failure: try no remedies.")
    ] = False,
    no_benchmark: Annotated[
        bool, typer.Option("--no-benchmark", help="Do not time the models for the report.")
    ] = False,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="Of each conversion.")] = 600,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="Labelled pictures as for train: up to 1,024 calibrate, the others judge.",
            rich_help_panel=OWN,
        ),
    ] = None,
    pixel_range: PixelRange = None,
    labels: Labels = None,
    preprocess: PreprocessOption = None,
    json: Json = False,
    *,
    limits: Limits,
) -> None:
    """Turn a run, or a Keras model of your own, into a bundle, if every model in it is as good as Keras.

    Where an int8 model is not, remedies are tried one after the other, and all is recorded; what fails in the end is
    kept under rejected/ beside the place where the bundle would have been.

    Examples:

    digits-edge export --int8

    digits-edge export artifacts/runs/kaggle --int8 --format onnx --max-drop 0.001 --out device

    digits-edge export --format onnx --format c --format web

    digits-edge export mine.keras --data pictures/ --pixel-range 0..255 --int8
    """
    from digits_edge.export import ExportOptions, export
    from digits_edge.export.options import OwnModel
    from digits_edge.export.report.gate_table import gate_table
    from digits_edge.trainer import Run
    from digits_edge.trainer.datasets.read import read_class_names

    what: Run | OwnModel
    if source is not None and source.suffix == ".keras":
        if data is None:
            raise UsageError(f"{source}: expected --data SPEC, labelled pictures to calibrate with and to judge by")
        what = OwnModel(
            path=source,
            data=data,
            pixel_range=pixel_range or "0..1",
            names=read_class_names(labels) if labels else None,
            preprocess=preprocess,
        )
    else:
        if any(option is not None for option in (data, pixel_range, labels, preprocess)):
            raise UsageError(
                "--data, --pixel-range, --labels and --preprocess go with a MODEL.keras: a run has its own"
            )
        what = Run.open(source) if source else Run.newest()
    try:
        bundle = export(
            ExportOptions(
                source=what,
                out=out or what.place,
                int8=int8,
                formats=format or MODELS,
                limits=limits,
                ladder=not no_ladder,
                timed=not no_benchmark,
                time_limit=time_limit,
            )
        )
    except GateFailed as refusal:
        if json:
            print_json({"published": False, "gate": refusal.gate})
        raise
    if json:
        print_json({"published": True, "bundle": str(shown(bundle.path)), **bundle.manifest})
        return
    typer.echo(gate_table(bundle.manifest["gate"]).markdown())
    if times := bundle.section("benchmark"):
        typer.echo(f"\n{times['verdict']}")
    size = sum(file.bytes for file in bundle.files)
    typer.echo(f"\n{shown(bundle.path)}: published, {size:,} bytes in {len(bundle.files)} files; look at report.html")

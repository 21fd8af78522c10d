"""`digits-edge export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digits_edge.common.keras_files import is_keras_model
from digits_edge.export.formats import MODELS, Format
from digits_edge.export.verify.criteria import Limits
from digits_edge.runtime.errors import GateFailed, UsageError
from digits_edge.trainer.run_info import MARKER

from ..options import (
    Custom,
    Json,
    LabelColumn,
    Labels,
    Mean,
    PixelRange,
    PreprocessOption,
    Std,
    TimeLimit,
    range_of,
    shown,
    with_limits,
)
from ..output import print_json, print_lines, print_text

if TYPE_CHECKING:
    from digits_edge.export.options import OwnModel
    from digits_edge.runtime.bundle import Bundle
    from digits_edge.trainer import Run

Source = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN|MODEL]",
        help="A run or a Keras model (.keras, .h5, the folder of a SavedModel); the newest finished run unless given.",
    ),
]
Int8 = Annotated[bool, typer.Option("--int8", help="Quantize to int8, too; otherwise export float models only.")]
Formats = Annotated[
    list[Format] | None,
    typer.Option(
        "--format",
        help="Export this format; may be repeated. onnx and tflite unless given; c and web are written from the int8 "
        "TFLite model, which is then exported, too.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write the bundle to this folder; RUN/bundle or MODEL-bundle unless given."),
]
NoLadder = Annotated[bool, typer.Option("--no-ladder", help="Refuse at the first failure, without trying remedies.")]
NoBenchmark = Annotated[bool, typer.Option("--no-benchmark", help="Do not time the models for the report.")]
TimeBudget = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="Begin no further remedy after this time; the best attempt so far is judged. No limit unless given.",
    ),
]
Pictures = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Labelled pictures for a Keras model, as for train: up to 1,024 calibrate, the others judge.",
    ),
]


@with_limits
def command(
    source: Source = None,
    int8: Int8 = False,
    formats: Formats = None,
    out: Out = None,
    no_ladder: NoLadder = False,
    no_benchmark: NoBenchmark = False,
    time_limit: TimeLimit = 600,
    time_budget: TimeBudget = None,
    data: Pictures = None,
    pixel_range: PixelRange = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    preprocess: PreprocessOption = None,
    custom: Custom = None,
    json: Json = False,
    *,
    limits: Limits,
) -> None:
    """Export a run, or a Keras model of your own, to a bundle, if every model in it is as good as Keras.

    If an int8 model is not as good, remedies are tried one after the other and recorded. If none helps, nothing is
    published, and the best attempt is kept under rejected/ beside the bundle's folder. --data, --pixel-range (or --mean
    and --std), --labels, --label-column, --preprocess and --custom describe a Keras model of your own; a run knows
    them. If another pixel range, inverted or transposed pictures or another order of classes mend most of its errors,
    that is said and nothing is exported.

    Examples:

    digits-edge export --int8

    digits-edge export artifacts/runs/kaggle --int8 --format onnx --max-drop 0.001 --out device

    digits-edge export --format onnx --format c --format web

    digits-edge export mine.keras --data pictures/ --pixel-range 0..255 --int8

    digits-edge export mine.h5 --data pictures/ --custom my_layers --int8 --time-budget 300
    """
    from digits_edge.export import ExportOptions, export

    own: dict[str, Any] = {
        "pixel_range": range_of(pixel_range, mean, std),
        "labels": labels,
        "label_column": label_column,
        "preprocess": preprocess,
        "custom": custom,
    }
    what = _run_or_model(source, data, own)
    try:
        bundle = export(
            ExportOptions(
                source=what,
                out=out or what.place,
                int8=int8,
                formats=formats or MODELS,
                limits=limits,
                ladder=not no_ladder,
                timed=not no_benchmark,
                time_limit=time_limit,
                time_budget=time_budget,
            )
        )
    except GateFailed as refusal:
        if json:
            print_json({"published": False, "gate": refusal.gate})
        raise
    _print(bundle, json)


def _run_or_model(source: Path | None, data: str | None, own: Mapping[str, Any]) -> Run | OwnModel:
    """What is exported: a run, or a model of the user's own that these options describe."""
    from digits_edge.export.options import OwnModel
    from digits_edge.trainer import Run
    from digits_edge.trainer.datasets.read import read_class_names

    if source is None or not _is_own(source, data):
        if any(option is not None for option in (data, *own.values())):
            raise UsageError(
                "--data, --pixel-range (--mean, --std), --labels, --label-column, --preprocess and --custom go with a "
                "MODEL.keras: a run has its own"
            )
        return Run.open(source) if source else Run.newest()
    if data is None:
        raise UsageError(f"{source}: expected --data SPEC, labelled pictures to calibrate with and to judge by")
    names = read_class_names(own["labels"]) if own["labels"] else None
    return OwnModel(source, data, names=names, **{name: value for name, value in own.items() if value is not None})


def _is_own(source: Path, data: str | None) -> bool:
    """Whether a path is a model of the user's own, of any form, and no run."""
    if (source / MARKER).is_file():
        return False
    return is_keras_model(source) or source.is_file() or data is not None


def _print(bundle: Bundle, json: bool) -> None:
    """Print the gate's table and what was published."""
    from digits_edge.export.report.gate_table import gate_table, own_part

    if json:
        print_json({"published": True, "bundle": str(shown(bundle.path)), **bundle.manifest})
        return
    print_text(gate_table(bundle.manifest["gate"]).markdown())
    if own := own_part(bundle.manifest):
        print_lines("", own)
    if times := bundle.section("benchmark"):
        print_lines("", times["verdict"])
    size = sum(file.bytes for file in bundle.files)
    print_lines(
        "", f"{shown(bundle.path)}: published, {size:,} bytes in {len(bundle.files)} files; look at report.html"
    )

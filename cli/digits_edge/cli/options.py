"""What several commands share: options, and printing for people or machines."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from digits_edge.export.verify.criteria import CRITERIA, Limits
from digits_edge.runtime.errors import UsageError
from digits_edge.runtime.metadata import Preprocess

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]
Data = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="The labelled pictures: sample (5,000 embedded digits), mnist (downloaded), a CSV (also packed), an .npz, "
        ".npy, .mat or .parquet file, a folder of IDX files, one with a sub-folder of pictures per class, or one of "
        "pictures with a labels.csv, as digits-edge label writes it.",
    ),
]
Taught = Annotated[
    Path | None,
    typer.Option(
        "--taught",
        metavar="NPZ",
        help="Teach the model the examples in this file first, as digits-edge teach saves them.",
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read class names from FILE: one a line, in the order of the model's outputs."),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|NUMBER",
        help="Take the label from this column of a CSV or parquet file; the first is 1, the last -1. Found by its name "
        "(label, class, target, ...) unless given.",
    ),
]
PreprocessOption = Annotated[
    Preprocess | None,
    typer.Option(
        "--preprocess",
        help="Set how a photograph becomes pixels: find and centre one digit, or resize the whole picture. Decided by "
        "looking at the data unless given.",
    ),
]
PixelRange = Annotated[
    str | None,
    typer.Option(
        metavar="LOW..HIGH",
        help="Set the values that black and white have in the model's input, for a model that digits-edge did not "
        "export: 0..1 (unless given), 0..255, -1..1, 1..0 for dark ink on light; three with commas between for three "
        "channels. An int8 file tells by its quantization, or p-128 feeds pixel values less 128; a uint8 file takes "
        "pixels as they are.",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER",
        help="Set the mean that is subtracted from pixels in 0..1 (or in 0..255, if it is above 1), with --std, in "
        "place of --pixel-range: 0.1307, or one for each channel, 0.485,0.456,0.406.",
    ),
]
Std = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Set the standard deviation that pixels are divided by: 0.3081."),
]
Custom = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE",
        help="Import this module first, with the layers and functions that a Keras model's author wrote: a name that "
        "Python finds from here, or the path of a .py file. Its code is run.",
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Stop a conversion that takes longer, or a model that takes longer to open or for 500 pictures.",
    ),
]
BundleOrModel = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE|MODEL", help="A bundle, a run that has one, or any image classifier's .onnx or .tflite."
    ),
]


def range_of(pixel_range: str | None, mean: str | None, std: str | None) -> str | None:
    """The pixel range that is asked for, directly or by mean and standard deviation; None for none."""
    if mean is None and std is None:
        return pixel_range
    if mean is None or std is None or pixel_range is not None:
        raise UsageError("--mean and --std: expected both of them, and no --pixel-range")
    from digits_edge.export.engines.pixel_range import normalized

    return normalized(mean, std)


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `limits: Limits` by one option for each criterion of the gate."""
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=criterion.default,
            annotation=Annotated[float, typer.Option(help=criterion.help, rich_help_panel="The gate")],
        )
        for name, criterion in CRITERIA.items()
    ]

    @wraps(command)
    def with_options(**given: Any) -> None:
        limits = Limits(**{name: given.pop(name) for name in CRITERIA})
        command(**given, limits=limits)

    own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [new for old in own for new in (options if old.name == "limits" else [old])]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_options


def shown(path: Path) -> Path:
    """A path as one would type it here: relative to the current folder where it is below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def check_png(option: str, target: Path) -> None:
    """Raise a UsageError unless a picture can have this name, before the work for it begins."""
    if target.suffix.lower() != ".png" or target.is_dir() or not target.absolute().parent.is_dir():
        raise UsageError(f"{option}: expected the name of a .png in an existing folder, received {str(target)!r}")


def check_drawing(paths: list[str], target: Path) -> None:
    """Raise a UsageError unless `--explain` was given one picture, and another file to draw to."""
    if len(paths) != 1 or not Path(paths[0]).is_file():
        raise UsageError(f"--explain: expected one picture's file, received {' '.join(paths)}")
    check_png("--explain", target)
    if target.exists() and target.samefile(paths[0]):
        raise UsageError(f"--explain: expected another file than the picture itself, received {str(target)!r}")

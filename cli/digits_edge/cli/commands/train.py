"""`digits-edge train`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from digits_edge.runtime.errors import GateFailed, UsageError
from digits_edge.trainer.recipes import RECIPES, Architecture, Augmentation, Recipe
from digits_edge.trainer.released import is_released

from ..options import Data, Json, LabelColumn, Labels, PreprocessOption, shown
from ..output import print_json, print_lines

if TYPE_CHECKING:
    from digits_edge.trainer import TrainOptions

EPILOG: Final = "\n\n".join(
    (
        "Recipes, with the fields that --set changes:",
        *(f"{name}: {recipe}" for name, recipe in RECIPES.items()),
        f"Other augmentations are off. All of them: {', '.join(field.name for field in fields(Augmentation))}.",
    )
)

RecipeName = Annotated[
    Literal["compact", "fast", "micro", "nano", "wide", "notebook", "adapt"] | None,
    typer.Option(
        help="Train by this recipe; all are listed below. Unless given, adapt where --init names a released model, "
        "else compact."
    ),
]
Model = Annotated[Architecture | None, typer.Option(help="Override the recipe's architecture.")]
Epochs = Annotated[int | None, typer.Option(help="Override the recipe's number of epochs.")]
BatchSize = Annotated[int | None, typer.Option(help="Override the recipe's batch size.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override any field of the recipe. May be repeated."),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="HxW[x3]",
        help="Train on pictures of this height and width, 8 to 128 pixels each, in grey or, with x3, in colour "
        "(32x32x3); others are resized. Taken from the data unless given.",
    ),
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="Swap rows and columns of the pictures, which EMNIST stores transposed.")
]
Invert = Annotated[bool, typer.Option("--invert", help="Invert pictures that are dark ink on light paper.")]
Scale = Annotated[
    int, typer.Option("--scale", metavar="WHITE", help="Take this value for white, e.g. 1 where pixels are 0 or 1.")
]
Init = Annotated[
    Path | None,
    typer.Option(
        metavar="KERAS|RUN|NAME",
        help="Start from these weights: a Keras file, a run, or a released model (nano, micro, compact, notebook).",
    ),
]
Also = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC",
        help="Rehearse these pictures, so that they are not forgotten; with --recipe adapt, sample unless given.",
    ),
]
MaxForgetting = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="Refuse a model that forgets more than this share of the rehearsed validation pictures, net.",
    ),
]
Teachers = Annotated[
    list[Path] | None,
    typer.Option(
        "--teacher",
        metavar="KERAS|RUN",
        help="Distil: learn this model's answers as well as the labels. May be repeated: the mean of the logits.",
    ),
]
ViewsFolder = Annotated[
    Path | None,
    typer.Option(
        "--views",
        metavar="DIR",
        help="Keep the augmented pictures and the teachers' answers here, for other runs (1 GB of MNIST).",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed the initial weights, the order, augmentation and dropout.")]
SplitSeed = Annotated[int, typer.Option(help="Seed the split into training and validation pictures.")]
ValidationFraction = Annotated[float, typer.Option(help="Hold out this share of the pictures for validation.")]
DeviceName = Annotated[
    Literal["auto", "cpu", "gpu"],
    typer.Option(help="Train on this device; auto takes a GPU or TPU where Keras sees one."),
]
Distribute = Annotated[
    bool, typer.Option("--distribute", help="Split each batch across all devices (Keras's JAX backend).")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write the run to this folder; artifacts/runs/RECIPE-DATA unless given."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume an interrupted run after its last whole epoch.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace a finished run together with its bundle, and discard an interrupted one."),
]


def command(
    data: Data = "sample",
    recipe: RecipeName = None,
    model: Model = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    changes: Changes = None,
    init: Init = None,
    also: Also = None,
    max_forgetting: MaxForgetting = 0.002,
    teacher: Teachers = None,
    views: ViewsFolder = None,
    seed: Seed = 7,
    split_seed: SplitSeed = 0,
    validation_fraction: ValidationFraction = 0.2,
    labels: Labels = None,
    label_column: LabelColumn = None,
    preprocess: PreprocessOption = None,
    size: Size = None,
    transpose: Transpose = False,
    invert: Invert = False,
    scale: Scale = 255,
    device: DeviceName = "auto",
    distribute: Distribute = False,
    out: Out = None,
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a model and write a run.

    Examples:

    digits-edge train

    digits-edge train --data train.csv --recipe notebook --out artifacts/runs/kaggle

    digits-edge train --data mnist --recipe micro --set epochs=80 --set augmentation.rotation=20

    digits-edge train --data pictures --size 32x32x3

    digits-edge train --init compact --data mine
    """
    from digits_edge.trainer import TrainOptions
    from digits_edge.trainer.datasets.corrections import Corrections

    name, init, also = _start(recipe, model, init, also)
    options = TrainOptions(
        data=data,
        recipe=_changed(RECIPES[name], {"model": model, "epochs": epochs, "batch_size": batch_size}, changes or ()),
        out=out or _place(f"{name}-{Path(data).resolve().name.partition('.')[0]}", resume, force),
        names=labels,
        label_column=label_column,
        preprocess=preprocess,
        size=_shape(size) if size else None,
        corrections=Corrections(transpose=transpose, invert=invert, white=scale),
        init=init,
        also=also,
        max_forgetting=max_forgetting,
        teachers=tuple(teacher or ()),
        views=views,
        seed=seed,
        split_seed=split_seed,
        validation_fraction=validation_fraction,
        device=device,
        distribute=distribute,
        resume=resume,
        force=force,
    )
    _train(options, json)


def _start(
    recipe: str | None, model: str | None, init: Path | None, also: str | None
) -> tuple[str, Path | None, str | None]:
    """What is meant where a recipe, a model to start from or pictures to rehearse are not given."""
    if init is not None and model is not None:
        raise UsageError("--init, --model: expected one of them, received both (--init brings its network)")
    recipe = recipe or ("adapt" if init and is_released(init) else "compact")
    return (recipe, init or Path("compact"), also or "sample") if recipe == "adapt" else (recipe, init, also)


def _train(options: TrainOptions, json: bool) -> None:
    """Train, and print what came of it."""
    from digits_edge.trainer import train

    try:
        run = train(options)
    except GateFailed as refusal:
        if json:
            print_json({"published": False, "gate": refusal.gate})
        raise
    path = shown(run.path)
    if json:
        print_json({"run": str(path), **run.info.to_json()})
        return
    from digits_edge.trainer.adaptation import described

    info, metrics = run.info, run.info.metrics
    print_lines(
        f"{path}: {info.parameters:,} parameters, validation accuracy {metrics.val_accuracy:.2%} "
        f"({metrics.val_wrong} wrong of {info.split.validation:,}), {info.wall_seconds:.0f} s"
    )
    if info.adaptation:
        print_lines(*described(info.adaptation, info.dataset.name))
    print_lines(f"plots: {path / 'plots'}; next: digits-edge export {shlex.quote(str(path))} --int8")


def _shape(size: str) -> tuple[int, ...]:
    """The shape of a picture, (H, W) or (H, W, 3), from a size such as 28x28 or 32x32x3."""
    found = re.fullmatch(r"(\d{1,4})[x×,*](\d{1,4})(?:[x×,*]([13]))?", size.strip().lower())
    if not found:
        raise UsageError(f"--size: expected HEIGHTxWIDTH or HEIGHTxWIDTHx3, such as 32x32x3, received {size!r:.80}")
    height, width, channels = found.groups()
    return (int(height), int(width), *((3,) if channels == "3" else ()))


def _changed(recipe: Recipe, own: Mapping[str, object], changes: Sequence[str]) -> Recipe:
    """The recipe with what `--set` and the options of their own override."""
    for change in (*changes, *(f"{name}={value}" for name, value in own.items() if value is not None)):
        name, sign, value = change.partition("=")
        if not sign:
            raise UsageError(f"--set: expected FIELD=VALUE, received {change!r}")
        recipe = recipe.override(name.strip(), value.strip())
    return recipe


def _place(name: str, resume: bool, force: bool) -> Path:
    """Choose a folder under `artifacts/runs`: the interrupted run to resume, or the name, numbered if it is taken."""
    from digits_edge.trainer.fitting.checkpoint import interrupted_runs
    from digits_edge.trainer.run import RUNS
    from digits_edge.trainer.run_info import MARKER

    interrupted = interrupted_runs(RUNS)
    names = chain([RUNS / name], (RUNS / f"{name}-{i}" for i in count(2)))
    if resume:
        ours = re.compile(rf"{re.escape(name)}(-\d+)?")
        return next((path for path in reversed(interrupted) if ours.fullmatch(path.name)), RUNS / name)
    return next(path for path in names if force or not ((path / MARKER).exists() or path in interrupted))

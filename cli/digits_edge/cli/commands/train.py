"""`digits-edge train`."""

from __future__ import annotations

import re
from dataclasses import fields
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Final

import typer

from digits_edge.runtime.errors import UsageError, one_of
from digits_edge.runtime.metadata import PREPROCESS
from digits_edge.trainer.recipes import RECIPES, Augmentation

from ..options import Data, Json, print_json, shown

# Recipes are frozen dataclasses that need no keras, but are of the [train] extra's room like the rest.
EPILOG: Final = "\n\n".join(
    (
        "Recipes, by the fields that --set changes:",
        *(f"{name}: {recipe}" for name, recipe in RECIPES.items()),
        f"Augmentations not named are off; there are {', '.join(field.name for field in fields(Augmentation))}.",
    )
)


def command(
    data: Data = "sample",
    recipe: Annotated[str, typer.Option(help="How to train: one of those below.")] = "compact",
    model: Annotated[str | None, typer.Option(help="The architecture, instead of the recipe's own.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the recipe, as below; may be repeated."),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="KERAS|RUN", help="Start from this model and its weights, not from new ones.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(metavar="KERAS|RUN", help="Distil: learn the answers of this model beside the labels."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order, augmentation and dropout.")] = 7,
    split_seed: Annotated[int, typer.Option(help="Of the split into training and validation.")] = 0,
    validation_fraction: Annotated[float, typer.Option(help="Share of the pictures held out.")] = 0.2,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names, one a line, the first for class 0.")
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(help="How photographs become pixels: digit or resize. Judged by the data unless given."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    distribute: Annotated[
        bool, typer.Option("--distribute", help="Part each batch between all devices (Keras's JAX backend).")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder; artifacts/runs/RECIPE-DATA unless given.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, after its last whole epoch.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a finished run, with the bundle in it; forget an interrupted one.")
    ] = False,
    json: Json = False,
) -> None:
    """Fit a model and write a run.

    Examples:

    digits-edge train

    digits-edge train --data train.csv --recipe notebook --out artifacts/runs/kaggle

    digits-edge train --data mnist --recipe micro --set epochs=80 --set augmentation.rotation=20
    """
    from digits_edge.common.keras_backend import DEVICES
    from digits_edge.trainer.train import TrainOptions, train

    chosen = RECIPES[one_of("--recipe", recipe, RECIPES)]
    own = {"model": model, "epochs": epochs, "batch_size": batch_size}
    for change in [*(changes or []), *(f"{name}={value}" for name, value in own.items() if value is not None)]:
        name, sign, value = change.partition("=")
        if not sign:
            raise UsageError(f"--set: expected FIELD=VALUE, received {change!r}")
        chosen = chosen.override(name.strip(), value.strip())
    if init is not None and model is not None:
        raise UsageError("--init brings a network of its own: leave out --model")
    run = train(
        TrainOptions(
            data=data,
            recipe=chosen,
            out=out or _place(f"{recipe}-{Path(data).resolve().name.partition('.')[0]}", resume, force),
            names=labels,
            preprocess=None if preprocess is None else one_of("--preprocess", preprocess, PREPROCESS),
            init=init,
            teacher=teacher,
            seed=seed,
            split_seed=split_seed,
            validation_fraction=validation_fraction,
            device=one_of("--device", device, DEVICES),
            distribute=distribute,
            resume=resume,
            force=force,
        )
    )
    path = shown(run.path)
    if json:
        print_json({"run": str(path), **run.info})
        return
    metrics, pictures = run.info["metrics"], run.info["split"]["validation"]
    typer.echo(
        f"{path}: {run.info['parameters']:,} parameters, validation accuracy {metrics['val_accuracy']:.2%} "
        f"({metrics['val_wrong']} wrong of {pictures:,}), {run.info['wall_seconds']:.0f} s"
    )
    typer.echo(f"look at {path / 'plots'}; next: digits-edge export {path} --int8")


def _place(name: str, resume: bool, force: bool) -> Path:
    """Under `artifacts/runs`: the interrupted run of that name to resume, or the name, numbered where it is taken."""
    from digits_edge.trainer.fitting.checkpoint import interrupted_runs
    from digits_edge.trainer.run import MARKER, RUNS

    interrupted = interrupted_runs(RUNS)
    names = chain([RUNS / name], (RUNS / f"{name}-{i}" for i in count(2)))
    if resume:
        ours = re.compile(rf"{re.escape(name)}(-\d+)?")
        return next((path for path in reversed(interrupted) if ours.fullmatch(path.name)), RUNS / name)
    return next(path for path in names if force or not ((path / MARKER).exists() or path in interrupted))

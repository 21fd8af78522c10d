"""`digits-edge train`."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.contract import PREPROCESS

from .words import Data, Json, one_of, print_json, shown


def command(
    data: Data = "sample",
    recipe: Annotated[str, typer.Option(help="How to train: compact or notebook.")] = "compact",
    model: Annotated[str | None, typer.Option(help="compact or notebook, instead of the recipe's own.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
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
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder; artifacts/runs/RECIPE-DATA unless given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a finished run, with the bundle in it.")] = False,
    json: Json = False,
) -> None:
    """Fit a model and write a run.

    Examples:

    digits-edge train

    digits-edge train --data train.csv --recipe notebook --out artifacts/runs/kaggle
    """
    from digits_edge.trainer.recipes import MODELS, RECIPES
    from digits_edge.trainer.train import TrainOptions, train

    chosen = RECIPES[one_of("--recipe", recipe, RECIPES)]
    if model is not None:
        chosen = replace(chosen, model=one_of("--model", model, MODELS))
    if epochs is not None:
        chosen = replace(chosen, epochs=epochs)
    if batch_size is not None:
        chosen = replace(chosen, batch_size=batch_size)
    run = train(
        TrainOptions(
            data=data,
            recipe=chosen,
            out=out or _free_name(f"{recipe}-{Path(data).resolve().name.partition('.')[0]}", force),
            names=labels,
            preprocess=None if preprocess is None else one_of("--preprocess", preprocess, PREPROCESS),
            seed=seed,
            split_seed=split_seed,
            validation_fraction=validation_fraction,
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


def _free_name(name: str, force: bool) -> Path:
    """Under `artifacts/runs`, with a number where a run of that name is there already."""
    from digits_edge.trainer.run import MARKER, RUNS

    if force or not (RUNS / name / MARKER).exists():
        return RUNS / name
    return next(path for i in count(2) if not (path := RUNS / f"{name}-{i}").exists())

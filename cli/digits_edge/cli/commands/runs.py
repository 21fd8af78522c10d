"""`digits-edge runs`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from digits_edge.runtime.errors import UsageError

from ..options import Json, shown
from ..output import print_json, print_lines, print_text

HINTS: Final = {"interrupted": "no: --resume", "training": "training"}


def command(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the runs; artifacts/runs unless given.")] = None,
    json: Json = False,
) -> None:
    """List runs with their key figures.

    Examples:

    digits-edge runs

    digits-edge runs artifacts/runs/release --json
    """
    from digits_edge.common.progress import say
    from digits_edge.common.tables import table
    from digits_edge.trainer.run import RUNS
    from digits_edge.trainer.run_list import list_runs

    if folder is not None and not folder.is_dir():
        raise UsageError(f"expected a folder of runs, found none at {folder}")
    runs = list_runs(folder or RUNS)
    if json:
        print_json([{**asdict(run), "run": str(run.run)} for run in runs])
        return
    if not runs:
        print_lines(f"no runs in {folder or RUNS}; make one with: digits-edge train")
        return
    header = ("run", "recipe", "model", "data", "parameters", "epochs", "best", "validation", "seconds", "finished")
    rows = []
    for run in runs:
        if run.val_accuracy is None or run.seconds is None:
            say(f"digits-edge: {run.status}")
            continue
        rows.append(
            (
                str(shown(run.run.resolve())),
                run.recipe,
                run.model,
                run.data,
                "–" if run.parameters is None else f"{run.parameters:,}",
                f"{run.epoch}/{run.epochs}",
                str(run.best_epoch),
                f"{run.val_accuracy:.2%}",
                f"{run.seconds:.0f}",
                HINTS[run.status] if run.created is None else run.created.partition("+")[0],
            )
        )
    print_text(table(header, rows, markdown=False))

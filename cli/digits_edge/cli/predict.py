"""`digits-edge predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from digits_edge.runtime.errors import DatasetError, DigitsEdgeError, PictureError, UsageError

from .words import Json, print_json


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Pictures, folders of them, a Kaggle test.csv, or - for stdin.")
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="B", help="A bundle or an .onnx; the model that comes with the package unless given."),
    ] = None,
    submission: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write ImageId,Label for a Kaggle test.csv instead of printing.")
    ] = None,
    json: Json = False,
) -> None:
    """Find the digit in each picture, normalise it and classify it.

    Prints path, label, score, and whether the answer is accepted. A bad picture is one line on stderr, the others are
    answered, and the exit code is 2.

    Examples:

    digits-edge predict photo.jpg scans/

    digits-edge predict test.csv --bundle artifacts/runs/kaggle/bundle --submission submission.csv
    """
    from digits_edge.runtime import Classifier

    classifier = Classifier.load(bundle)
    if submission:
        if len(paths) != 1 or not _is_csv(paths[0]):
            raise UsageError(f"--submission: expected one Kaggle test.csv, received {' '.join(paths)}")
        from digits_edge.export.submission import write_submission

        rows = write_submission(classifier, Path(paths[0]), submission)
        if json:
            print_json({"submission": str(submission), "rows": rows})
        else:
            typer.echo(f"{submission}: {rows:,} rows")
        return
    found: list[dict[str, Any]] = []
    failed = False
    for name, prediction in _predictions(classifier, paths):
        if isinstance(prediction, DigitsEdgeError) or prediction.error:
            failed = True
            typer.echo(f"digits-edge: {getattr(prediction, 'reason', prediction)}", err=True)
        if isinstance(prediction, DigitsEdgeError):
            continue
        if json:
            answer = {"path": name, "label": prediction.label, "score": round(prediction.score, 6)}
            found.append({**answer, "accepted": prediction.accepted, "reason": prediction.reason})
        elif not prediction.error:
            verdict = "accepted" if prediction.accepted else f"not accepted: {prediction.reason}"
            typer.echo(f"{name}\t{prediction.label or '-'}\t{prediction.score:.3f}\t{verdict}")
    if json:
        print_json(found)
    if failed:
        raise typer.Exit(2)


def _predictions(classifier: Any, paths: list[str]) -> Iterator[tuple[str, Any]]:
    """Each picture's name and prediction, in order; a CSV or a folder that cannot be read gives its error instead."""
    for path in paths:
        try:
            if _is_csv(path):
                from digits_edge.trainer.datasets.kaggle_csv import read_unlabelled

                pixels = read_unlabelled(Path(path))
                yield from ((f"{path}:{row}", p) for row, p in enumerate(classifier.predict_many(pixels), 1))
            elif path == "-":
                yield "-", next(classifier.predict_many([_stdin()]))
            else:
                names = [str(p) for p in _pictures(path)]
                yield from zip(names, classifier.predict_many(names), strict=True)
        except (DatasetError, PictureError) as error:
            yield path, error


def _stdin() -> bytes:
    if sys.stdin is None:
        raise UsageError("-: expected a picture on stdin, which is closed")
    return sys.stdin.buffer.read()


def _pictures(name: str) -> list[Path]:
    """The path itself, or the pictures anywhere under a folder, by name; hidden files are passed over."""
    from digits_edge.runtime.picture import SUFFIXES

    path = Path(name)
    if not name or not path.is_dir():
        return [path]
    pictures = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.is_dir())
    shown = (p for p in pictures if not any(part.startswith(".") for part in p.relative_to(path).parts))
    found = sorted(shown, key=Path.as_posix)
    if not found:
        raise PictureError(f"{path}: expected pictures ({', '.join(SUFFIXES)}), found none in the folder")
    return found


def _is_csv(path: str) -> bool:
    return path.endswith((".csv", ".csv.gz"))

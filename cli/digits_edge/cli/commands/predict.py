"""`digits-edge predict`."""

from __future__ import annotations

import json as encoder
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from digits_edge.runtime.errors import UsageError, printable

from ..options import Json, Taught, check_drawing
from ..output import print_json, print_lines, print_text, stream_lines, until_nobody_reads

if TYPE_CHECKING:
    from io import BufferedReader

    from digits_edge.runtime import Classifier, Prediction
    from digits_edge.runtime.batch.predict_paths import Batch, PictureResult


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Pictures, folders of them, a Kaggle test.csv, or - for stdin.")
    ],
    bundle: Annotated[
        Path | None, typer.Option(metavar="B", help="Use this bundle or .onnx; the package's own model unless given.")
    ] = None,
    taught: Taught = None,
    submission: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Write a Kaggle submission (ImageId,Label) for a test.csv instead of printing."
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Accept answers with at least this score; the model's own threshold unless given."
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw to PNG, step by step, how the digit was found in one picture."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", help="Run the model on this many pictures at once; 32 unless given.")
    ] = None,
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line, as soon as answers are ready.")
    ] = False,
) -> None:
    """Find the digit in each picture and classify it.

    Prints path, label, score and whether the answer is accepted, as soon as each is ready and in bounded memory (--json
    prints one document at the end). A picture of several digits is not accepted: `digits-edge read` reads numbers. A
    picture that cannot be read is reported on stderr, the others are answered, and the exit code is 2.

    Examples:

    digits-edge predict photo.jpg scans/

    digits-edge predict photo.jpg --explain steps.png

    digits-edge predict scans/ test.csv.gz --jsonl

    digits-edge predict scans/ --taught mine.npz

    digits-edge predict test.csv --bundle artifacts/runs/kaggle/bundle --submission submission.csv
    """
    from digits_edge.runtime import Classifier
    from digits_edge.runtime.batch.ordered_map import cores
    from digits_edge.runtime.batch.predict_paths import BATCH, predict_paths

    if json and jsonl:
        raise UsageError("--json, --jsonl: expected one of them, received both")
    batch_size = BATCH if batch_size is None else batch_size
    if batch_size < 1:
        raise UsageError(f"--batch-size: expected 1 or more, received {batch_size}")
    classifier = Classifier.load(bundle, min_score=min_score, taught=taught)
    if explain:
        _draw(classifier, paths, explain)
    if submission:
        _submit(classifier, paths, submission, batch_size, json, jsonl)
        return
    stdin = cast("BufferedReader", sys.stdin.buffer) if "-" in paths and sys.stdin else None
    batches = predict_paths(classifier, paths, stdin=stdin, batch_size=batch_size, threads=cores())
    if not _answer(batches, json, jsonl):
        raise typer.Exit(2)


def _submit(classifier: Classifier, paths: list[str], target: Path, batch_size: int, json: bool, jsonl: bool) -> None:
    """Write a Kaggle submission, and say so."""
    from digits_edge.common.progress import picture_progress
    from digits_edge.runtime.batch.csv_rows import is_csv
    from digits_edge.runtime.batch.ordered_map import cores
    from digits_edge.runtime.batch.submission import write_submission

    if len(paths) != 1 or not is_csv(paths[0]):
        raise UsageError(f"--submission: expected one Kaggle test.csv, received {' '.join(paths)}")
    with picture_progress("classifying", prints=False) as seen:
        rows = write_submission(classifier, Path(paths[0]), target, batch_size=batch_size, threads=cores(), seen=seen)
    if json or jsonl:
        print_text(encoder.dumps({"submission": str(target), "rows": rows}, indent=1 if json else None))
    else:
        print_lines(f"{target}: {rows:,} rows")


def _answer(batches: Iterable[Batch], json: bool, jsonl: bool) -> bool:
    """Print answers as they come; whether all pictures could be read."""
    from digits_edge.common.progress import picture_progress, say

    failed = False
    document: list[dict[str, Any]] = []
    with picture_progress("classifying", prints=not json) as seen, until_nobody_reads():
        done = 0
        for batch in batches:
            bad = [result for result in batch.results if result.error]
            failed = failed or bool(bad)
            if json:
                document += [_record(result) for result in batch.results if result.prediction]
            elif jsonl:
                stream_lines(_json_line(result) for result in batch.results)
            else:
                good = (result for result in batch.results if not result.error)
                stream_lines(_line(result.name, result.prediction) for result in good if result.prediction)
            for result in bad:
                say(f"digits-edge: {result.error}")
            done += len(batch.results)
            seen(done, batch.share)
        if json:
            print_json(document)
    return not failed


def _draw(classifier: Classifier, paths: list[str], target: Path) -> None:
    """Write what was seen in one picture at each step."""
    from digits_edge.runtime.atomic_file import replacing
    from digits_edge.runtime.picture.explain import explain

    check_drawing(paths, target)
    with replacing(target) as file:
        explain(classifier.find(paths[0]), classifier.predict(paths[0]), classifier.labels).save(file, "PNG")


def _line(name: str, found: Prediction) -> str:
    reason = "several (digits-edge read reads numbers)" if found.reason == "several" else found.reason
    verdict = "accepted" if found.accepted else f"not accepted: {reason}"
    return f"{printable(name, 300)}\t{printable(found.label or '-', 60)}\t{found.score:.3f}\t{verdict}"


def _record(result: PictureResult) -> dict[str, Any]:
    found = result.prediction
    return {
        "path": result.name,
        "label": found.label if found else None,
        "score": round(found.score, 6) if found else 0.0,
        "accepted": bool(found and found.accepted),
        "reason": found.reason if found else str(result.error),
    }


def _json_line(result: PictureResult) -> str:
    return encoder.dumps(_record(result) | ({"error": str(result.error)} if result.error else {}))

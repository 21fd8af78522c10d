"""`digits-edge read`."""

from __future__ import annotations

import json as encoder
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from digits_edge.runtime.errors import UsageError, printable

from ..options import Json, Taught, check_drawing
from ..output import print_json, stream_lines, until_nobody_reads

if TYPE_CHECKING:
    from io import BufferedReader

    from digits_edge.runtime import Classifier, Reading
    from digits_edge.runtime.batch.read_paths import ReadingResult


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Pictures, folders of them, or - for stdin.")],
    digits: Annotated[
        int | None, typer.Option(metavar="N", help="How many digits each picture has, as the field of a form.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="B", help="Use this bundle or .onnx; the package's own model unless given.")
    ] = None,
    taught: Taught = None,
    explain: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw to PNG what was read in one picture, and where.")
    ] = None,
    json: Json = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line, as soon as answers are ready.")
    ] = False,
) -> None:
    """Read the numbers in each picture: digits apart or touching, in one line or several.

    Prints path, text and whether all of it is accepted; lines of writing are apart by a slash. With --json or --jsonl
    each number and digit has its score and its box (left, top, right, bottom) in pixels, and signs that were left out
    have theirs. A picture that cannot be read is reported on stderr, the others are answered, and the exit code is 2.

    Examples:

    digits-edge read form.jpg scans/

    digits-edge read postcode.png --digits 5

    digits-edge read form.jpg --explain boxes.png
    """
    from digits_edge.runtime import Classifier
    from digits_edge.runtime.batch.ordered_map import cores
    from digits_edge.runtime.batch.read_paths import read_paths

    if json and jsonl:
        raise UsageError("--json, --jsonl: expected one of them, received both")
    classifier = Classifier.load(bundle, taught=taught)
    if explain:
        _draw(classifier, paths, explain, digits)
    stdin = cast("BufferedReader", sys.stdin.buffer) if "-" in paths and sys.stdin else None
    if not _answer(read_paths(classifier, paths, stdin=stdin, digits=digits, threads=cores()), json, jsonl):
        raise typer.Exit(2)


def _answer(results: Iterable[ReadingResult], json: bool, jsonl: bool) -> bool:
    """Print answers as they come; whether all pictures could be read."""
    from digits_edge.common.progress import picture_progress, say

    failed = False
    document: list[dict[str, Any]] = []
    with picture_progress("reading", prints=not json) as seen, until_nobody_reads():
        for done, result in enumerate(results, 1):
            if json and result.reading:
                document.append(_record(result))
            elif jsonl:
                stream_lines([encoder.dumps(_record(result))])
            elif result.reading:
                stream_lines([_line(result.name, result.reading)])
            if result.error:
                failed = True
                say(f"digits-edge: {result.error}")
            seen(done, None)
        if json:
            print_json(document)
    return not failed


def _draw(classifier: Classifier, paths: list[str], target: Path, digits: int | None) -> None:
    """Draw what was read in one picture."""
    from digits_edge.runtime.atomic_file import replacing
    from digits_edge.runtime.numbers.explain import draw_reading

    check_drawing(paths, target)
    with replacing(target) as file:
        draw_reading(paths[0], classifier.read(paths[0], digits=digits)).save(file, "PNG")


def _line(name: str, reading: Reading) -> str:
    verdict = "accepted" if reading.accepted else f"not accepted: {reading.reason}"
    return f"{printable(name, 300)}\t{printable(reading.text.replace(chr(10), ' / ') or '-', 200)}\t{verdict}"


def _record(result: ReadingResult) -> dict[str, Any]:
    reading = result.reading
    if reading is None:
        return {"path": result.name, "text": None, "accepted": False, "error": str(result.error)}
    return {
        "path": result.name,
        "text": reading.text,
        "accepted": reading.accepted,
        "reason": reading.reason,
        "numbers": [
            {
                "text": number.text,
                "score": round(number.score, 6),
                "box": number.box,
                "digits": [
                    {
                        "label": digit.label,
                        "score": round(digit.score, 6),
                        "accepted": digit.accepted,
                        "box": digit.box,
                    }
                    for digit in number.digits
                ],
            }
            for number in reading.numbers
        ],
        "left_out": reading.left_out,
    }

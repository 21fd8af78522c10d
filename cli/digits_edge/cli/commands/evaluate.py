"""`digits-edge evaluate`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options import (
    BundleOrModel,
    Data,
    Json,
    LabelColumn,
    Labels,
    Mean,
    PixelRange,
    Std,
    TimeLimit,
    check_png,
    range_of,
)
from ..output import print_json, print_lines, print_text

if TYPE_CHECKING:
    from digits_edge.export.verify.evaluate import Evaluation


def command(
    model: BundleOrModel,
    data: Data,
    mistakes: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the first model's mistakes to PNG, the surest first.")
    ] = None,
    pixel_range: PixelRange = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    time_limit: TimeLimit = 600,
    json: Json = False,
) -> None:
    """Count right and wrong answers on labelled pictures, by plain argmax.

    A data set with a test part is judged by that part. The data that the model was trained on are judged by their
    validation split. A model that digits-edge did not export takes the names and the order of its classes from the
    data, or from --labels. If other pixels or another order of classes mend most errors, a warning names the option.

    Examples:

    digits-edge evaluate artifacts/runs/kaggle --data train.csv --mistakes mistakes.png

    digits-edge evaluate bundle --data mnist-idx-folder

    digits-edge evaluate net.tflite --data train.csv --pixel-range=-1..1

    digits-edge evaluate net.onnx --data mnist-idx-folder --mean 0.1307 --std 0.3081
    """
    from digits_edge.export import evaluate
    from digits_edge.runtime.atomic_file import replacing
    from digits_edge.trainer.datasets.read import read_class_names
    from digits_edge.trainer.plots import draw_mistakes

    if mistakes:
        check_png("--mistakes", mistakes)
    names = read_class_names(labels) if labels else None
    pixels = range_of(pixel_range, mean, std)
    with replacing(mistakes) if mistakes else nullcontext() as file:
        results = evaluate(
            model, data, pixel_range=pixels, names=names, label_column=label_column, time_limit=time_limit
        )
        validation = results[0].validation
        if file:
            draw_mistakes(file, validation.pixels, validation.targets, results[0].probabilities, validation.labels)
    if json:
        print_json({"data": validation.described, "models": [_record(result) for result in results]})
        return
    _print(results)
    if mistakes:
        print_lines("", f"{mistakes}: what {results[0].file} gets wrong")


def _record(result: Evaluation) -> dict[str, Any]:
    return {
        "file": result.file,
        "pictures": result.pictures,
        "wrong": result.wrong,
        "accuracy": round(result.accuracy, 6),
        "calibration_error": round(result.calibration_error, 6),
        "per_class": {label: {"pictures": n, "wrong": w} for label, (n, w) in result.per_class.items()},
    }


def _print(results: list[Evaluation]) -> None:
    from digits_edge.common.tables import table

    rows = [(r.file, f"{r.accuracy:.2%}", r.wrong, f"{r.pictures:,}", f"{r.calibration_error:.4f}") for r in results]
    print_text(table(("model", "accuracy", "wrong", "of", "calibration error"), rows, markdown=False) + "\n")
    classes = [
        (label, *(f"{r.per_class[label][1]}" for r in results), results[0].per_class[label][0])
        for label in results[0].validation.labels
    ]
    print_text(table(("wrong of class", *(r.file for r in results), "of"), classes, markdown=False))

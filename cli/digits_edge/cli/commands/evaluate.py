"""`digits-edge evaluate`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from digits_edge.runtime.errors import UsageError

from ..options import BundleOrModel, Data, Json, LabelColumn, Labels, Mean, PixelRange, Std, TimeLimit, range_of
from ..output import print_json, print_lines, print_text


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
    from digits_edge.common.tables import table
    from digits_edge.export import evaluate
    from digits_edge.runtime.atomic_file import replacing
    from digits_edge.trainer.datasets.read import read_class_names
    from digits_edge.trainer.plots import draw_mistakes

    if mistakes and (mistakes.suffix.lower() != ".png" or mistakes.is_dir() or not mistakes.absolute().parent.is_dir()):
        raise UsageError(f"--mistakes: expected the name of a .png in an existing folder, received {str(mistakes)!r}")
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
        print_json(
            {
                "data": validation.described,
                "models": [
                    {
                        "file": result.file,
                        "pictures": result.pictures,
                        "wrong": result.wrong,
                        "accuracy": round(result.accuracy, 6),
                        "calibration_error": round(result.calibration_error, 6),
                        "per_class": {k: {"pictures": n, "wrong": w} for k, (n, w) in result.per_class.items()},
                    }
                    for result in results
                ],
            }
        )
        return
    rows = [(r.file, f"{r.accuracy:.2%}", r.wrong, f"{r.pictures:,}", f"{r.calibration_error:.4f}") for r in results]
    print_text(table(("model", "accuracy", "wrong", "of", "calibration error"), rows, markdown=False) + "\n")
    classes = [
        (label, *(f"{r.per_class[label][1]}" for r in results), results[0].per_class[label][0])
        for label in validation.labels
    ]
    print_text(table(("wrong of class", *(r.file for r in results), "of"), classes, markdown=False))
    if mistakes:
        print_lines("", f"{mistakes}: what {results[0].file} gets wrong")

"""`digits-edge teach`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digits_edge.runtime.errors import PictureError, UsageError

from ..options import Json, Taught
from ..output import print_json, print_lines

if TYPE_CHECKING:
    from digits_edge.runtime import Classifier
    from digits_edge.trainer.datasets.picture_folder import Picture


def command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Pictures with a labels.csv, as digits-edge label writes it, or in one sub-folder per class.",
        ),
    ],
    save: Annotated[Path, typer.Option(metavar="NPZ", help="Write the examples to this file.")],
    bundle: Annotated[
        Path | None, typer.Option(metavar="B", help="Teach this bundle or .onnx; the package's own model unless given.")
    ] = None,
    taught: Taught = None,
    json: Json = False,
) -> None:
    """Teach a model labelled pictures, without training: at most 1,000, also of classes that it does not know.

    The examples are written to a file, which `predict`, `read`, `label` and Classifier.load take: --taught mine.npz.
    They change the answers for pictures that are much like them, and no others. Prints how many examples there are of
    each class, and those that the model is sure are something else: look whether their labels are right.

    Examples:

    digits-edge teach collected --save mine.npz

    digits-edge teach more --taught mine.npz --save mine.npz

    digits-edge predict scans/ --taught mine.npz
    """
    from digits_edge.runtime import Classifier

    classifier, names = _taught_all(Classifier.load(bundle, taught=taught), _labelled(folder))
    examples = classifier.examples
    classifier.save(save)
    places = [names.get(example.pixels.tobytes()) for example in examples]
    counts = {label: count for label in classifier.labels if (count := [e.label for e in examples].count(label))}
    doubts = [(path, example) for path, example in zip(places, examples, strict=True) if example.doubt]
    right = sum(example.guess == example.label for example in examples)
    if json:
        print_json(
            {
                "saved": str(save),
                "examples": len(examples),
                "right_before": right,
                "classes": counts,
                "doubts": [
                    {"path": path, "label": example.label, "guess": example.guess, "doubt": example.doubt}
                    for path, example in doubts
                ],
            }
        )
        return
    classes = ", ".join(f"{count:,} of {label}" for label, count in counts.items())
    print_lines(
        f"{save}: {len(examples):,} examples, {classes}; {right:,} of them right before",
        *(f"{path or taught}: taught as {example.label}, {example.doubt}" for path, example in doubts),
    )


def _labelled(folder: Path) -> list[Picture]:
    """The labelled pictures of a folder, as `train` finds them."""
    from digits_edge.trainer.datasets.picture_folder import files_under, find, find_labelled

    files = list(files_under(folder))
    labelled = find_labelled(folder, files)
    return labelled or [picture for part in find(folder, files, empty_allowed=True).values() for picture in part]


def _taught_all(classifier: Classifier, pictures: list[Picture]) -> tuple[Classifier, dict[bytes, str]]:
    """A classifier that was taught the pictures, and whose pixels are of which picture."""
    from digits_edge.common.progress import progress, say

    names: dict[bytes, str] = {}
    with progress("teaching", len(pictures)) as step:
        for picture in pictures:
            try:
                found = classifier.predict(picture.source)
                if found.pixels is None:
                    raise PictureError(f"{picture.where}: expected ink, found none")
                classifier = classifier.teach(found, str(picture.label))
                names[found.pixels.tobytes()] = picture.where
            except PictureError as error:
                say(f"digits-edge: left out {error}")
            step()
    if not names:
        raise UsageError("expected pictures that can be read, found none")
    return classifier, names

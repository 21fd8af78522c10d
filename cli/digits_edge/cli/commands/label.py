"""`digits-edge label`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from digits_edge.runtime.errors import UsageError

from ..options import Taught
from ..output import print_lines

if TYPE_CHECKING:
    from digits_edge.runtime import Classifier

    from ..labelling.pictures import Pictures


def command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of pictures, such as a collector's.")],
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="B", help="Guess with this bundle or .onnx; the package's own model unless given."),
    ] = None,
    taught: Taught = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|LIST",
            help="Take the classes from a file with one name a line, or from a list such as cat,dog; from the model "
            "unless given.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", help="Listen on this port; on any free one for 0.")] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address of the page, and open no browser.")
    ] = False,
) -> None:
    """Label the pictures in a folder, on a page in the browser.

    What the model is unsure of comes first, with its guess. Each answer is written at once to labels.csv in the folder,
    with the columns file and label, so the work can be interrupted and taken up again. A picture that is none of the
    classes has an empty label, and `digits-edge train --data FOLDER` leaves it out. The page is for this machine alone:
    nothing leaves it. Its button Done, or Ctrl-C, ends the command.

    Examples:

    digits-edge label collected

    digits-edge label scans --labels cat,dog --no-browser
    """
    from digits_edge.common.progress import say
    from digits_edge.runtime import Classifier

    from ..labelling.server import LabelServer

    if not 0 <= port < 2**16:
        raise UsageError(f"--port: expected a number from 0 to {2**16 - 1}, received {port}")
    classifier = Classifier.load(bundle, taught=taught)
    pictures = _pictures(folder, classifier, None if labels is None else _names(labels))
    with suppress(KeyboardInterrupt), LabelServer(pictures, port) as server:
        say(f"{folder}: {pictures.summary()}", f"{server.address} (Ctrl-C ends)")
        if not no_browser:
            import webbrowser

            webbrowser.open(server.address)
        server.serve_forever(poll_interval=0.1)
    print_lines(f"{pictures.path}: {pictures.summary()}")


def _pictures(folder: Path, classifier: Classifier, classes: tuple[str, ...] | None) -> Pictures:
    """The pictures with their guesses, after a look at whether their labels can be written.

    The classes are those of the model, and of others that have guessed, unless they are given.
    """
    from digits_edge.common.progress import picture_progress, say
    from digits_edge.runtime.atomic_file import try_to_write

    from ..labelling.pictures import Guess, Picture, Pictures, collected, find_pictures, guessed

    paths = find_pictures(folder)
    try:
        try_to_write(folder / "labels.csv")
    except OSError as error:
        raise UsageError(f"{folder / 'labels.csv'}: cannot be written: {error.strerror}") from None
    Pictures(folder, (), ())  # a wrong labels.csv is said before the work
    found = {path: collected(path) for path in paths}
    pictures = [Picture(path.name, guess, True) for path, guess in found.items() if guess]
    rest = [path for path, guess in found.items() if guess is None]
    with picture_progress("looking at the pictures", prints=False) as seen:
        for done, (path, guess) in enumerate(guessed(classifier, rest), 1):
            if isinstance(guess, Guess):
                pictures.append(Picture(path.name, guess, False))
            else:
                say(f"digits-edge: left out {guess}")
            seen(done, done / len(rest))
    if not pictures:
        raise UsageError(f"{folder}: expected pictures, found none that can be read")
    if classes is None:
        guesses = {picture.guess.label for picture in pictures if picture.guess.label is not None}
        classes = (*classifier.labels, *sorted(guesses - set(classifier.labels)))
    return Pictures(folder, classes, pictures)


def _names(given: str) -> tuple[str, ...]:
    """The classes of `--labels`."""
    from digits_edge.trainer.datasets.read import read_class_names

    if Path(given).exists():
        return read_class_names(Path(given))
    names = tuple(name.strip() for name in given.split(","))
    if len(names) < 2 or "" in names or len(set(names)) < len(names):
        raise UsageError(f"--labels: expected a file of class names, or names with commas between, received {given!r}")
    return names

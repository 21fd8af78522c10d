"""The pictures of a folder with what a model takes them for and what people say they are."""

from __future__ import annotations

import string
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from digits_edge.common import labels_csv
from digits_edge.runtime.errors import DatasetError, UsageError, check_utf8
from digits_edge.runtime.files import parse_json, read_file
from digits_edge.runtime.picture.decode import SUFFIXES
from digits_edge.runtime.picture.png import encode, text_of

if TYPE_CHECKING:
    from digits_edge.runtime import Classifier

COLLECTED: Final = 2**20  # bytes; no PNG of a collector is larger
SHOWN: Final = 320  # pixels of the longer side of a picture on the page
COMMANDS: Final = "nsu"  # keys for: none of the classes, skip, undo
KEYS: Final = [key for key in "1234567890" + string.ascii_lowercase if key not in COMMANDS]


@dataclass(frozen=True)
class Guess:
    """What a model takes a picture for."""

    label: str | None  # None without ink
    score: float
    accepted: bool
    reason: str | None  # why it is not accepted


@dataclass(frozen=True)
class Picture:
    """A picture to be labelled."""

    file: str  # its name in the folder
    guess: Guess
    collected: bool  # whether it is a collector's: small, and already in a form that browsers show


class Pictures:
    """The pictures of a folder, those of which a model is least sure first, and their `labels.csv`.

    Several threads may label at the same time. The file is read again before each change, so that nothing is lost that
    something else wrote there.

    Attributes:
        folder: The folder.
        classes: Names of the classes: those given, and any that are in `labels.csv`.
        pictures: In the order in which they are useful to train with.
    """

    def __init__(self, folder: Path, classes: Sequence[str], pictures: Sequence[Picture]) -> None:
        self.folder = folder
        self.path = folder / labels_csv.NAME
        self._lock = threading.Lock()
        self.classes = tuple(dict.fromkeys([*classes, *sorted(name for name in self.labels().values() if name)]))
        self.pictures = tuple(sorted(pictures, key=_usefulness))

    def labels(self) -> dict[str, str]:
        """The label of each file that has one, also of files that are not there any more."""
        return labels_csv.read_labels(self.path, alone=True) or {}

    def label(self, number: int, label: str | None) -> int:
        """Write what a picture is, or None to take its label away; return how many of the pictures are labelled.

        Raises:
            UsageError: There is no such picture or class, or `labels.csv` cannot be written.
            DatasetError: `labels.csv` is not what we wrote any more.
        """
        if not 0 <= number < len(self.pictures):
            raise UsageError(f"picture: expected a number below {len(self.pictures)}, received {number}")
        if label not in (None, labels_csv.NONE, *self.classes):
            raise UsageError(f"label: expected a class, received {label!r:.80}")
        with self._lock:
            labels = self.labels()
            labels.pop(self.pictures[number].file, None)
            if label is not None:
                labels[self.pictures[number].file] = label
            labels_csv.write_labels(self.path, labels)
        return sum(picture.file in labels for picture in self.pictures)

    def shown(self, number: int) -> bytes:
        """A picture as a PNG for the page. A PictureError or an OSError tells why there is none."""
        picture = self.pictures[number]
        path = self.folder / picture.file
        if picture.collected:
            return read_file(str(path), COLLECTED)
        import numpy as np
        from PIL import Image

        from digits_edge.runtime.picture.decode import read_picture

        image = Image.fromarray(read_picture(path))
        image.thumbnail((SHOWN, SHOWN))
        return encode(np.asarray(image))

    def summary(self) -> str:
        """How far the work is, for people."""
        labels = self.labels()
        mine = [labels.get(picture.file) for picture in self.pictures]
        none = mine.count(labels_csv.NONE)
        to_do = mine.count(None)
        return f"{len(mine) - none - to_do:,} labelled, {none:,} none of the classes, {to_do:,} to do"

    def to_json(self) -> dict[str, Any]:
        """All of it for the page."""
        labels = self.labels()
        keys = keys_of(self.classes)
        return {
            "folder": self.folder.name or str(self.folder),
            "digits": all(name in string.digits for name in self.classes),
            "classes": [{"label": name, "key": keys.get(name, "")} for name in self.classes],
            "pictures": [
                {
                    "file": picture.file,
                    **vars(picture.guess),
                    "small": picture.collected,
                    "is": labels.get(picture.file),
                }
                for picture in self.pictures
            ],
        }


def find_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, not those in its sub-folders; a UsageError says that there are none."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: expected a folder of pictures")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise UsageError(f"{folder}: expected pictures ({', '.join(SUFFIXES)}) in the folder, found none")
    for path in paths:
        check_utf8(path.name, path.parent)
    return paths


def collected(path: Path) -> Guess | None:
    """The guess that a `Collector` wrote into a picture; None for any other picture."""
    if path.suffix != ".png":
        return None
    try:
        facts = parse_json((text_of(read_file(str(path), COLLECTED)) or "").encode())
        label, score, accepted, reason = facts["label"], facts["score"], facts["accepted"], facts.get("reason")
        known = isinstance(label, str) and (reason is None or isinstance(reason, str)) and 0 <= score <= 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Guess(label, float(score), accepted is True, reason) if known else None


def guessed(classifier: Classifier, paths: Sequence[Path]) -> Iterable[tuple[Path, Guess | DatasetError]]:
    """What a model takes pictures for, or why one cannot be read, as soon as it is known."""
    from digits_edge.runtime.batch.ordered_map import cores
    from digits_edge.runtime.batch.predict_paths import predict_paths

    rest = iter(paths)
    for batch in predict_paths(classifier, map(str, paths), threads=cores()):
        for result in batch.results:
            found = result.prediction
            if found is None or result.error:
                yield next(rest), DatasetError(str(result.error))
            else:
                yield next(rest), Guess(found.label, found.score, found.accepted, found.reason)


def keys_of(classes: Iterable[str]) -> dict[str, str]:
    """The key for each class: its own name where that is one, else the first that is free; none for the rest."""
    names = list(classes)
    keys = {name: name.lower() for name in names if name.lower() in KEYS}
    if len(set(keys.values())) < len(keys):  # "a" beside "A"
        keys = {name: name for name in names if name in KEYS}
    free = iter([key for key in KEYS if key not in keys.values()])
    return keys | dict(zip((name for name in names if name not in keys), free, strict=False))


def _usefulness(picture: Picture) -> tuple[bool, bool, float, str]:
    """Sort key: what the model is unsure of first, what has no ink last."""
    guess = picture.guess
    return guess.label is None, guess.accepted, guess.score, picture.file

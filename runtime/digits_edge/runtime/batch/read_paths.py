"""Read the numbers in files and folders as a stream: lazily, in order, on several threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader

from ..classifier import Classifier
from ..errors import PictureError, UsageError
from ..numbers.reading import Reading
from .ordered_map import ordered_map
from .predict_paths import files_of, picture_on


@dataclass(frozen=True)
class ReadingResult:
    """The result for one picture."""

    name: str  # the path of the file
    reading: Reading | None  # None if nothing could be read
    error: PictureError | None = None  # what is wrong with the picture or the folder


def read_paths(
    classifier: Classifier,
    paths: Iterable[str],
    *,
    stdin: BufferedReader | None = None,
    digits: int | None = None,
    threads: int = 1,
) -> Iterator[ReadingResult]:
    """Read the numbers in pictures and in folders of them, lazily and in order.

    The path `-` stands for `stdin`, a stream of one picture. What cannot be read is a result with `error` set, and the
    next paths follow. `digits` is as for `Classifier.read`, and `threads` pictures are read at the same time.

    Raises:
        MissingExtra: A picture must be decoded, and pillow is not installed.
        UsageError: A path is `-`, and there is no `stdin`.
    """

    def read(found: tuple[str, PictureError | None]) -> ReadingResult:
        path, error = found
        try:
            if error is None:
                return ReadingResult(path, classifier.read(_picture(path, stdin), digits=digits))
        except PictureError as failure:
            error = failure
        return ReadingResult(path, None, error)

    if stdin is None and "-" in (paths := list(paths)):
        raise UsageError("-: expected a picture on stdin, which is closed")
    yield from ordered_map(read, (one for path in paths for one in files_of(path)), threads)


def _picture(path: str, stdin: BufferedReader | None) -> str | bytes:
    return picture_on(stdin) if path == "-" and stdin else path

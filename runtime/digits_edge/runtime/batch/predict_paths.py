"""Classify files, folders and CSVs as streams: lazily, in order, in bounded memory, on several threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Final

from ..classifier import Classifier
from ..errors import DatasetError, DigitsEdgeError, PictureError, UsageError
from ..picture.decode import MAX_BYTES, SUFFIXES
from ..prediction import Prediction
from .csv_rows import Rows, begins_a_csv, is_csv, read_rows
from .image_folder import pictures_in
from .ordered_map import ordered_map

BATCH: Final = 32  # pictures; benchmarks/bulk.py --batches measures that fewer and more are slower


@dataclass(frozen=True)
class PictureResult:
    """The result for one picture."""

    name: str  # the path of the file; for a row of a CSV `test.csv:17`, counted from 1
    prediction: Prediction | None  # None if nothing could be read
    error: DigitsEdgeError | None = None  # what is wrong with the picture, the folder or the CSV


@dataclass(frozen=True)
class Batch:
    """Results that became ready together, in the order of the pictures."""

    results: tuple[PictureResult, ...]
    share: float | None = None  # of their file that has been read, from 0 to 1; None if unknown


def predict_paths(
    classifier: Classifier,
    paths: Iterable[str],
    *,
    stdin: BufferedReader | None = None,
    batch_size: int = BATCH,
    threads: int = 1,
) -> Iterator[Batch]:
    """Classify pictures, folders of them, and Digit Recognizer CSVs (`.csv`, `.csv.gz`), lazily and in order.

    The path `-` stands for `stdin`, a stream of one picture or one CSV. What cannot be read is a result with `error`
    set, and the next paths follow. A CSV ends at its first wrong row. The model sees `batch_size` pictures at once, and
    `threads` batches are classified at the same time.

    Raises:
        MissingExtra: A picture must be decoded, and pillow is not installed.
        UsageError: A path is `-`, and there is no `stdin`.
    """
    for pictures, same in groupby(paths, lambda path: path != "-" and not is_csv(path)):
        if pictures:
            yield from _predict_files(classifier, same, batch_size, threads)
            continue
        for path in same:
            if path == "-":
                yield from _predict_stdin(classifier, stdin, batch_size, threads)
            else:
                yield from _predict_csv(classifier, path, path, batch_size, threads)


def _predict_stdin(
    classifier: Classifier, stdin: BufferedReader | None, batch_size: int, threads: int
) -> Iterator[Batch]:
    if stdin is None:
        raise UsageError("-: expected a picture or a CSV on stdin, which is closed")
    if begins_a_csv(stdin.peek(1)):
        yield from _predict_csv(classifier, stdin, "-", batch_size, threads)
    else:
        prediction = next(classifier.predict_many([picture_on(stdin)]))
        yield Batch((PictureResult("-", prediction, prediction.error),))


def picture_on(stdin: BufferedReader) -> bytes:
    """All bytes of a stream that may be a picture; of a longer one, more than a picture may have."""
    picture = bytearray()
    while len(picture) <= MAX_BYTES and (more := stdin.read(2**20)):
        picture += more
    return bytes(picture)


def _predict_csv(
    classifier: Classifier, source: str | BufferedReader, name: str, batch_size: int, threads: int
) -> Iterator[Batch]:
    def predict(rows: Rows) -> tuple[list[Prediction], float | None]:
        return list(classifier.predict_many(rows.pixels, batch_size=batch_size)), rows.share

    row = 0
    try:
        for predictions, share in ordered_map(predict, read_rows(source, name=name), threads):
            results = [PictureResult(f"{name}:{at}", p, p.error) for at, p in enumerate(predictions, row + 1)]
            yield Batch(tuple(results), share)
            row += len(predictions)
    except DatasetError as error:
        yield Batch((PictureResult(name, None, error),))


def _predict_files(classifier: Classifier, paths: Iterable[str], batch_size: int, threads: int) -> Iterator[Batch]:
    def predict(found: list[tuple[str, PictureError | None]]) -> Batch:
        predictions = classifier.predict_many([path for path, error in found if not error], batch_size=batch_size)
        results = [
            PictureResult(path, None, error) if error else PictureResult(path, p := next(predictions), p.error)
            for path, error in found
        ]
        return Batch(tuple(results))

    found = (one for path in paths for one in files_of(path))
    yield from ordered_map(predict, iter(lambda: list(islice(found, batch_size)), []), threads)


def files_of(path: str) -> Iterator[tuple[str, PictureError | None]]:
    """Yield the path, or the paths of the pictures in a folder; for a folder without pictures, it and an error."""
    if not path or not Path(path).is_dir():
        yield path, None
        return
    pictures = pictures_in(path)
    first = next(pictures, None)
    if first is None:
        expected = f"expected pictures ({', '.join(SUFFIXES)}), found none in the folder"
        yield path, PictureError(f"{path}: {expected}")
    else:
        yield from ((picture, None) for picture in chain([first], pictures))

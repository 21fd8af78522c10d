"""Many pictures at once: files, folders and CSVs, in order, in bounded memory, on as many threads as one likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Final

from .classifier import Classifier
from .errors import DatasetError, DigitsEdgeError, PictureError, UsageError
from .folder import pictures_in
from .in_order import in_order
from .kaggle import Block, begins_a_csv, read_blocks
from .picture.decode import SUFFIXES
from .prediction import Prediction

BATCH: Final = 32  # pictures: benchmarks/bulk.py --batches is slower with few and with many


@dataclass(frozen=True)
class Answer:
    """What became of one picture.

    Attributes:
        name: the file's path; of a row in a CSV `test.csv:17`, from 1.
        prediction: None where nothing could be read.
        error: what is wrong with the picture, the folder or the CSV of this name; else None.
    """

    name: str
    prediction: Prediction | None
    error: DigitsEdgeError | None = None


@dataclass(frozen=True)
class Batch:
    """Answers that became ready together.

    Attributes:
        answers: in order.
        share: how much of the file that they come from has been read, from 0 to 1; None where that is not known.
    """

    answers: tuple[Answer, ...]
    share: float | None = None


def predict_paths(
    classifier: Classifier,
    paths: Iterable[str],
    *,
    stdin: BufferedReader | None = None,
    batch_size: int = BATCH,
    threads: int = 1,
) -> Iterator[Batch]:
    """Predict what the paths hold, lazily and in order.

    What cannot be read is an answer with `error` set, and the others follow; the rows of a CSV end at a bad one.

    Args:
        classifier: shared by all threads.
        paths: of pictures, of folders of them, and of Kaggle CSVs (`.csv`, `.csv.gz`); `-` for `stdin`.
        stdin: what `-` means: one picture, or one CSV, plain or packed.
        batch_size: pictures that the model sees at once.
        threads: how many batches are worked on at once.

    Raises:
        MissingExtra: a file is to be decoded and pillow is not installed.
        UsageError: `-` without `stdin`.
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


def is_csv(path: str) -> bool:
    """Whether the name is that of a CSV."""
    return path.endswith((".csv", ".csv.gz"))


def _predict_stdin(
    classifier: Classifier, stdin: BufferedReader | None, batch_size: int, threads: int
) -> Iterator[Batch]:
    if stdin is None:
        raise UsageError("-: expected a picture or a CSV on stdin, which is closed")
    if begins_a_csv(stdin.peek(1)):
        yield from _predict_csv(classifier, stdin, "-", batch_size, threads)
    else:
        prediction = next(classifier.predict_many([stdin.read()]))
        yield Batch((Answer("-", prediction, prediction.error),))


def _predict_csv(
    classifier: Classifier, source: str | BufferedReader, name: str, batch_size: int, threads: int
) -> Iterator[Batch]:
    def predict(block: Block) -> tuple[list[Prediction], DatasetError | None, float | None]:
        rows = block.rows()
        return list(classifier.predict_many(rows.pixels, batch_size=batch_size)), rows.error, block.share

    row = 0
    try:
        for predictions, error, share in in_order(predict, read_blocks(source, name=name), threads):
            answers = (Answer(f"{name}:{at}", found, found.error) for at, found in enumerate(predictions, row + 1))
            yield Batch(tuple(answers), share)
            row += len(predictions)
            if error:
                raise error
    except DatasetError as error:
        yield Batch((Answer(name, None, error),))


def _predict_files(classifier: Classifier, paths: Iterable[str], batch_size: int, threads: int) -> Iterator[Batch]:
    def predict(found: list[str | Answer]) -> Batch:
        predictions = classifier.predict_many([f for f in found if isinstance(f, str)], batch_size=batch_size)
        return Batch(tuple(f if isinstance(f, Answer) else Answer(f, p := next(predictions), p.error) for f in found))

    found = (one for path in paths for one in _found(path))
    yield from in_order(predict, iter(lambda: list(islice(found, batch_size)), []), threads)


def _found(path: str) -> Iterator[str | Answer]:
    """The path itself, or the pictures under a folder; of a folder without any the answer to that."""
    if not path or not Path(path).is_dir():
        yield path
        return
    pictures = pictures_in(path)
    first = next(pictures, None)
    if first is None:
        expected = f"expected pictures ({', '.join(SUFFIXES)}), found none in the folder"
        yield Answer(path, None, PictureError(f"{path}: {expected}"))
    else:
        yield from chain([first], pictures)

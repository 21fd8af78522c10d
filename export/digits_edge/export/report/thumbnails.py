"""The pictures of a report: those whose label changed, and the wrong answers with the highest scores."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..quantize.attempt import Attempt
from ..result import ExportResult
from ..verify.confusion import KERAS

MOST_FLIPS: Final = 40  # pictures
MOST_MISTAKES: Final = 24
SIDE: Final = 112  # approximate size on the screen, in pixels
LARGEST: Final = 96  # largest side of a picture in the file, so that photographs do not make the report large


@dataclass(frozen=True)
class ShownAnswer:
    """The label that Keras or a model gives to a picture, and its score."""

    who: str
    label: str
    score: float


@dataclass(frozen=True)
class Thumbnail:
    """A picture and the answers to it."""

    row: int  # of the picture in the validation data
    source: str  # a PNG, as a data URI
    width: int  # on the screen, in pixels
    height: int
    truth: str  # the true label
    answers: tuple[ShownAnswer, ...]  # Keras's first, then those of the models


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind."""

    title: str
    total: int  # number of such pictures
    pictures: tuple[Thumbnail, ...]  # the first of them


def flips(result: ExportResult, models: Sequence[Attempt]) -> tuple[Gallery, ...]:
    """Pictures to which a model gives another label than Keras: broken, fixed, and wrong in both.

    Each picture is shown once, with the answers of all models that give another label than Keras. In each gallery the
    answers with the highest scores come first.
    """
    targets, keras_labels = result.source.validation.targets, result.keras.argmax(axis=1)
    labels = np.stack([model.answers.argmax(axis=1) for model in models])  # (models, N)
    scores = np.stack([model.answers.max(axis=1) for model in models])
    other = labels != keras_labels
    flipped, was_right = other.any(axis=0), keras_labels == targets
    fixed = (other & (labels == targets)).any(axis=0)
    score = np.where(other, scores, 0).max(axis=0)
    galleries, room = [], MOST_FLIPS
    for title, rows in (
        ("Broken: right in Keras, wrong in a model", flipped & was_right),
        ("Fixed: wrong in Keras, right in a model", fixed),
        ("Wrong in both, with another label", flipped & ~was_right & ~fixed),
    ):
        found = _by_score(np.flatnonzero(rows), score)
        pictures = tuple(
            _thumbnail(result, row, [model for model, differs in zip(models, other[:, row], strict=True) if differs])
            for row in found[:room]
        )
        galleries.append(Gallery(title, len(found), pictures))
        room -= len(pictures)
    return tuple(galleries)


def mistakes(result: ExportResult, model: Attempt) -> Gallery:
    """The wrong answers of one model that have the highest scores."""
    wrong = np.flatnonzero(model.answers.argmax(axis=1) != result.source.validation.targets)
    rows = _by_score(wrong, model.answers.max(axis=1))
    pictures = tuple(_thumbnail(result, row, [model]) for row in rows[:MOST_MISTAKES])
    return Gallery(f"Wrong answers of {model.file}, highest scores first", len(rows), pictures)


def _by_score(rows: npt.NDArray[np.intp], score: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return rows[np.argsort(-score[rows], kind="stable")]


def _thumbnail(result: ExportResult, row: int, models: Iterable[Attempt]) -> Thumbnail:
    validation = result.source.validation
    source, width, height = _png(validation.pixels[row])
    answers = [(KERAS, result.keras), *((model.file, model.answers) for model in models)]
    return Thumbnail(
        row=int(row),
        source=source,
        width=width,
        height=height,
        truth=validation.labels[validation.targets[row]],
        answers=tuple(
            ShownAnswer(who, validation.labels[probabilities[row].argmax()], float(probabilities[row].max()))
            for who, probabilities in answers
        ),
    )


def _png(pixels: npt.NDArray[np.uint8]) -> tuple[str, int, int]:
    """A data URI of a picture uint8[H, W] or uint8[H, W, 3], and its width and height on the screen."""
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    times = max(1, round(SIDE / max(image.size)))  # a whole number, so that every pixel is square
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return source, times * image.width, times * image.height

"""The pictures of a report: whose answer changed, and which wrong answers are the surest."""

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

FLIPS: Final = 40  # pictures, at most
MISTAKES: Final = 24
SIDE: Final = 112  # on the screen, about, in pixels
LARGEST: Final = 96  # sides of a picture in the file, so that photographs do not make the report heavy


@dataclass(frozen=True)
class ShownAnswer:
    """Who gave which label with which probability."""

    who: str
    label: str
    score: float


@dataclass(frozen=True)
class Shown:
    """A picture with what was said of it.

    Attributes:
        row: in the pictures judged by.
        source: a data URI of a PNG.
        width: on the screen, in pixels.
        height: on the screen, in pixels.
        truth: its label.
        answers: Keras's first, then those of the models that are told of.
    """

    row: int
    source: str
    width: int
    height: int
    truth: str
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind: the first of `total`."""

    title: str
    total: int
    pictures: tuple[Shown, ...]


def flips(result: ExportResult, models: Sequence[Attempt]) -> tuple[Gallery, ...]:
    """Pictures that a model labels otherwise than Keras: broken, fixed, and from one wrong label to another.

    A picture is shown once, with the answers of all models that have another label; in each kind the surest come first.
    """
    targets, theirs = result.source.validation.targets, result.keras.argmax(axis=1)
    ours = np.stack([model.answers.argmax(axis=1) for model in models])  # (models, N)
    scores = np.stack([model.answers.max(axis=1) for model in models])
    other = ours != theirs
    flipped, was_right = other.any(axis=0), theirs == targets
    fixed = (other & (ours == targets)).any(axis=0)
    score = np.where(other, scores, 0).max(axis=0)
    galleries, room = [], FLIPS
    for title, rows in (
        ("Broken: right in Keras, wrong now", flipped & was_right),
        ("Fixed: wrong in Keras, right now", fixed),
        ("From one wrong label to another", flipped & ~was_right & ~fixed),
    ):
        found = _surest(np.flatnonzero(rows), score)
        pictures = tuple(
            _shown(result, row, [model for model, differs in zip(models, other[:, row], strict=True) if differs])
            for row in found[:room]
        )
        galleries.append(Gallery(title, len(found), pictures))
        room -= len(pictures)
    return tuple(galleries)


def mistakes(result: ExportResult, model: Attempt) -> Gallery:
    """The surest wrong answers of one model."""
    wrong = np.flatnonzero(model.answers.argmax(axis=1) != result.source.validation.targets)
    rows = _surest(wrong, model.answers.max(axis=1))
    shown = tuple(_shown(result, row, [model]) for row in rows[:MISTAKES])
    return Gallery(f"The surest wrong answers of {model.file}", len(rows), shown)


def _surest(rows: npt.NDArray[np.intp], score: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return rows[np.argsort(-score[rows], kind="stable")]


def _shown(result: ExportResult, row: int, models: Iterable[Attempt]) -> Shown:
    validation = result.source.validation
    picture, width, height = _picture(validation.pixels[row])
    answers = [(KERAS, result.keras), *((model.file, model.answers) for model in models)]
    return Shown(
        row=int(row),
        source=picture,
        width=width,
        height=height,
        truth=validation.labels[validation.targets[row]],
        answers=tuple(
            ShownAnswer(who, validation.labels[given[row].argmax()], float(given[row].max())) for who, given in answers
        ),
    )


def _picture(pixels: npt.NDArray[np.uint8]) -> tuple[str, int, int]:
    """A data URI of uint8[H, W] or uint8[H, W, 3], and its width and height on the screen."""
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    times = max(1, round(SIDE / max(image.size)))  # a whole number, so that every pixel is a square
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return source, times * image.width, times * image.height

"""Parity: do Keras and every exported file give the same answers, whichever runtime asks?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Answers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    """One engine's answers beside Keras's.

    Attributes:
        engine: what ran what, e.g. `model.int8.tflite, LiteRT`.
        pictures: how many were asked about, the first ones of the validation split.
        wrong: how many got another label than their own.
        agreement: the share that got Keras's label.
        largest_difference: in probability, over all pictures and classes.
        arena_bytes: memory that the engine planned for activations; None where it does not say.
    """

    engine: str
    pictures: int
    wrong: int
    agreement: float
    largest_difference: float
    arena_bytes: int | None = None

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return 1 - self.wrong / self.pictures


def compare(
    engine: str, targets: npt.NDArray[np.int64], keras: Answers, answers: Answers, arena_bytes: int | None = None
) -> Parity:
    """Compare answers float32[M, C] for the first M pictures with Keras's float32[N, C]."""
    count = len(answers)
    labels = answers.argmax(axis=1)
    return Parity(
        engine=engine,
        pictures=count,
        wrong=int((labels != targets[:count]).sum()),
        agreement=float((labels == keras[:count].argmax(axis=1)).mean()),
        largest_difference=float(np.abs(answers - keras[:count]).max()),
        arena_bytes=arena_bytes,
    )


def agreement(answers: Sequence[Answers]) -> float:
    """The share of pictures that get one label from all of these answers."""
    labels = np.stack([some.argmax(axis=1) for some in answers])
    return float((labels == labels[0]).all(axis=0).mean())

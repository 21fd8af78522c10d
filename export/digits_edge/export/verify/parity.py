"""Parity: does every exported file, in every engine that runs it, answer as Keras does?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import accuracy

from ..engines.tensor_spec import Probabilities


@dataclass(frozen=True)
class Parity:
    """One engine's answers compared with Keras's.

    Attributes:
        engine: The file and the engine that ran it, e.g. `model.int8.tflite, LiteRT`.
        pictures: Number of pictures, the first ones of the validation split.
        wrong: Number of wrong answers.
        agreement: Share of the pictures that get Keras's label.
        largest_difference: Largest difference in probability over all pictures and classes.
        arena_bytes: Memory that the engine plans for activations; None if it does not say.
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
        return accuracy(self.wrong, self.pictures)


def compare(
    engine: str,
    targets: npt.NDArray[np.int64],
    keras: Probabilities,
    answers: Probabilities,
    arena_bytes: int | None = None,
) -> Parity:
    """Compare an engine's answers with Keras's.

    Args:
        engine: The file and the engine that ran it.
        targets: Classes of the N pictures, int64[N].
        keras: Keras's probabilities, float32[N, C].
        answers: The engine's probabilities for the first M pictures, float32[M, C].
        arena_bytes: Memory that the engine plans for activations.
    """
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


def agreement(answers: Sequence[Probabilities]) -> float:
    """The share of the pictures that get the same label from several models, each float32[N, C]."""
    labels = np.stack([probabilities.argmax(axis=1) for probabilities in answers])
    return float((labels == labels[0]).all(axis=0).mean())

"""Parity: does every exported file, in every engine that runs it, answer as Keras does?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import accuracy, count_wrong

from ..engines.tensor_spec import Probabilities


@dataclass(frozen=True)
class Parity:
    """One engine's answers compared with Keras's."""

    engine: str  # the file and the engine that ran it, e.g. `model.int8.tflite, LiteRT`
    pictures: int
    wrong: int
    agreement: float  # share of the pictures that get Keras's label
    largest_difference: float  # in probability, over all pictures and classes
    arena_bytes: int | None = None  # memory that the engine plans for activations; None if it does not say

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
    """Compare an engine's answers with Keras's, both float32[N, C], on N pictures of the classes `targets`."""
    return Parity(
        engine=engine,
        pictures=len(answers),
        wrong=count_wrong(answers, targets),
        agreement=agreement([answers, keras]),
        largest_difference=float(np.abs(answers - keras).max()),
        arena_bytes=arena_bytes,
    )


def agreement(answers: Sequence[Probabilities]) -> float:
    """The share of the pictures that get the same label from several models, each float32[N, C]."""
    labels = np.stack([probabilities.argmax(axis=1) for probabilities in answers])
    return float((labels == labels[0]).all(axis=0).mean())

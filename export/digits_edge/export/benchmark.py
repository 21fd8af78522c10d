"""How fast the models of a bundle answer on this machine: one picture at a time, one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from .models import Models

ROUNDS: Final = 20
CALLS: Final = 50  # of one model in a round, after 5 that are not counted


@dataclass(frozen=True)
class Timing:
    """One model's figures.

    Attributes:
        file: the model's name.
        bytes: its size.
        accuracy: on the validation split, as the gate saw it; None where no bundle tells.
        p50: median latency of one picture, in microseconds.
        p95: the latency that 95 % of the calls stay under, in microseconds.
        ratio: median over the rounds of its latency to the first model's in the same round.
    """

    file: str
    bytes: int
    accuracy: float | None
    p50: float
    p95: float
    ratio: float


def benchmark(models: Models, step: Callable[[], None]) -> list[Timing]:
    """Time every model by turns, A B C A B C, so that what else the machine does hits all alike.

    Args:
        models: of a bundle.
        step: called after each of `ROUNDS` rounds.
    """
    pictures = np.random.default_rng(0).integers(0, 256, (CALLS, 1, *models.shape), dtype=np.uint8)
    seconds = np.empty((len(models.files), ROUNDS, CALLS))
    for turn in range(ROUNDS):
        for index, model in enumerate(models.files):
            for picture in pictures[:5]:
                model.predict_proba(picture)
            for call, picture in enumerate(pictures):
                started = time.perf_counter()
                model.predict_proba(picture)
                seconds[index, turn, call] = time.perf_counter() - started
        step()
    medians = np.median(seconds, axis=2)  # (models, rounds)
    return [
        Timing(
            file=model.file,
            bytes=model.bytes,
            accuracy=models.metrics.get(model.file, {}).get("accuracy"),
            p50=float(np.median(seconds[index]) * 1e6),
            p95=float(np.quantile(seconds[index], 0.95) * 1e6),
            ratio=float(np.median(medians[index] / medians[0])),
        )
        for index, model in enumerate(models.files)
    ]

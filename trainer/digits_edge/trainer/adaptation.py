"""Judge a model that was adapted: has it learnt one's own pictures, and not forgotten the others?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import count_wrong
from digits_edge.runtime.errors import GateFailed

from .datasets.split import Split
from .run_info import Adaptation, Judged

CONFIDENCE: Final = 0.95
Answers = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]  # logits before and after, float32[N, C]


def judge(parts: Split, also: str, max_forgetting: float, rehearsed: Answers, own: Answers) -> Adaptation:
    """Compare a model before and after it was adapted, on its rehearsed and on one's own pictures.

    Args:
        parts: The pictures.
        also: SPEC of the rehearsed dataset.
        max_forgetting: Share of the rehearsed validation pictures that may be lost, rounded up to whole pictures.
        rehearsed: Logits before and after of `parts.validation`.
        own: The same of `parts.judged`; after, of each fold, those of the model that was trained without it.

    Raises:
        GateFailed: More was forgotten than is allowed.
    """
    targets = parts.dataset.targets
    old, mine = (
        Judged(len(rows), *(count_wrong(logits, targets[rows]) for logits in answers))
        for rows, answers in ((parts.validation, rehearsed), (parts.judged, own))
    )
    missing = np.setdiff1d(np.arange(len(parts.dataset.labels)), targets[parts.judged])
    low, high = wilson(mine.pictures - mine.wrong, mine.pictures)
    adaptation = Adaptation(
        also=Path(also).name,
        rehearsed=old,
        max_forgetting=max_forgetting,
        own=mine,
        low=low,
        high=high,
        folds=parts.folds,
        unjudged=tuple(parts.dataset.labels[index] for index in missing),
    )
    lost, allowed = old.wrong - old.wrong_before, _allowed(adaptation)
    if lost > allowed:
        needed = math.ceil(1e4 * lost / old.pictures) / 1e4
        raise GateFailed(
            f"nothing was written: {lost} of {old.pictures:,} validation pictures of {adaptation.also} were "
            f"forgotten, --max-forgetting {max_forgetting:g} allows {allowed}; to try next: "
            f"a lower --set learning_rate, more pictures to rehearse with --also, or --max-forgetting {needed:g}",
            {"verdict": "refused", "adaptation": asdict(adaptation)},
        )
    return adaptation


def wilson(right: int, pictures: int) -> tuple[float, float]:
    """The 95 % confidence interval of an accuracy, of which `right` pictures were counted.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    from scipy.stats import binomtest

    interval = binomtest(right, pictures).proportion_ci(CONFIDENCE, method="wilson")
    return round(float(interval.low), 6), round(float(interval.high), 6)


def described(adaptation: Adaptation, data: str) -> Iterator[str]:
    """The judgement in whole lines, for people; `data` is the name of one's own pictures."""
    own, old = adaptation.own, adaptation.rehearsed
    how = f" ({adaptation.folds} folds: each picture by a model trained without it)" if adaptation.folds else ""
    yield (
        f"{data}: {own.pictures - own.wrong_before} of {own.pictures:,} right before, {own.pictures - own.wrong} now: "
        f"{1 - own.wrong / own.pictures:.1%}, with 95 % confidence between {adaptation.low:.1%} and "
        f"{adaptation.high:.1%}{how}"
    )
    if adaptation.unjudged:
        yield f"{data}: without pictures of {', '.join(adaptation.unjudged)} to judge by: not judged"
    yield (
        f"{adaptation.also}: {1 - old.wrong_before / old.pictures:.2%} before, {1 - old.wrong / old.pictures:.2%} now "
        f"({old.wrong} wrong of {old.pictures:,}; --max-forgetting {adaptation.max_forgetting:g} allows "
        f"{old.wrong_before + _allowed(adaptation)})"
    )


def _allowed(adaptation: Adaptation) -> int:
    """How many of the rehearsed pictures may be forgotten, net."""
    return math.ceil(adaptation.max_forgetting * adaptation.rehearsed.pictures - 1e-9)

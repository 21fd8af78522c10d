"""How well scores separate right from wrong answers, and digits from other pictures: thresholds, AUROC, risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from digits_edge.runtime.metadata import Contract, familiarity
from digits_edge.trainer.fitting.outliers import outliers

# Shares of the validation pictures that the thresholds reject, by Keras's own answers. They are half of the one in a
# hundred that users should see rejected, because the validation split is small and other people's digits are harder.
UNFAMILIAR: Final = 0.004
UNSURE: Final = 0.001  # of those that are familiar
HIGHEST_MIN_SCORE: Final = 0.9  # where nearly all scores are 1, in a set of few pictures
HIGHEST_MIN_FAMILIARITY: Final = 0.98
COVERAGES: Final = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)
OUTLIERS: Final = 2000
SEED: Final = 2**31  # of the outliers to judge by; `train` draws its own by the seed of the run

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Risk:
    """At one coverage, the share of the surest answers: how many of them are wrong."""

    coverage: float
    risk: float


@dataclass(frozen=True)
class Rejection:
    """Which pictures a model rejects: what it answers without being sure.

    Attributes:
        file: The model's name in the bundle.
        rejected: Share of the validation pictures that are rejected.
        rejected_wrong: Share of the wrong answers that are rejected; None without wrong answers.
        auroc_wrong: AUROC of the score, to tell right from wrong answers; None where all are right or all are wrong.
        risks: Risk against coverage, by the score.
        outliers: Number of generated pictures of no class; 0 where none can be generated.
        rejected_outliers: Share of the outliers that are rejected.
        auroc_outliers: AUROC of the familiarity, to tell validation pictures from outliers.
    """

    file: str
    rejected: float
    rejected_wrong: float | None
    auroc_wrong: float | None
    risks: tuple[Risk, ...]
    outliers: int
    rejected_outliers: float | None
    auroc_outliers: float | None


def thresholds(reference: Probabilities) -> tuple[float, float]:
    """The least score and the least familiarity of an accepted answer.

    Args:
        reference: float32[N, C], Keras's probabilities for the validation pictures.
    """
    familiar = familiarity(reference)
    least = min(float(np.quantile(familiar, UNFAMILIAR)), HIGHEST_MIN_FAMILIARITY)
    scores = reference.max(axis=1)[familiar >= least]
    return round(min(float(np.quantile(scores, UNSURE)), HIGHEST_MIN_SCORE), 4), round(least, 4)


def draw_outliers(pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Make up 2,000 pictures of no class, uint8[2000, 28, 28], of the kinds that recipes train against.

    Args:
        pictures: uint8[K, 28, 28] of the training part.
    """
    return outliers(pictures, OUTLIERS, SEED)


def measure_rejection(
    file: str,
    targets: npt.NDArray[np.int64],
    answers: Probabilities,
    contract: Contract,
    outlier_answers: Probabilities | None,
) -> Rejection:
    """Measure what a model rejects of the validation pictures and of outliers.

    Args:
        file: The model's name in the bundle.
        targets: Classes of the N validation pictures, int64[N].
        answers: The model's probabilities for them, float32[N, C].
        contract: Thresholds of acceptance.
        outlier_answers: The model's probabilities for outliers, float32[M, C]; None without outliers.
    """
    scores, accepted = answers.max(axis=1), contract.accepts(answers)
    wrong = answers.argmax(axis=1) != targets
    surest = wrong[np.argsort(-scores, kind="stable")]
    others = outlier_answers
    return Rejection(
        file=file,
        rejected=float(1 - accepted.mean()),
        rejected_wrong=float(1 - accepted[wrong].mean()) if wrong.any() else None,
        auroc_wrong=_auroc(scores[~wrong], scores[wrong]),
        risks=tuple(Risk(share, float(surest[: max(1, round(share * len(surest)))].mean())) for share in COVERAGES),
        outliers=0 if others is None else len(others),
        rejected_outliers=None if others is None else float(1 - contract.accepts(others).mean()),
        auroc_outliers=None if others is None else _auroc(familiarity(answers), familiarity(others)),
    )


def _auroc(these: npt.NDArray[np.float32], those: npt.NDArray[np.float32]) -> float | None:
    """The chance that one of these is higher than one of those, ties counted half (Hanley and McNeil 1982)."""
    if not len(these) or not len(those):
        return None
    return float(mannwhitneyu(these, those).statistic / (len(these) * len(those)))

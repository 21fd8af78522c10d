"""How well scores separate right from wrong answers, and digits from other pictures: thresholds, AUROC, risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from digits_edge.runtime.metadata import Contract, familiarity
from digits_edge.trainer.fitting.outliers import outliers

from ..engines.tensor_spec import Pixels, Probabilities

# Shares of the validation pictures that the thresholds reject, by Keras's own answers. Together they are less than the
# 1 % of digits that users should see rejected at most, because the validation split is small.
UNFAMILIAR: Final = 0.007
UNSURE: Final = 0.001  # of the pictures that are familiar
HIGHEST_MIN_SCORE: Final = 0.9  # applies where nearly all scores are 1, in a set of few pictures
HIGHEST_MIN_FAMILIARITY: Final = 0.98
COVERAGES: Final = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)
OUTLIERS: Final = 2000
SEED: Final = 2**31  # of the outliers drawn here; `train` draws its own with the seed of the run


@dataclass(frozen=True)
class Risk:
    """One point of the risk-coverage curve."""

    coverage: float  # share of the answers that are kept, those with the highest scores
    risk: float  # share of the kept answers that are wrong


@dataclass(frozen=True)
class Rejection:
    """Which pictures a model rejects, and how well its scores separate right from wrong answers."""

    file: str
    rejected: float  # share of the validation pictures that are rejected
    rejected_wrong: float | None  # the same of the wrong answers; None without wrong answers
    auroc_wrong: float | None  # of the score, right against wrong answers; None if all are right or all are wrong
    risks: tuple[Risk, ...]  # risk-coverage curve of the score
    outliers: int  # number of generated pictures of no class; 0 if none can be generated
    rejected_outliers: float | None  # share of the outliers that are rejected; None without outliers
    auroc_outliers: float | None  # of the familiarity, validation pictures against outliers; None without outliers


def thresholds(reference: Probabilities) -> tuple[float, float]:
    """The minimum score and familiarity of an accepted answer, from Keras's probabilities float32[N, C]."""
    familiar = familiarity(reference)
    least = min(float(np.quantile(familiar, UNFAMILIAR)), HIGHEST_MIN_FAMILIARITY)
    scores = reference.max(axis=1)[familiar >= least]
    return round(min(float(np.quantile(scores, UNSURE)), HIGHEST_MIN_SCORE), 4), round(least, 4)


def draw_outliers(pictures: Pixels) -> Pixels:
    """Draw 2,000 pictures of no class, uint8[2000, 28, 28], as recipes train against, from training pictures."""
    return outliers(pictures, OUTLIERS, SEED)


def measure_rejection(
    file: str,
    targets: npt.NDArray[np.int64],
    answers: Probabilities,
    contract: Contract,
    outlier_answers: Probabilities | None,
) -> Rejection:
    """Measure what a model rejects of the validation pictures and of outliers.

    Both answers are probabilities, float32[N, C] for the pictures of the classes `targets`, float32[M, C] for outliers.
    """
    scores, accepted = answers.max(axis=1), contract.accepts(answers)
    wrong = answers.argmax(axis=1) != targets
    surest = wrong[np.argsort(-scores, kind="stable")]
    return Rejection(
        file=file,
        rejected=float(1 - accepted.mean()),
        rejected_wrong=float(1 - accepted[wrong].mean()) if wrong.any() else None,
        auroc_wrong=_auroc(scores[~wrong], scores[wrong]),
        risks=tuple(Risk(share, float(surest[: max(1, round(share * len(surest)))].mean())) for share in COVERAGES),
        outliers=0 if outlier_answers is None else len(outlier_answers),
        rejected_outliers=None if outlier_answers is None else float(1 - contract.accepts(outlier_answers).mean()),
        auroc_outliers=None if outlier_answers is None else _auroc(familiarity(answers), familiarity(outlier_answers)),
    )


def _auroc(positives: npt.NDArray[np.float32], negatives: npt.NDArray[np.float32]) -> float | None:
    """The probability that a positive scores higher than a negative, ties counted half (Hanley and McNeil 1982)."""
    if not len(positives) or not len(negatives):
        return None
    return float(mannwhitneyu(positives, negatives).statistic / (len(positives) * len(negatives)))

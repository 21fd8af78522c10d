"""What a model knows of its own errors, and of what is no digit: thresholds, AUROC, risk against coverage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu

from digits_edge.runtime.contract import Contract, familiarity
from digits_edge.trainer.outliers import outliers

from .subject import Subject

# Shares of validation pictures, by Keras's own answers, that thresholds refuse: half of what a user should see refused,
# one in a hundred, since the validation split is small, and digits of other hands are harder.
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
class Refusal:
    """What a model refuses.

    Attributes:
        file: the model's.
        refused: the share of the validation pictures.
        refused_wrong: the share of its wrong answers there that are among them; None where there are none.
        auroc_wrong: of the score, to tell right from wrong answers; None where there are none of one kind.
        risks: risk against coverage, by the score.
        outliers: how many pictures of no class were made up; 0 where that cannot be done.
        refused_outliers: the share of them.
        auroc_outliers: of the familiarity, to tell validation pictures from them.
    """

    file: str
    refused: float
    refused_wrong: float | None
    auroc_wrong: float | None
    risks: tuple[Risk, ...]
    outliers: int
    refused_outliers: float | None
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


def refusal(
    file: str,
    subject: Subject,
    contract: Contract,
    answers: Probabilities,
    predict: Callable[[npt.NDArray[np.uint8]], Probabilities],
) -> Refusal:
    """Judge by the validation pictures, and by outliers of the kinds that recipes train against.

    Args:
        file: the model's name.
        subject: what was exported.
        contract: with the thresholds.
        answers: float32[N, C] to the subject's N pictures.
        predict: the model.
    """
    scores, accepted = answers.max(axis=1), contract.accepts(answers)
    wrong = answers.argmax(axis=1) != subject.targets
    surest = wrong[np.argsort(-scores, kind="stable")]
    strangers = None
    if subject.preprocess == "digit" and contract.shape == (28, 28):
        strangers = predict(outliers(subject.calibration, OUTLIERS, SEED))
    return Refusal(
        file=file,
        refused=float(1 - accepted.mean()),
        refused_wrong=float(1 - accepted[wrong].mean()) if wrong.any() else None,
        auroc_wrong=_auroc(scores[~wrong], scores[wrong]),
        risks=tuple(Risk(share, float(surest[: max(1, round(share * len(surest)))].mean())) for share in COVERAGES),
        outliers=0 if strangers is None else len(strangers),
        refused_outliers=None if strangers is None else float(1 - contract.accepts(strangers).mean()),
        auroc_outliers=None if strangers is None else _auroc(familiarity(answers), familiarity(strangers)),
    )


def _auroc(these: npt.NDArray[np.float32], those: npt.NDArray[np.float32]) -> float | None:
    """The chance that one of these is higher than one of those, ties counted half (Hanley and McNeil 1982)."""
    if not len(these) or not len(those):
        return None
    return float(mannwhitneyu(these, those).statistic / (len(these) * len(those)))

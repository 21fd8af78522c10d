"""The gate: is an exported model as good as the Keras model that it came from, picture by picture?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from digits_edge.runtime.errors import UsageError

from .validation import Validation

LEAST: Final = {"max_error_ratio": 1.0}  # all other limits are shares
MOST: Final = {"max_error_ratio": math.inf}


@dataclass(frozen=True)
class Limits:
    """What is allowed of an exported model, against Keras on the same pictures.

    Shares of pictures are rounded up to whole ones, so that no limit but 0 is tighter than one picture.

    Attributes:
        max_drop: the share of pictures that may be lost, net of those won.
        max_error_ratio: wrong answers here to wrong answers there; one more is always allowed over 1.
        min_p: of the exact McNemar test; below it, more answers broken than fixed are no luck. 0 allows any.
        max_recall_drop: the share of the pictures of any one class that may be lost, net.
        min_agreement: the share of pictures that must get the label that Keras gave, right or wrong.
        max_drift: how far the share of accepted pictures may move, in either direction.
        max_difference: in probability, of the float models only: they must be the same function.
        min_accuracy: of the float models only.
    """

    max_drop: float = 0.002
    max_error_ratio: float = 1.5
    min_p: float = 0.001
    max_recall_drop: float = 0.02
    min_agreement: float = 0.99
    max_drift: float = 0.01
    max_difference: float = 0.001
    min_accuracy: float = 0.9

    def __post_init__(self) -> None:
        for field in fields(self):
            least, most, value = LEAST.get(field.name, 0.0), MOST.get(field.name, 1.0), getattr(self, field.name)
            if not least <= value <= most:
                expected = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of {least:g} or more"
                raise UsageError(f"{option(field.name)}: expected a number {expected}, received {value:g}")


def option(limit: str) -> str:
    """What a limit is called on the command line."""
    return f"--{limit.replace('_', '-')}"


def whole(share: float, pictures: int) -> int:
    """A share of so many pictures, rounded up to whole ones."""
    return math.ceil(share * pictures - 1e-9)  # 0.07 x 100 is 7.000000000000001 in binary


@dataclass(frozen=True)
class Check:
    """One criterion.

    Attributes:
        limit: the name of the field of `Limits` that it belongs to.
        value: what was measured, in the unit of `allowed`.
        allowed: in pictures, a ratio, a probability or a share.
        at_least: whether `allowed` is the least, not the most.
        needed: the limit that would have allowed the value, in the limit's own unit.
        words: what was measured and what is allowed.
    """

    limit: str
    value: float
    allowed: float
    at_least: bool
    needed: float
    words: str

    @property
    def holds(self) -> bool:
        """Whether the value is within what is allowed; one that is no number is not."""
        return self.value >= self.allowed if self.at_least else self.value <= self.allowed


@dataclass(frozen=True)
class Verdict:
    """One model against Keras on the validation split.

    Attributes:
        pictures: how many were judged.
        wrong: how many got another label than their own.
        keras_wrong: the same of the Keras model.
        broken: right in Keras, wrong here.
        fixed: wrong in Keras, right here.
        other_labels: how many got another label than Keras gave.
        largest_difference: in probability, over all pictures and classes.
        checks: every criterion.
    """

    pictures: int
    wrong: int
    keras_wrong: int
    broken: int
    fixed: int
    other_labels: int
    largest_difference: float
    checks: tuple[Check, ...]

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return 1 - self.wrong / self.pictures

    @property
    def failed(self) -> tuple[Check, ...]:
        """What does not hold; none where the model may be published."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def refused(self) -> str | None:
        """Why it may not be published, or None: the first criterion that fails, and how many more do."""
        if not self.failed:
            return None
        more = len(self.failed) - 1
        return self.failed[0].words + (f"; {more} more criteria fail" if more > 1 else "; one more fails" * more)

    @property
    def badness(self) -> tuple[int, int, int]:
        """To choose the best of several attempts by: criteria that fail, net answers lost, other labels."""
        return len(self.failed), max(0, self.broken - self.fixed), self.other_labels


@dataclass(frozen=True, eq=False)
class Gate:
    """Compares exported models with the Keras model they came from, on the same pictures.

    Attributes:
        validation: The pictures, N of them.
        keras: Keras's own probabilities for them, float32[N, C].
        limits: What is allowed.
        accepts: Which of the answers float32[N, C] are accepted, bool[N].
    """

    validation: Validation
    keras: npt.NDArray[np.float32]
    limits: Limits
    accepts: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.bool_]]

    def judge(self, precision: str, exported: npt.NDArray[np.float32]) -> Verdict:
        """Compare one model's probabilities float32[N, C] with Keras's.

        Args:
            precision: `float32` or `int8`; a float model must be the same function as Keras, whatever its labels.
            exported: What the model answers.
        """
        keras, limits, labels, targets = self.keras, self.limits, self.validation.labels, self.validation.targets
        theirs, ours = keras.argmax(axis=1), exported.argmax(axis=1)
        was_right, is_right = theirs == targets, ours == targets
        broken, fixed = int((was_right & ~is_right).sum()), int((~was_right & is_right).sum())
        wrong, keras_wrong, pictures = int((~is_right).sum()), int((~was_right).sum()), len(targets)
        other_labels = int((ours != theirs).sum())
        sound = bool(np.isfinite(exported).all())
        difference = float(np.abs(exported - keras).max()) if sound else math.nan
        checks = [
            _net_lost(broken - fixed, pictures, limits),
            _error_ratio(wrong, keras_wrong, limits),
            _mcnemar(broken, fixed, limits),
            _recall(targets, was_right, is_right, limits, labels),
            _agreement(other_labels, pictures, limits),
            _drift(self.accepts(keras), self.accepts(exported), limits),
        ]
        if precision == "float32" or not sound:
            words = (
                f"the conversion is not the same function: a probability differs by {difference:.3g}, "
                f"--max-difference allows {limits.max_difference:g}"
            )
            words = words if sound else "it gives probabilities that are no numbers"
            checks.insert(0, Check("max_difference", difference, limits.max_difference, False, difference, words))
        if precision == "float32":
            accuracy = 1 - wrong / pictures
            words = f"accuracy {accuracy:.2%} is under --min-accuracy {limits.min_accuracy:.2%}"
            checks.append(Check("min_accuracy", accuracy, limits.min_accuracy, True, accuracy, words))
        return Verdict(pictures, wrong, keras_wrong, broken, fixed, other_labels, difference, tuple(checks))


def mcnemar(broken: int, fixed: int) -> float:
    """Two-sided p of the exact test: how likely luck alone parts broken and fixed answers this unevenly.

    Source: Q. McNemar, Psychometrika 12 (1947); exact by the binomial distribution, as in T. Dietterich, Neural
    Computation 10 (1998).
    """
    return float(binomtest(broken, broken + fixed).pvalue) if broken + fixed else 1.0


def _net_lost(lost: int, pictures: int, limits: Limits) -> Check:
    allowed = whole(limits.max_drop, pictures)
    words = f"{lost} net answers lost of {pictures:,}, --max-drop {limits.max_drop:g} allows {allowed}"
    return Check("max_drop", lost, allowed, False, max(0, lost / pictures), words)


def _error_ratio(wrong: int, keras_wrong: int, limits: Limits) -> Check:
    least = max(keras_wrong, 1)
    one_more = keras_wrong + (limits.max_error_ratio > 1)
    ratio, allowed = wrong / least, max(limits.max_error_ratio, one_more / least)
    words = f"{wrong} wrong where Keras has {keras_wrong}, --max-error-ratio {limits.max_error_ratio:g}"
    return Check("max_error_ratio", ratio, allowed, False, max(1, ratio), words)


def _mcnemar(broken: int, fixed: int, limits: Limits) -> Check:
    p = mcnemar(broken, fixed) if broken > fixed else 1.0
    words = f"{broken} broken and {fixed} fixed are no luck: p {p:.2g} is under --min-p {limits.min_p:g}"
    return Check("min_p", p, limits.min_p, True, p, words)


def _recall(
    targets: npt.NDArray[np.int64],
    was_right: npt.NDArray[np.bool_],
    is_right: npt.NDArray[np.bool_],
    limits: Limits,
    labels: Sequence[str],
) -> Check:
    """Of the class that comes nearest to its limit, or goes furthest over it."""
    totals = np.bincount(targets)
    lost = np.bincount(targets, weights=was_right.astype(int) - is_right.astype(int)).astype(int)
    allowed = np.array([whole(limits.max_recall_drop, int(n)) for n in totals])
    worst = int(np.argmax(np.where(totals > 0, lost - allowed + lost / np.maximum(totals, 1), -np.inf)))
    words = (
        f"class {labels[worst]} lost {lost[worst]} of its {totals[worst]:,} pictures, "
        f"--max-recall-drop {limits.max_recall_drop:g} allows {allowed[worst]}"
    )
    needed = max(0, float((lost / np.maximum(totals, 1)).max()))
    return Check("max_recall_drop", int(lost[worst]), int(allowed[worst]), False, needed, words)


def _agreement(other_labels: int, pictures: int, limits: Limits) -> Check:
    allowed = whole(1 - limits.min_agreement, pictures)
    words = (
        f"{other_labels} labels of {pictures:,} are not Keras's, --min-agreement {limits.min_agreement:g} "
        f"allows {allowed}"
    )
    return Check("min_agreement", other_labels, allowed, False, 1 - other_labels / pictures, words)


def _drift(theirs: npt.NDArray[np.bool_], ours: npt.NDArray[np.bool_], limits: Limits) -> Check:
    drift, allowed = abs(int(ours.sum()) - int(theirs.sum())), whole(limits.max_drift, len(ours))
    words = (
        f"{ours.mean():.2%} are accepted where Keras accepts {theirs.mean():.2%}, --max-drift {limits.max_drift:g} "
        f"allows {allowed} pictures"
    )
    return Check("max_drift", drift, allowed, False, drift / len(ours), words)

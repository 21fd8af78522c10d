"""The criteria of the gate, each defined once, as a field of `Limits`.

The gate, the tables of the reports, the options of `digits-edge export` and the reference are made from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from digits_edge.common.numerics import accuracy
from digits_edge.runtime.errors import UsageError


@dataclass(frozen=True)
class ClassCounts:
    """The pictures of one class."""

    label: str
    pictures: int  # at least 1
    lost: int  # pictures that Keras recognises, minus those that the model recognises


@dataclass(frozen=True)
class Comparison:
    """An exported model compared with the Keras model it was made from, on the same pictures."""

    is_float: bool  # whether the model computes in float, as Keras does
    pictures: int
    wrong: int
    keras_wrong: int
    broken: int  # pictures that Keras labels right and the model labels wrong
    fixed: int  # pictures that Keras labels wrong and the model labels right
    other_labels: int  # pictures whose label differs from Keras's, right or wrong
    largest_difference: float  # in probability, over all pictures and classes; NaN if one is not finite
    accepted: int  # answers that the thresholds accept
    keras_accepted: int
    classes: tuple[ClassCounts, ...]  # every class that has pictures

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return accuracy(self.wrong, self.pictures)

    @property
    def keras_accuracy(self) -> float:
        """The share of Keras's right answers."""
        return accuracy(self.keras_wrong, self.pictures)


@dataclass(frozen=True)
class Check:
    """One criterion checked on one model."""

    limit: str  # name of the criterion
    value: float  # what was measured, in the unit of `allowed`
    allowed: float  # a number of pictures, a ratio, a probability or a share
    at_least: bool  # whether `allowed` is a minimum; otherwise it is a maximum
    needed: float  # the limit that would have allowed the value, in the limit's own unit
    words: str  # what was measured and what is allowed, for a message

    @property
    def holds(self) -> bool:
        """Whether the value is within the limit; NaN never is."""
        return self.value >= self.allowed if self.at_least else self.value <= self.allowed


Measurement = tuple[float, float, float, str]  # value, allowed, needed and words of a `Check`


@dataclass(frozen=True)
class Criterion:
    """One criterion of the gate."""

    default: float  # of the limit
    title: str  # of its row in tables
    help: str  # of its option
    measure: Callable[[Comparison, float], Measurement]  # turns a limit into the unit of the measurement, too
    format: str  # of the measured value
    bounds: tuple[float, float] = (0.0, 1.0)  # smallest and largest valid limit
    at_least: bool = False  # whether the value must be at least, not at most, what is allowed
    by_class: bool = False  # whether what is allowed depends on the class
    applies: Callable[[Comparison], bool] = lambda _: True  # whether a model is checked
    name: str = ""  # of the field of `Limits`

    @property
    def option(self) -> str:
        """The option of `digits-edge export` that sets the limit."""
        return f"--{self.name.replace('_', '-')}"

    def as_text(self, value: float) -> str:
        """A measured or allowed value as text."""
        return f"{value:{self.format}}"

    def check(self, comparison: Comparison, limit: float) -> Check:
        """Check one model against a limit."""
        value, allowed, needed, words = self.measure(comparison, limit)
        verb = "requires" if self.at_least else "allows"
        words = f"{words}, {self.option} {limit:g} {verb} {self.as_text(allowed)}"
        return Check(self.name, value, allowed, self.at_least, needed, words)


def whole(share: float, pictures: int) -> int:
    """A share of a number of pictures, rounded up to whole pictures."""
    return math.ceil(share * pictures - 1e-9)  # 0.07 x 100 is 7.000000000000001 in binary


def mcnemar(broken: int, fixed: int) -> float:
    """The two-sided p-value of the exact McNemar test on broken and fixed answers.

    Source: Q. McNemar, Psychometrika 12 (1947); exact by the binomial distribution, as in T. Dietterich, Neural
    Computation 10 (1998).
    """
    from scipy.stats import binomtest  # slow to import, and the command line reads this module for its help

    return float(binomtest(broken, broken + fixed).pvalue) if broken + fixed else 1.0


def _difference(compared: Comparison, limit: float) -> Measurement:
    difference = compared.largest_difference
    words = f"a probability differs from Keras's by {difference:.3g}"
    words = words if math.isfinite(difference) else "some probabilities are not finite numbers"
    return difference, limit, difference, words


def _net_lost(compared: Comparison, limit: float) -> Measurement:
    lost, pictures = compared.broken - compared.fixed, compared.pictures
    words = f"net loss of {lost} in {pictures:,} answers"
    return lost, whole(limit, pictures), max(0, lost / pictures), words


def _error_ratio(compared: Comparison, limit: float) -> Measurement:
    wrong, keras_wrong = compared.wrong, compared.keras_wrong
    least = max(keras_wrong, 1)
    one_more = keras_wrong + (limit > 1)
    ratio = wrong / least
    words = f"{wrong} wrong answers where Keras has {keras_wrong}"
    return ratio, max(limit, one_more / least), max(1, ratio), words


def _significance(compared: Comparison, limit: float) -> Measurement:
    broken, fixed = compared.broken, compared.fixed
    p = mcnemar(broken, fixed) if broken > fixed else 1.0
    return p, limit, p, f"{broken} broken and {fixed} fixed answers have a McNemar p of {p:.2g}"


def _class_recall(compared: Comparison, limit: float) -> Measurement:
    """Measure the class that comes nearest to its limit, or exceeds it most."""

    def excess(counts: ClassCounts) -> float:
        return counts.lost - whole(limit, counts.pictures) + counts.lost / counts.pictures

    worst = max(compared.classes, key=excess)
    needed = max(0, *(counts.lost / counts.pictures for counts in compared.classes))
    words = f"class {worst.label} lost {worst.lost} of its {worst.pictures:,} pictures"
    return worst.lost, whole(limit, worst.pictures), needed, words


def _agreement(compared: Comparison, limit: float) -> Measurement:
    other, pictures = compared.other_labels, compared.pictures
    words = f"the label changed on {other} of {pictures:,} pictures"
    return other, whole(1 - limit, pictures), 1 - other / pictures, words


def _drift(compared: Comparison, limit: float) -> Measurement:
    accepted, before, pictures = compared.accepted, compared.keras_accepted, compared.pictures
    drift = abs(accepted - before)
    words = f"{accepted:,} answers are accepted where Keras has {before:,}, a drift of {drift}"
    return drift, whole(limit, pictures), drift / pictures, words


def _accuracy(compared: Comparison, limit: float) -> Measurement:
    return compared.accuracy, limit, compared.accuracy, f"accuracy {compared.accuracy:.2%}"


def _limit(**criterion: Any) -> Any:
    return field(default=criterion["default"], metadata={"criterion": Criterion(**criterion)})


@dataclass(frozen=True)
class Limits:
    """What the gate allows of an exported model, compared with Keras on the same pictures.

    Shares of pictures are rounded up to whole pictures, so that a limit above 0 always allows one picture.
    `CRITERIA` says what each field means.

    Raises:
        UsageError: A limit is out of its bounds.

    Example:
        from digits_edge.export import Limits

        strict = Limits(max_drop=0.001, min_agreement=0.995)
    """

    max_difference: float = _limit(
        default=0.001,
        title="largest Δp",
        help="Maximum difference to Keras's probabilities, over all pictures and classes. Applies to the float "
        "models, which must compute the same function as Keras.",
        measure=_difference,
        format=".2g",
        applies=lambda compared: compared.is_float or math.isnan(compared.largest_difference),
    )
    max_drop: float = _limit(
        default=0.002,
        title="net lost",
        help="Maximum net loss, as a share of the pictures: broken answers (right in Keras, wrong in the model) "
        "minus fixed answers (wrong in Keras, right in the model).",
        measure=_net_lost,
        format=".0f",
    )
    max_error_ratio: float = _limit(
        default=1.5,
        title="error ratio",
        help="Maximum ratio of wrong answers to Keras's wrong answers. A limit above 1 always allows one more "
        "wrong answer than Keras.",
        measure=_error_ratio,
        format=".2f",
        bounds=(1.0, math.inf),
    )
    min_p: float = _limit(
        default=0.001,
        title="McNemar p",
        help="Minimum p-value of the exact McNemar test; below it the loss is significant. It is 1 unless more "
        "answers are broken than fixed. A limit of 0 allows any loss.",
        measure=_significance,
        format=".2g",
        at_least=True,
    )
    max_recall_drop: float = _limit(
        default=0.02,
        title="worst class, net lost",
        help="Maximum net loss of any one class, as a share of its pictures. Tables show the class that comes "
        "nearest to its limit.",
        measure=_class_recall,
        format=".0f",
        by_class=True,
    )
    min_agreement: float = _limit(
        default=0.99,
        title="changed labels",
        help="Minimum share of the pictures that get the same label as from Keras, right or wrong.",
        measure=_agreement,
        format=".0f",
    )
    max_drift: float = _limit(
        default=0.01,
        title="acceptance drift",
        help="Maximum change in the number of accepted answers, up or down, as a share of the pictures.",
        measure=_drift,
        format=".0f",
    )
    min_accuracy: float = _limit(
        default=0.9,
        title="accuracy, float models",
        help="Minimum share of right answers. Applies to the float models.",
        measure=_accuracy,
        format=".2%",
        at_least=True,
        applies=lambda compared: compared.is_float,
    )

    def __post_init__(self) -> None:
        for name, criterion in CRITERIA.items():
            (least, most), limit = criterion.bounds, getattr(self, name)
            if not least <= limit <= most:
                expected = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of {least:g} or more"
                raise UsageError(f"{criterion.option}: expected a number {expected}, received {limit:g}")


# By name, in the order in which the gate checks them and every table and help text lists them.
CRITERIA: Final[dict[str, Criterion]] = {
    limit.name: replace(limit.metadata["criterion"], name=limit.name) for limit in fields(Limits)
}

"""Look for the mistake behind many wrong answers: the pixel range, the pictures, or the order of the classes.

Tried are other pixel ranges, for a model that is often wrong inverted and transposed pictures and all of these
together, too, and for each the best order of the classes. A change is reported if it leaves at most two thirds of the
errors, and if McNemar's exact test says that this is no luck; it mends the model if it leaves at most half, or if it
makes five pictures in a hundred right. An order of classes is fitted to one half of the pictures and judged by the
other, since the best of many orders always fits a few pictures better. Of the changes that help, the one with the
fewest parts is reported, unless another is clearly better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import count_wrong

from ..engines.pixel_range import AS_INT8, inverted, option_of
from ..engines.tensor_spec import Engine, Probabilities
from .criteria import mcnemar
from .validation import Validation

PICTURES: Final = 2000  # that changes are tried on
OFTEN_WRONG_PICTURES: Final = 500  # the same of a model that is often wrong, on which more is tried
PICTURES_OF_CLASS: Final = 10  # at least, on average, for a fit of the order
REMAINING: Final = 2 / 3  # of the errors, at most
MENDED: Final = 0.5  # of the errors remain, at most …
GAINED: Final = 0.05  # … or of the pictures are made right, at least
OFTEN_WRONG: Final = 0.2  # of the pictures; a model that reads more is not fed inverted or transposed pictures
LUCK: Final = 0.001  # p, at most

CHANCE: Final = (
    "the answers are no better than always the same one, and no other pixel range, inversion, transposition or order "
    "of classes mends that: do these pictures and labels belong to this model?"
)

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Finding:
    """A change that makes many answers right."""

    pictures: int  # that it was tried on
    before: float  # accuracy on them
    after: float
    remedies: tuple[str, ...]  # options to give, or what to do with the data

    @property
    def mends(self) -> bool:
        """Whether at most half of the errors remain, or much is gained."""
        return 1 - self.after <= MENDED * (1 - self.before) or self.after - self.before >= GAINED

    def __str__(self) -> str:
        return (
            f"{self.before:.1%} of {self.pictures:,} pictures are answered right, but {self.after:.1%} with "
            f"{' and '.join(self.remedies)}"
        )


@dataclass(frozen=True, eq=False)
class _Trial:
    changes: int
    wrong: npt.NDArray[np.bool_]  # bool[N]
    remedies: tuple[str, ...]


def diagnose(
    validation: Validation, answers: Probabilities, engines: Mapping[str, Engine], *, stated: bool = False
) -> Finding | None:
    """Find a change of the pixels or of the order of the classes that makes many answers right.

    Args:
        validation: Labelled pictures.
        answers: The model's answers to them, float32[N, C].
        engines: The model for pixels in several ranges, the one that gave the answers first, under "" if it states
            its range itself. What they give need not be probabilities.
        stated: Whether the model states the order of its classes.

    Returns:
        The change, or None if none helps.
    """
    total, classes = len(validation.targets), len(validation.labels)
    often_wrong = count_wrong(answers, validation.targets) > OFTEN_WRONG * total
    enough = max(OFTEN_WRONG_PICTURES if often_wrong else PICTURES, PICTURES_OF_CLASS * classes)
    rows = np.unique(np.linspace(0, total - 1, min(total, enough)).astype(np.int64))
    pixels, targets = validation.pixels[rows], validation.targets[rows]
    now = answers[rows].argmax(axis=1)
    wrong = now != targets
    if mcnemar(0, int(wrong.sum())) > LUCK:  # too few errors to tell a change from luck
        return None
    given = next(iter(engines))
    inverting = (False, True) if often_wrong else (False,)
    transposing = inverting if pixels.shape[1] == pixels.shape[2] else (False,)
    trials = []
    for name, invert, transpose in product(engines, inverting, transposing):
        changed = ~pixels if invert else pixels
        changed = changed.swapaxes(1, 2) if transpose else changed
        unchanged = name == given and not invert and not transpose
        labels = now if unchanged else engines[name](np.ascontiguousarray(changed)).argmax(axis=1)
        remedies = _of_pixels(name, given, invert, transpose)
        changes = (name != given) + invert + transpose
        trials.append(_Trial(changes, labels != targets, remedies))
        judged, order = _reordered(labels, targets, classes)
        remedy = _of_order([validation.labels[index] for index in order], stated=stated)
        trials.append(_Trial(changes + 1, judged != targets, (*remedies, remedy)))
    helpful = [trial for trial in trials if _helps(wrong, trial.wrong)]
    if not helpful:
        return None
    least = min(int(trial.wrong.sum()) for trial in helpful)
    clear = [trial for trial in helpful if trial.wrong.sum() <= 1.25 * least + 2]
    best = min(clear, key=lambda trial: trial.changes)  # the first of these, in the order of the pixel ranges
    return Finding(len(rows), float(1 - wrong.mean()), float(1 - best.wrong.mean()), best.remedies)


def at_chance(targets: Labels, answers: Probabilities) -> bool:
    """Whether the answers float32[N, C] to pictures of the classes int64[N] are no better than always the same one."""
    from scipy.stats import binomtest

    right, largest = int((answers.argmax(axis=1) == targets).sum()), int(np.bincount(targets).max())
    share = largest / len(targets)
    return right < 2 * largest and bool(binomtest(right, len(targets), share, alternative="greater").pvalue > LUCK)


def _helps(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> bool:
    fixed, broken = int((before & ~after).sum()), int((~before & after).sum())
    return bool(after.sum() <= REMAINING * before.sum()) and mcnemar(broken, fixed) <= LUCK


def _of_pixels(name: str, given: str, invert: bool, transpose: bool) -> tuple[str, ...]:
    remedies = []
    if name and (name != given or invert) and not (invert and name == AS_INT8):
        remedies.append(option_of(inverted(name) if invert else name))
    elif invert:
        remedies.append("inverted pictures (255 - p)")
    return (*remedies, *(["rows and columns of the pictures exchanged"] if transpose else []))


def _of_order(labels: Sequence[str], *, stated: bool) -> str:
    listed = ", ".join(labels)
    return f"the outputs standing for {listed}" if stated else f"--labels FILE that lists, one a line, {listed}"


def _reordered(labels: Labels, targets: Labels, classes: int) -> tuple[Labels, Labels]:
    """The labels int64[N] by orders fitted to the other half of the pictures, and the order fitted to all, int64[C]."""
    half, judged = np.arange(len(labels)) % 2, np.empty_like(labels)
    for part in (0, 1):
        judged[half == part] = _order(labels[half != part], targets[half != part], classes)[labels[half == part]]
    return judged, _order(labels, targets, classes)


def _order(labels: Labels, targets: Labels, classes: int) -> Labels:
    """The class of each output, int64[C], so that most answers are right; as it was where nothing tells."""
    from scipy.optimize import linear_sum_assignment

    counts = np.bincount(labels * classes + targets, minlength=classes * classes).reshape(classes, classes)
    return np.asarray(linear_sum_assignment(2 * counts + np.eye(classes, dtype=int), maximize=True)[1])

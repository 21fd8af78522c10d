"""The gate: is an exported model as good as the Keras model it was made from, picture by picture?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..engines.tensor_spec import Probabilities
from .criteria import CRITERIA, Check, ClassCounts, Comparison, Limits
from .validation import Validation


@dataclass(frozen=True)
class Verdict(Comparison):
    """A comparison with Keras, and what the gate makes of it."""

    checks: tuple[Check, ...]  # every criterion that applies to the model

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that fail; empty for a model that may be published."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def refused(self) -> str | None:
        """Why the model may not be published: the first check that fails, and how many more do; else None."""
        if not self.failed:
            return None
        more = len(self.failed) - 1
        others = "" if not more else "; 1 more criterion fails" if more == 1 else f"; {more} more criteria fail"
        return self.failed[0].words + others

    @property
    def badness(self) -> tuple[int, int, int]:
        """Orders several attempts, best first: failed checks, net loss, changed labels."""
        return len(self.failed), max(0, self.broken - self.fixed), self.other_labels


@dataclass(frozen=True, eq=False)
class Gate:
    """Compares exported models with the Keras model they were made from, on the same pictures."""

    validation: Validation  # N pictures
    keras: Probabilities  # Keras's own probabilities for them, float32[N, C]
    limits: Limits
    accepts: Callable[[Probabilities], npt.NDArray[np.bool_]]  # bool[N], by the answers float32[N, C]

    def judge(self, precision: str, exported: Probabilities) -> Verdict:
        """Check every criterion on a model of precision `float32` or `int8` with the probabilities float32[N, C]."""
        compared = self._compare(exported, is_float=precision == "float32")
        checks = tuple(
            criterion.check(compared, getattr(self.limits, name))
            for name, criterion in CRITERIA.items()
            if criterion.applies(compared)
        )
        return Verdict(**vars(compared), checks=checks)

    def _compare(self, exported: Probabilities, *, is_float: bool) -> Comparison:
        labels, targets = self.validation.labels, self.validation.targets
        keras_labels, own_labels = self.keras.argmax(axis=1), exported.argmax(axis=1)
        was_right, is_right = keras_labels == targets, own_labels == targets
        totals, found, keras_found = (
            np.bincount(targets[rows], minlength=len(labels)) for rows in (slice(None), is_right, was_right)
        )
        finite = bool(np.isfinite(exported).all())
        return Comparison(
            is_float=is_float,
            pictures=len(targets),
            wrong=int((~is_right).sum()),
            keras_wrong=int((~was_right).sum()),
            broken=int((was_right & ~is_right).sum()),
            fixed=int((~was_right & is_right).sum()),
            other_labels=int((own_labels != keras_labels).sum()),
            largest_difference=float(np.abs(exported - self.keras).max()) if finite else math.nan,
            accepted=int(self.accepts(exported).sum()),
            keras_accepted=int(self.accepts(self.keras).sum()),
            classes=tuple(
                ClassCounts(label, int(total), int(lost))
                for label, total, lost in zip(labels, totals, keras_found - found, strict=True)
                if total
            ),
        )

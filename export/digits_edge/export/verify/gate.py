"""The gate: is an exported model as good as the Keras model it was made from, picture by picture?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..engines.tensor_spec import Engine, Probabilities
from .criteria import CRITERIA, Check, ClassCounts, Comparison, Limits
from .validation import Validation


@dataclass(frozen=True)
class Verdict(Comparison):
    """A comparison with Keras, and what the gate makes of it."""

    checks: tuple[Check, ...]  # every criterion that applies to the model
    own: Verdict | None = None  # on the pictures that the model was adapted to

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that fail; empty for a model that may be published."""
        return (*(check for check in self.checks if not check.holds), *(self.own.failed if self.own else ()))

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
    own: Gate | None = None  # that judges by the pictures that the model was adapted to
    criteria: tuple[str, ...] = tuple(CRITERIA)  # that are checked
    place: str = ""  # what the words of a check begin with

    def judge(self, precision: str, exported: Probabilities, engine: Engine | None = None) -> Verdict:
        """Check every criterion on a model.

        Args:
            precision: `float32` or `int8`.
            exported: Its probabilities for the pictures of the validation, float32[N, C].
            engine: The model, which is asked about the pictures that it was adapted to, if it was.
        """
        compared = self._compare(exported, is_float=precision == "float32")
        checks = tuple(
            replace(check, words=self.place + check.words)
            for name in self.criteria
            if CRITERIA[name].applies(compared)
            for check in [CRITERIA[name].check(compared, getattr(self.limits, name))]
        )
        own = self.own.judge(precision, engine(self.own.validation.pixels)) if self.own and engine else None
        return Verdict(**vars(compared), checks=checks, own=own)

    def adapted_to(self, own: Validation, keras: Probabilities) -> Gate:
        """A gate that also judges by the pictures that a model was adapted to.

        They are few, so only those criteria are checked that count whole pictures of all classes. If the model was
        trained on them, what is right and wrong tells nothing, and only the agreement with Keras is checked.
        """
        criteria = (
            ("max_difference", "min_agreement") if own.trained_on else ("max_difference", "max_drop", "min_agreement")
        )
        return replace(self, own=replace(self, validation=own, keras=keras, criteria=criteria, place="one's own: "))

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

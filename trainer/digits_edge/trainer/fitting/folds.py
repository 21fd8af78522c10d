"""Judge few pictures by folds: train once without each fold, from the same start, and let that model answer it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from digits_edge.common.progress import say

from ..datasets.split import Split
from .fit import FitPlan, fit, state_of

State = list[npt.NDArray[Any]]


def state(plan: FitPlan) -> State:
    """All that training the plan's model changes, copied."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in state_of(plan)]


def fold_logits(plan: FitPlan, parts: Split, start: State) -> Iterator[npt.NDArray[np.float32]]:
    """Logits of the pictures of each fold, float32[N, C]. The plan's model is changed.

    `start` is the state from which the plan's model was fitted.
    """
    size = plan.model.recipe.batch_size
    for number, fold in enumerate(parts.held_out, 1):
        say(f"fold {number} of {parts.folds}: training without {len(fold)} pictures, to judge by them")
        for variable, value in zip(state_of(plan), start, strict=True):
            variable.assign(value)
        some = parts.without(fold)
        with TemporaryDirectory() as folder:
            fold_plan = replace(
                plan,
                training=parts.dataset.take(some.epoch(size)),
                validation=parts.dataset.take(some.validation),
                checkpoint=Path(folder, "fold.npz"),
            )
            yield fit(fold_plan).last.logits[-len(fold) :]

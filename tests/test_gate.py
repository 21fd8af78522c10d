"""The gate counts pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits_edge.export.gate import Limits, judge
from digits_edge.runtime.errors import UsageError

TARGETS = np.arange(1000) % 10


def answers(wrong: int, start: int = 0) -> np.ndarray:
    """Probabilities that are right but for `wrong` pictures from `start` on."""
    guesses = TARGETS.copy()
    guesses[start : start + wrong] = (guesses[start : start + wrong] + 1) % 10
    return np.where(np.arange(10) == guesses[:, None], 0.91, 0.01).astype(np.float32)


@pytest.mark.parametrize(
    ("max_drop", "pictures", "allowed"),
    [(0.002, 1000, 2), (0.002, 1001, 3), (0.002, 8400, 17), (0.07, 100, 7), (0, 500, 0), (0.002, 100, 1), (1, 30, 30)],
)
def test_the_allowance_is_rounded_up_to_whole_pictures(max_drop, pictures, allowed):
    assert Limits(max_drop).allowed(pictures) == allowed


@given(lost=st.integers(0, 40), allowed=st.integers(0, 40))
def test_one_picture_decides(lost, allowed):
    verdict = judge("m", "int8", TARGETS, answers(5), answers(5 + lost), Limits(max_drop=allowed / 1000))
    assert (verdict.refused is None) == (lost <= allowed)
    assert (verdict.broken, verdict.fixed, verdict.net_lost, verdict.other_labels) == (lost, 0, lost, lost)


def test_answers_won_make_up_for_answers_lost():
    verdict = judge("m", "int8", TARGETS, answers(30), answers(30, start=30), Limits(max_drop=0))
    assert (verdict.broken, verdict.fixed, verdict.net_lost, verdict.other_labels) == (30, 30, 0, 60)
    assert verdict.refused is None
    assert verdict.wrong == verdict.keras_wrong == 30


def test_a_float_model_must_be_the_same_function_even_where_labels_agree():
    slightly_off = answers(0) * 0.98 + 0.002
    verdict = judge("m", "float32", TARGETS, answers(0), slightly_off.astype(np.float32), Limits())
    assert verdict.refused is not None
    assert "not the same function" in verdict.refused
    assert judge("m", "int8", TARGETS, answers(0), slightly_off.astype(np.float32), Limits()).refused is None


def test_a_float_model_under_the_minimum_is_refused():
    verdict = judge("m", "float32", TARGETS, answers(101), answers(101), Limits(min_accuracy=0.9))
    assert verdict.refused == "accuracy 89.90% is under --min-accuracy 90.00%"


def test_numbers_that_are_none_are_refused():
    broken = answers(0)
    broken[3] = np.nan
    for precision in ("float32", "int8"):
        verdict = judge("m", precision, TARGETS, answers(0), broken, Limits(max_drop=1, min_accuracy=0))
        assert verdict.refused == "it gives probabilities that are no numbers"


@pytest.mark.parametrize(("name", "value"), [("max_drop", -0.1), ("max_drop", 2), ("min_accuracy", float("nan"))])
def test_impossible_limits(name, value):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: expected a number from 0 to 1"):
        Limits(**{name: value})

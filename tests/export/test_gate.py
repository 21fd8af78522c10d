"""The gate compares a model with Keras picture by picture, with more criteria than accuracy alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digits_edge.export.verify.criteria import CRITERIA, Limits, mcnemar, whole
from digits_edge.export.verify.gate import Gate
from digits_edge.export.verify.validation import Validation
from digits_edge.runtime.errors import UsageError

TARGETS = np.arange(1000) % 10
VALIDATION = Validation("1,000 pictures", np.zeros((1000, 28, 28), np.uint8), TARGETS, tuple("0123456789"))
LENIENT = Limits(
    max_drop=1, max_error_ratio=1e9, min_p=0, max_recall_drop=1, min_agreement=0, max_drift=1, max_difference=1,
    min_accuracy=0,
)  # fmt: skip


def answers(wrong: int, start: int = 0, score: float = 0.91) -> np.ndarray:
    """Probabilities that are right but for `wrong` pictures from `start` on."""
    guesses = TARGETS.copy()
    guesses[start : start + wrong] = (guesses[start : start + wrong] + 1) % 10
    return np.where(np.arange(10) == guesses[:, None], score, (1 - score) / 9).astype(np.float32)


def sure(probabilities):
    return probabilities.max(axis=1) >= 0.5


def verdict_on(exported, keras=None, limits=LENIENT, precision="int8"):
    keras = answers(0) if keras is None else keras
    return Gate(VALIDATION, keras, limits, accepts=lambda p: p.max(axis=1) >= 0.5).judge(precision, exported)


def failed(verdict):
    return [check.limit for check in verdict.failed]


@pytest.mark.parametrize(
    ("share", "pictures", "expected"),
    [(0.002, 1000, 2), (0.002, 1001, 3), (0.002, 8400, 17), (0.07, 100, 7), (0, 500, 0), (0.002, 100, 1), (1, 30, 30)],
)
def test_a_share_is_rounded_up_to_whole_pictures(share, pictures, expected):
    assert whole(share, pictures) == expected


@given(lost=st.integers(0, 40), allowed=st.integers(0, 40))
def test_one_net_lost_picture_decides(lost, allowed):
    verdict = verdict_on(answers(5 + lost), answers(5), replace(LENIENT, max_drop=allowed / 1000))
    assert (verdict.refused is None) == (lost <= allowed)
    assert (verdict.broken, verdict.fixed, verdict.other_labels) == (lost, 0, lost)


def test_fixed_answers_make_up_for_broken_ones():
    verdict = verdict_on(answers(30, start=30), answers(30), replace(LENIENT, max_drop=0, max_error_ratio=1, min_p=1))
    assert (verdict.broken, verdict.fixed, verdict.other_labels) == (30, 30, 60)
    assert verdict.refused is None
    assert verdict.wrong == verdict.keras_wrong == 30


@pytest.mark.parametrize(("wrong", "holds"), [(15, True), (16, False)])
def test_errors_may_grow_by_a_ratio(wrong, holds):
    verdict = verdict_on(answers(wrong), answers(10), replace(LENIENT, max_error_ratio=1.5))
    assert (verdict.refused is None) == holds


def test_one_more_error_than_keras_never_exceeds_the_ratio():
    for keras_wrong in (0, 1):
        limits = replace(LENIENT, max_error_ratio=1.5)
        assert verdict_on(answers(keras_wrong + 1), answers(keras_wrong), limits).refused is None
        assert failed(verdict_on(answers(keras_wrong + 2), answers(keras_wrong), limits)) == ["max_error_ratio"]


def test_mcnemars_p_is_that_of_the_binomial_distribution():
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(10, 0) == pytest.approx(2 / 2**10)
    assert mcnemar(8, 1) == pytest.approx(2 * 10 / 2**9)


def test_many_broken_and_none_fixed_are_a_significant_loss():
    limits = replace(LENIENT, min_p=0.001)
    assert verdict_on(answers(10), limits=limits).refused is None
    assert verdict_on(answers(11), limits=limits).refused == (
        "11 broken and 0 fixed answers have a McNemar p of 0.00098, --min-p 0.001 requires 0.001"
    )
    assert verdict_on(answers(0), answers(11), limits).refused is None  # a significant gain is no loss


def test_a_loss_in_a_single_class_is_detected():
    exported = answers(0)
    sevens = np.flatnonzero(TARGETS == 7)[:3]
    exported[sevens] = np.eye(10, dtype=np.float32)[1]
    limits = replace(LENIENT, max_recall_drop=0.02)
    assert verdict_on(exported, limits=limits).refused == (
        "class 7 lost 3 of its 100 pictures, --max-recall-drop 0.02 allows 2"
    )
    spread = answers(0)
    spread[[0, 1, 2]] = answers(1000)[[0, 1, 2]]
    assert verdict_on(spread, limits=limits).refused is None


def test_other_labels_count_even_where_both_are_wrong():
    keras, exported = answers(30), answers(0)
    exported[:30] = np.eye(10, dtype=np.float32)[(TARGETS[:30] + 2) % 10]
    limits = replace(LENIENT, min_agreement=0.98)
    assert verdict_on(exported, keras, limits).refused == (
        "the label changed on 30 of 1,000 pictures, --min-agreement 0.98 allows 20"
    )
    assert verdict_on(exported, keras, replace(LENIENT, min_agreement=0.97)).refused is None


@pytest.mark.parametrize("unsure", [20, 980])
def test_a_drift_of_accepted_answers_is_detected_in_either_direction(unsure):
    keras = np.concatenate([answers(0, score=0.4)[:500], answers(0)[500:]])
    exported = np.concatenate([answers(0, score=0.4)[:unsure], answers(0)[unsure:]])
    assert failed(verdict_on(exported, keras, replace(LENIENT, max_drift=0.4))) == ["max_drift"]
    assert verdict_on(exported, keras, replace(LENIENT, max_drift=0.5)).refused is None


def test_a_float_model_must_be_the_same_function_even_where_labels_agree():
    slightly_off = (answers(0) * 0.98 + 0.002).astype(np.float32)
    limits = replace(LENIENT, max_difference=0.001)
    assert verdict_on(slightly_off, limits=limits, precision="float32").refused == (
        "a probability differs from Keras's by 0.0162, --max-difference 0.001 allows 0.001"
    )
    assert verdict_on(slightly_off, limits=limits).refused is None


def test_a_float_model_under_the_minimum_is_refused():
    verdict = verdict_on(answers(101), answers(101), replace(LENIENT, min_accuracy=0.9), "float32")
    assert verdict.refused == "accuracy 89.90%, --min-accuracy 0.9 requires 90.00%"


def test_probabilities_that_are_not_finite_are_refused():
    broken = answers(0)
    broken[3] = np.nan
    for precision in ("float32", "int8"):
        refused = verdict_on(broken, precision=precision).refused
        assert refused == "some probabilities are not finite numbers, --max-difference 1 allows 1"


def test_an_equal_copy_passes_the_default_limits():
    for precision in ("float32", "int8"):
        verdict = verdict_on(answers(50), answers(50), Limits(), precision)
        assert verdict.refused is None
        assert len(verdict.checks) == (8 if precision == "float32" else 6)


def test_a_refusal_names_the_first_fault_and_counts_the_others():
    verdict = verdict_on(answers(900), limits=Limits())
    assert verdict.refused == "net loss of 900 in 1,000 answers, --max-drop 0.002 allows 2; 4 more criteria fail"


@given(wrong=st.integers(0, 300), keras_wrong=st.integers(0, 300))
def test_the_limit_that_a_check_needed_would_have_been_enough(wrong, keras_wrong):
    verdict = verdict_on(answers(wrong), answers(keras_wrong), Limits())
    enough = {check.limit: check.needed for check in verdict.failed}
    assert verdict_on(answers(wrong), answers(keras_wrong), replace(Limits(), **enough)).refused is None


@pytest.mark.parametrize("criterion", CRITERIA.values(), ids=CRITERIA)
def test_every_criterion_is_an_option_of_export(criterion, refused, tmp_path):
    said = refused("export", tmp_path, criterion.option, -1)
    assert said.startswith(f"digits-edge: {criterion.option}: expected a number")


@pytest.mark.parametrize(("name", "value"), [("max_drop", -0.1), ("max_drop", 2), ("min_accuracy", float("nan"))])
def test_impossible_limits(name, value):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: expected a number from 0 to 1"):
        Limits(**{name: value})
    with pytest.raises(UsageError, match="--max-error-ratio: expected a number of 1 or more"):
        Limits(max_error_ratio=0.5)


def verdict_on_own(changed: int, *, trained_on: bool = False, wrong: int = 0):
    """Of an int8 model that is as Keras on 1,000 pictures, and gives another label to some of twenty own ones."""
    own, keras = Validation("mine", VALIDATION.pixels[:20], TARGETS[:20], VALIDATION.labels, trained_on), answers(0)
    gate = Gate(VALIDATION, keras, Limits(), accepts=sure).adapted_to(own, keras[:20])
    return gate.judge("int8", answers(wrong), lambda pixels: answers(changed)[: len(pixels)])


@pytest.mark.parametrize("trained_on", [False, True])
def test_of_few_own_pictures_one_label_may_change(trained_on):
    assert verdict_on_own(1, trained_on=trained_on).refused is None
    refused = verdict_on_own(2, trained_on=trained_on)
    assert (refused.wrong, refused.own.wrong) == (0, 2)
    assert "one's own: the label changed on 2 of 20 pictures, --min-agreement 0.99 allows 1" in {
        check.words for check in refused.failed
    }


def test_own_pictures_that_were_trained_on_judge_no_accuracy():
    assert failed(verdict_on_own(2)) == ["max_drop", "min_agreement"]
    assert failed(verdict_on_own(2, trained_on=True)) == ["min_agreement"]


def test_own_pictures_make_up_for_nothing():
    verdict = verdict_on_own(0, wrong=30)
    assert verdict.own.refused is None
    assert verdict.refused.startswith("net loss of 30 in 1,000 answers")

"""What a classifier gives is told by its answers, and the same classifier with logits gives the same probabilities."""

from __future__ import annotations

import endings
import numpy as np
import pytest

from digits_edge.common.keras_models import predict
from digits_edge.common.keras_outputs import kind_of, probes, with_logits
from digits_edge.common.numerics import scale, softmax

# The others are tried by what is converted from them: tests/export/test_endings.py.
ENDINGS = {
    **{name: endings.PROBABILITIES[name] for name in ("activation", "nested layer", "written by hand")},
    **endings.LOGITS,
}
PIXELS = np.random.default_rng(1).integers(0, 256, (7, 6, 5), dtype=np.uint8)


@pytest.mark.parametrize("ending", ENDINGS)
def test_with_logits_a_model_gives_the_same_probabilities_and_is_not_changed(ending):
    model = endings.network(ENDINGS[ending])
    answers = np.asarray(model(scale(PIXELS)))
    logits = ending in endings.LOGITS
    made, outputs = with_logits(model, probes((6, 5)))
    assert outputs == ("logits" if logits else "probabilities")
    np.testing.assert_allclose(predict(made, PIXELS), softmax(answers) if logits else answers, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(model(scale(PIXELS))), answers)


@pytest.mark.filterwarnings("ignore:.*You are using a softmax over axis")
@pytest.mark.parametrize("expected", endings.NEITHER)
def test_what_gives_neither_logits_nor_probabilities_is_named(expected):
    with pytest.raises(ValueError, match=expected.partition(",")[0]):
        with_logits(endings.network(endings.NEITHER[expected]), probes((6, 5)))


def test_a_model_that_divides_by_the_contrast_is_judged_by_the_pictures_that_have_one():
    def contrast(x):
        return endings.layers.Dense(3)(x / endings.ops.max(x, axis=-1, keepdims=True))

    model = endings.network(contrast)
    model.layers[2].set_weights([np.abs(model.layers[2].get_weights()[0]), np.zeros(20)])
    assert with_logits(model, probes((6, 5)))[1] == "logits"


def test_probabilities_of_half_precision_are_probabilities():
    answers = softmax(np.random.default_rng(0).normal(0, 5, (500, 10)).astype(np.float32))
    assert kind_of(answers.astype(np.float16).astype(np.float32)) == "probabilities"

"""Keras helpers: a softmax is taken off wherever it stands, and what is neither logits nor their softmax is named."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from digits_edge.common.keras_models import predict, predict_logits, without_softmax
from digits_edge.common.numerics import scale, softmax

ENDINGS = {
    "activation": lambda x: layers.Dense(3, activation="softmax")(x),
    "layer": lambda x: layers.Softmax()(layers.Dense(3)(x)),
    "activation layer": lambda x: layers.Activation("softmax")(layers.Dense(3)(x)),
    "operation": lambda x: keras.ops.softmax(layers.Dense(3)(x)),
    "logits": lambda x: layers.Dense(3)(x),
    "scaled logits": lambda x: layers.Dense(3)(x) / 2,
    "nested": lambda x: keras.Sequential([keras.Input((20,)), layers.Dense(3, activation="softmax")])(x),
}
REFUSED = {
    "received sigmoid": lambda x: layers.Dense(3, activation="sigmoid")(x),
    "end, received sigmoid": lambda x: keras.ops.sigmoid(layers.Dense(3)(x)),
    "inside a nested model, received one in": lambda x: keras.Sequential(
        [keras.Input((20,)), layers.Dense(3), layers.Softmax()], name="inner"
    )(x),
}


def model_with(ending) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 4, 1))
    return keras.Model(inputs, ending(layers.Flatten()(inputs)))


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_softmax_a_model_gives_logits_of_the_same_probabilities(ending):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 4), dtype=np.uint8)
    model = model_with(ENDINGS[ending])
    answers = np.asarray(model(scale(pixels)))
    expected = softmax(answers) if "logits" in ending else answers
    stripped = without_softmax(model)
    np.testing.assert_allclose(predict(stripped, pixels), expected, atol=1e-6)
    assert predict_logits(stripped, pixels).min() < 0


@pytest.mark.parametrize("expected", REFUSED)
def test_what_ends_in_neither_logits_nor_their_softmax_is_named(expected):
    with pytest.raises(ValueError, match=expected):
        without_softmax(model_with(REFUSED[expected]))

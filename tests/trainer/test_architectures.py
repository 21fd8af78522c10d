"""The architectures, and what they cost."""

from __future__ import annotations

import keras
import pytest

from digits_edge.common.model_cost import cost
from digits_edge.runtime.errors import UsageError
from digits_edge.trainer.fitting import architectures as models
from digits_edge.trainer.recipes import MODELS


@pytest.mark.parametrize(
    ("name", "parameters"), [("nano", 1_856), ("micro", 7_842), ("notebook", 594_922), ("compact", 48_946)]
)
def test_parameters(name, parameters):
    model = models.build(name, (28, 28), 10, steps=1000)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 10)


def test_every_model_name_can_be_built():
    for name in MODELS:
        assert models.build(name, (28, 28), 3, steps=10).output_shape == (None, 3)


def test_batch_normalisation_looks_back_over_a_share_of_the_run():
    def momentum(steps: int) -> float:
        layers = models.build("compact", (28, 28), 10, steps).layers
        return float(next(layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)))

    assert momentum(10) == 0.5
    assert momentum(500) == pytest.approx(0.9)
    assert momentum(100_000) == 0.99


def test_costs_are_those_counted_by_hand():
    micro = cost(models.build("micro", (28, 28), 10, steps=10))
    by_hand = 24 * 24 * 8 * 25 + 10 * 10 * 12 * 9 * 8 + 8 * 8 * 16 * 9 * 12 + 4 * 4 * 16 * 9 * 16 + 2 * 2 * 16 * 9 * 16
    assert micro.macs == by_hand + 160
    assert micro.activation_bytes == 24 * 24 * 8 + 12 * 12 * 8  # the first pooling; its input is not needed afterwards
    notebook = cost(models.build("notebook", (28, 28), 10, steps=10))
    assert notebook.activation_bytes == 26 * 26 * 32 + 24 * 24 * 32
    assert notebook.parameters == 594_922


def test_pictures_too_small_for_a_model_are_one_line():
    with pytest.raises(UsageError, match="model notebook: expected larger pictures, received 8 x 8: "):
        models.build("notebook", (8, 8), 10, steps=10)


def test_the_costs_of_a_network_within_a_network_are_counted():
    inner = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Conv2D(2, 5), keras.layers.Flatten()])
    inputs = keras.Input((28, 28, 1))
    assert cost(keras.Model(inputs, keras.layers.Dense(10)(inner(inputs)))).macs == 24 * 24 * 2 * 25 + 24 * 24 * 2 * 10

"""What no C and no page has is named when a TFLite model is read."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from networks import tflite_of

from digits_edge.export.codegen.tflite_reader import read_network
from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.convert.tflite import to_tflite
from digits_edge.runtime.errors import ExportError


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.DepthwiseConv2D(3), "DEPTHWISE_CONV_2D"),
        (layers.AveragePooling2D(2), "AVERAGE_POOL_2D"),
        (layers.Conv2D(4, 3, activation="sigmoid"), "LOGISTIC"),
        (layers.Conv2D(4, 3, dilation_rate=2), "without dilation"),
    ],
)
def test_a_layer_that_c_does_not_have_is_named(layer, named, tmp_path):
    def architecture():
        return keras.Sequential([keras.Input((16, 16, 1)), layer, layers.Flatten(), layers.Dense(3)])

    data, _ = tflite_of(architecture, "0..1", tmp_path)
    with pytest.raises(ExportError, match=named) as refusal:
        read_network(data)
    assert str(refusal.value).startswith("layer ")
    assert layer.name in str(refusal.value)


def test_sums_that_32_bits_do_not_hold_are_refused(tmp_path):
    def architecture():
        return keras.Sequential([keras.Input((300, 300, 1)), layers.Flatten(), layers.Dense(2, use_bias=False)])

    model = architecture()
    model.set_weights([np.ones_like(weights) for weights in model.get_weights()])
    model.save(tmp_path / "own.keras")
    pixels = np.zeros((2, 300, 300), np.uint8)
    data = to_tflite(KerasModelFile(tmp_path / "own.keras"), pixels)
    with pytest.raises(ExportError, match="expected sums that 32 bits hold, received up to 2,9"):
        read_network(data)

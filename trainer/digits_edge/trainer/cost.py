"""What one picture costs a device that runs a network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import keras
from keras import layers

# Done where their input stands, or fused into the layer before, so that they need no memory of their own.
IN_PLACE = (layers.BatchNormalization, layers.ReLU, layers.Activation, layers.Dropout, layers.Flatten, layers.Softmax)


@dataclass(frozen=True)
class Cost:
    """For one picture.

    Attributes:
        parameters: by `count_params()`.
        macs: multiply-accumulates of convolutions and dense layers.
        activation_bytes: the largest sum of one layer's inputs and output, a byte a number as in an int8 model; what
            has to be in memory at once, of a network without branches.
    """

    parameters: int
    macs: int
    activation_bytes: int


def cost(network: keras.Model) -> Cost:
    """Count a network's parameters, multiply-accumulates and activations."""
    macs = peak = 0
    for layer in network.layers:
        if isinstance(layer, (layers.InputLayer, *IN_PLACE)):
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sizes = [prod(tensor.shape[1:]) for tensor in (*inputs, layer.output)]
        peak = max(peak, sum(sizes))
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            macs += prod(layer.output.shape[1:3]) * prod(layer.kernel.shape)
        elif isinstance(layer, layers.Dense):
            macs += prod(layer.output.shape[1:-1]) * prod(layer.kernel.shape)
    return Cost(network.count_params(), macs, peak)

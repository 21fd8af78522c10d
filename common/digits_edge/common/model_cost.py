"""Count what one picture costs a device that runs a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import keras
from keras import layers

# Computed in place or fused into the layer before: they need no memory of their own.
IN_PLACE = (layers.BatchNormalization, layers.ReLU, layers.Activation, layers.Dropout, layers.Flatten, layers.Softmax)


@dataclass(frozen=True)
class Cost:
    """Cost of one picture.

    Activations need the largest sum of one layer's inputs and outputs. That is exact for networks without branches.
    """

    parameters: int  # as `count_params()` counts them
    macs: int  # multiply-accumulates of Conv2D, DepthwiseConv2D and Dense layers; other layers are not counted
    activation_bytes: int  # peak memory for activations in an int8 model, at one byte per number


def cost(network: keras.Model) -> Cost:
    """Count a network's parameters, multiply-accumulates and activations."""
    macs = peak = 0
    for layer in leaves(network):
        if isinstance(layer, (layers.InputLayer, *IN_PLACE)):
            continue
        inputs, outputs = keras.tree.flatten(layer.input), keras.tree.flatten(layer.output)
        peak = max(peak, sum(prod(tensor.shape[1:]) for tensor in (*inputs, *outputs)))
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            macs += prod(outputs[0].shape[1:3]) * prod(layer.kernel.shape)
        elif isinstance(layer, layers.Dense):
            macs += prod(outputs[0].shape[1:-1]) * prod(layer.kernel.shape)
    return Cost(network.count_params(), macs, peak)


def leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Iterate over all layers of a network, including those of nested models, without the nested models themselves."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer

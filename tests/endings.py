"""Forty ways in which people end a classifier of three classes, after a flat vector of features."""

from __future__ import annotations

import keras
from keras import layers, ops


def _inner(*parts, name="inner"):
    return keras.Sequential([keras.Input((20,)), *parts], name=name)


def _functional(x):
    inputs = keras.Input((20,))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(3)(inputs)), name="inner")(x)


def _twice_nested(x):
    return keras.Sequential([keras.Input((20,)), _inner(layers.Dense(3), layers.Softmax())], name="outer")(x)


def _by_hand(x):
    powers = ops.exp(x - ops.max(x, axis=-1, keepdims=True))
    return powers / ops.sum(powers, axis=-1, keepdims=True)


def _shared(x):
    dense = layers.Dense(3, activation="softmax")
    return (dense(x) + dense(layers.Dense(20)(x))) / 2


PROBABILITIES = {
    "activation": lambda x: layers.Dense(3, activation="softmax")(x),
    "layer": lambda x: layers.Softmax()(layers.Dense(3)(x)),
    "activation layer": lambda x: layers.Activation("softmax")(layers.Dense(3)(x)),
    "operation": lambda x: ops.softmax(layers.Dense(3)(x)),
    "operation of the network module": lambda x: ops.nn.softmax(layers.Dense(3)(x)),
    "nested activation": lambda x: _inner(layers.Dense(3, activation="softmax"))(x),
    "nested layer": lambda x: _inner(layers.Dense(3), layers.Softmax())(x),
    "nested functional": _functional,
    "nested twice": _twice_nested,
    "then reshape": lambda x: layers.Reshape((3,))(layers.Softmax()(layers.Dense(3)(x))),
    "then flatten": lambda x: layers.Flatten()(layers.Softmax()(layers.Reshape((1, 3))(layers.Dense(3)(x)))),
    "then dropout": lambda x: layers.Dropout(0.5)(layers.Dense(3, activation="softmax")(x)),
    "then identity": lambda x: layers.Identity()(layers.Dense(3, activation="softmax")(x)),
    "then linear": lambda x: layers.Activation("linear")(layers.Dense(3, activation="softmax")(x)),
    "then squeeze": lambda x: ops.squeeze(ops.softmax(layers.Reshape((1, 1, 3))(layers.Dense(3)(x))), axis=(1, 2)),
    "then all of these": lambda x: layers.Identity()(
        layers.Dropout(0.1)(layers.Flatten()(layers.Softmax()(layers.Reshape((1, 1, 3))(layers.Dense(3)(x)))))
    ),
    "then a nested flatten": lambda x: keras.Sequential([keras.Input((1, 3)), layers.Flatten()])(
        layers.Softmax()(layers.Reshape((1, 3))(layers.Dense(3)(x)))
    ),
    "over the first axis of a column": lambda x: layers.Flatten()(
        layers.Softmax(axis=1)(layers.Reshape((3, 1))(layers.Dense(3)(x)))
    ),
    "over several axes": lambda x: layers.Flatten()(
        layers.Softmax(axis=(1, 2))(layers.Reshape((1, 3))(layers.Dense(3)(x)))
    ),
    "of a convolution": lambda x: layers.Flatten()(
        layers.Conv2D(3, 1, activation="softmax")(layers.Reshape((1, 1, 20))(x))
    ),
    "average over places": lambda x: layers.GlobalAveragePooling1D()(
        layers.Dense(3, activation="softmax")(layers.Reshape((4, 5))(x))
    ),
    "average of two": lambda x: layers.Average()([layers.Dense(3, activation="softmax")(x) for _ in range(2)]),
    "average of a shared layer": _shared,
    "mixture": lambda x: 0.3 * layers.Dense(3, activation="softmax")(x) + 0.7 * ops.softmax(layers.Dense(3)(x)),
    "written by hand": lambda x: _by_hand(layers.Dense(3)(x)),
    "sigmoids that are normalised": lambda x: (
        layers.UnitNormalization()(ops.sigmoid(layers.Dense(3, activation="tanh")(x))) ** 2
    ),
    "softmax of a softmax": lambda x: ops.softmax(layers.Dense(3, activation="softmax")(x)),
    "with a temperature": lambda x: layers.Softmax()(layers.Dense(3)(x) / 2.5),
    "of normalised logits": lambda x: layers.Softmax()(layers.BatchNormalization()(layers.Dense(3)(x))),
    "with label smoothing in it": lambda x: layers.Dense(3, activation="softmax")(x) * 0.9 + 0.1 / 3,
    "exponential of log-softmax": lambda x: ops.exp(ops.log_softmax(layers.Dense(3)(x))),
}
LOGITS = {
    "logits": lambda x: layers.Dense(3)(x),
    "scaled logits": lambda x: layers.Dense(3)(x) / 2,
    "logits, then dropout": lambda x: layers.Dropout(0.5)(layers.Dense(3)(x)),
    "tanh": lambda x: layers.Dense(3, activation="tanh")(x),
    "logits of a dense layer that is named softmax": lambda x: layers.Dense(3, name="softmax")(x),
    "a softmax that gates the logits": lambda x: layers.Dense(3)(x) * layers.Dense(3, activation="softmax")(x),
}
NEITHER = {
    "as sigmoids give": lambda x: layers.Dense(3, activation="sigmoid")(x),
    "numbers from 0 to 1 that add up to 3 to 3": lambda x: layers.Flatten()(
        layers.Softmax()(layers.Reshape((3, 1))(layers.Dense(3)(x)))
    ),
    "received log-probabilities": lambda x: ops.log_softmax(layers.Dense(3)(x)),
    "NaN or infinity for 32 of 32": lambda x: layers.Dense(3)(x) * float("nan"),
    "as sigmoids give, of a layer": lambda x: layers.Activation("hard_sigmoid")(layers.Dense(3)(x)),
}


def network(ending) -> keras.Model:
    """A small network of random weights that ends so; it takes 6 x 5 pixels."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 5, 1))
    features = layers.Dense(20, activation="relu")(layers.Flatten()(inputs))
    return keras.Model(inputs, ending(features))

"""Calibrate probabilities by temperature scaling: divide the logits by one number (Guo et al. 2017)."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from digits_edge.common.numerics import count_wrong, cross_entropy

Logits = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]


def fit_temperature(logits: Logits, targets: Targets) -> float:
    """Find the temperature, from 1/4 to 4, that minimises the cross-entropy of logits float32[N, C]."""
    if not count_wrong(logits, targets):
        return 1.0  # the best temperature would be 0
    best = minimize_scalar(
        lambda log: cross_entropy(logits / np.float32(np.exp(log)), targets),
        bounds=(np.log(0.25), np.log(4)),
        method="bounded",
    )
    return float(np.exp(best.x))


def calibrate(network: keras.Model, logits: Logits, targets: Targets) -> float:
    """Divide the weights of a network's last layer, in place, by the temperature that fits its logits best.

    The temperature is returned; it is 1 if the last layer is not dense and was left unchanged.
    """
    layer = network.layers[-1]
    if not isinstance(layer, keras.layers.Dense):
        return 1.0
    temperature = fit_temperature(logits, targets)
    layer.set_weights([weights / np.float32(temperature) for weights in layer.get_weights()])
    return temperature

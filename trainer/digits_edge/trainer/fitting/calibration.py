"""Calibrated probabilities: one number that logits are divided by (Guo et al. 2017, temperature scaling)."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from digits_edge.common.numerics import cross_entropy

Logits = npt.NDArray[np.float32]
Targets = npt.NDArray[np.int64]


def fit_temperature(logits: Logits, targets: Targets) -> float:
    """The temperature from 1/4 to 4 under which logits float32[N, C] are likeliest to have these targets int64[N].

    It is 1 where nothing is read wrongly: without a mistake, no confidence would be too high.
    """
    if (logits.argmax(axis=1) == targets).all():
        return 1.0
    best = minimize_scalar(
        lambda log: cross_entropy(logits / np.float32(np.exp(log)), targets),
        bounds=(np.log(0.25), np.log(4)),
        method="bounded",
    )
    return float(np.exp(best.x))


def calibrate(network: keras.Model, logits: Logits, targets: Targets) -> float:
    """Fold the temperature that fits into the weights of a network's last layer.

    Args:
        network: whose logits are to be divided.
        logits: that it gives, float32[N, C].
        targets: int64[N].

    Returns:
        the temperature; 1 where the last layer is not dense, and nothing is changed.
    """
    layer = network.layers[-1]
    if not isinstance(layer, keras.layers.Dense):
        return 1.0
    temperature = fit_temperature(logits, targets)
    layer.set_weights([weights / np.float32(temperature) for weights in layer.get_weights()])
    return temperature

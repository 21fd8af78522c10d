"""Equalize the weight ranges of neighbouring layers, which changes nothing in float but helps int8.

Source: M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, Data-Free Quantization Through Weight Equalization and Bias
Correction, ICCV 2019, section 4.1. An output channel of one layer may be divided by s if the next layer's weights for
it are multiplied by s, as long as everything between them is positively homogeneous: ReLU, pooling, flattening.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.keras_models import activation_of

from ..convert.keras_model import KerasModelFile, open_network

if TYPE_CHECKING:
    import keras

SWEEPS: Final = 5  # over all pairs, since equalizing a pair changes the ranges of its neighbours
HOMOGENEOUS: Final = (
    "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Dropout", "SpatialDropout2D",
    "Flatten", "ZeroPadding2D",
)  # fmt: skip
Array = npt.NDArray[np.float32]


def equalized(source: KerasModelFile, target: Path) -> KerasModelFile | None:
    """Write the same function with equalized weights to `target`; None where no layers allow it."""
    model = open_network(source)
    if not equalize(model):
        return None
    model.save(target)
    return replace(source, path=target)


def equalize(model: keras.Model) -> int:
    """Equalize a model's weights in place, and return the number of equalized pairs of layers."""
    pairs = _pairs(model)
    for _ in range(SWEEPS):
        for first, norm, second in pairs:
            _equalize(first, norm, second)
    return len(pairs)


def _equalize(first: Any, norm: Any, second: Any) -> None:
    outputs = _output_ranges(first)
    if norm is not None:
        gamma, beta, mean, variance = norm.get_weights()
        outputs = outputs * np.abs(gamma) / np.sqrt(variance + norm.epsilon)
    inputs = _input_ranges(second, channels=len(outputs))
    both = (outputs > 0) & (inputs > 0)
    divisors = np.ones_like(outputs)
    divisors[both] = np.sqrt(outputs[both] / inputs[both])
    if norm is not None:
        norm.set_weights([gamma / divisors, beta / divisors, mean, variance])
    else:
        kernel, *bias = first.get_weights()
        along = divisors[:, None] if _depthwise(first) else divisors
        first.set_weights([kernel / along, *(b / divisors for b in bias)])
    kernel, *bias = second.get_weights()
    repeats = kernel.shape[-2] // len(divisors)  # after a flatten, the channels repeat
    second.set_weights([kernel * np.tile(divisors, repeats)[:, None], *bias])


def _output_ranges(layer: Any) -> Array:
    """The largest absolute weight of each output channel."""
    kernel = np.abs(np.asarray(layer.get_weights()[0]))
    flat = kernel[..., 0] if _depthwise(layer) else kernel  # (h, w, channels, 1), others (…, inputs, outputs)
    return np.asarray(flat.reshape(-1, flat.shape[-1]).max(axis=0))


def _input_ranges(layer: Any, channels: int) -> Array:
    """The largest absolute weight of each of so many input channels."""
    kernel = np.abs(np.asarray(layer.get_weights()[0]))
    return np.asarray(kernel.max(axis=-1).reshape(-1, channels).max(axis=0))  # (h x w or places, channels)


def _depthwise(layer: Any) -> bool:
    return isinstance(layer, import_keras().layers.DepthwiseConv2D)


def _pairs(model: keras.Model) -> list[tuple[Any, Any, Any]]:
    """Neighbouring layers with weights, and between them a batch normalisation right after the first, or None."""
    layers = import_keras().layers
    pairs = []
    for first in model.layers:
        if not isinstance(first, layers.Conv2D | layers.Dense | layers.DepthwiseConv2D):
            continue
        if len(first._inbound_nodes) != 1 or (_depthwise(first) and first.depth_multiplier != 1):
            continue
        following = _only_user(model, first)
        norm = following if type(following).__name__ == "BatchNormalization" else None
        if norm is not None:
            if not (norm.scale and norm.center and activation_of(first) == "linear"):
                continue
            following = _only_user(model, norm)
        elif activation_of(first) not in ("linear", "relu"):
            continue
        while following is not None and _is_homogeneous(following):
            following = _only_user(model, following)
        plain = isinstance(following, layers.Conv2D | layers.Dense) and getattr(following, "groups", 1) == 1
        if plain or (following is not None and _depthwise(following) and following.depth_multiplier == 1):
            pairs.append((first, norm, following))
    return pairs


def _is_homogeneous(layer: Any) -> bool:
    """Whether scaling an input channel by s > 0 scales its output channel by s."""
    kind = type(layer).__name__
    if kind == "ReLU":
        return layer.max_value is None and not layer.threshold
    if kind == "Activation":
        return activation_of(layer) in ("relu", "linear")
    return kind in (*HOMOGENEOUS, "LeakyReLU")


def _only_user(model: keras.Model, layer: Any) -> Any:
    """The only layer that reads this one's output and nothing else, or None."""
    known = {id(other) for other in model.layers}
    users = [node.operation for node in layer._outbound_nodes if id(node.operation) in known]
    return users[0] if len(users) == 1 and len(users[0]._inbound_nodes) == 1 else None

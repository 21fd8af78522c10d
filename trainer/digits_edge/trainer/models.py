"""The architectures. Input float32[N, 28, 28, 1] in [0, 1], output float32[N, C] logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import keras
from keras import layers


def build(name: str, shape: tuple[int, ...], classes: int, steps: int) -> keras.Model:
    """Build a model with fresh weights.

    Args:
        name: one of `recipes.MODELS`.
        shape: of a picture, (H, W).
        classes: how many logits.
        steps: of the whole training run. The moving averages of batch normalisation look back over its last
            fiftieth, so that they are of use at the end of a run of any length.
    """
    momentum = min(0.99, max(0.5, 1 - 50 / max(1, steps)))
    return _BUILDERS[name]((*shape, 1), classes, momentum)


def compact(shape: tuple[int, ...], classes: int, momentum: float) -> keras.Model:
    """49,722 parameters for ten classes: five 3x3 convolutions with batch normalisation, then global pooling."""
    image = x = keras.Input(shape, name="image")  # (N, 28, 28, 1)
    for block, widths in enumerate(((16,), (32, 32), (48, 48))):
        if block:
            x = layers.MaxPooling2D()(x)  # (N, 14, 14, 16), then (N, 7, 7, 32)
        for width in widths:
            x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=momentum)(x)
            x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)  # (N, 48)
    return keras.Model(image, layers.Dense(classes, name="logits")(x), name="compact")


def notebook(shape: tuple[int, ...], classes: int, momentum: float) -> keras.Model:  # noqa: ARG001 (it has no batch normalisation)
    """594,922 parameters for ten classes: the blog notebook's network."""
    return keras.Sequential(
        [
            keras.Input(shape, name="image"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),  # (N, 1024)
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.05),
            layers.Dense(classes, name="logits"),
        ],
        name="notebook",
    )


_BUILDERS: Final[dict[str, Callable[[tuple[int, ...], int, float], keras.Model]]] = {
    "compact": compact,
    "notebook": notebook,
}

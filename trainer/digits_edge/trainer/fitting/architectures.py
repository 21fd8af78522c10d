"""The architectures. Input float32[N, 28, 28, 1] in [0, 1], output float32[N, C] logits."""

from __future__ import annotations

from typing import Final, Literal

import keras
from keras import layers

from digits_edge.runtime.errors import UsageError, first_line

# The convolutions of a network: width, kernel, stride and padding of each; POOL halves. Without padding a network costs
# less time and fewer bytes of activations, and where that was measured it learnt better, too.
POOL: Final = None
_STACKS: Final[dict[str, tuple[tuple[int, int, int, Literal["same", "valid"]] | None, ...]]] = {
    "micro": (  # 7,842 parameters for ten classes
        (8, 5, 1, "valid"),  # (N, 24, 24, 8)
        POOL,
        (12, 3, 1, "valid"),  # (N, 10, 10, 12)
        (16, 3, 1, "valid"),
        POOL,
        (16, 3, 1, "same"),  # (N, 4, 4, 16)
        (16, 3, 1, "valid"),
    ),
    "compact": (  # 48,946
        (24, 5, 1, "valid"),  # (N, 24, 24, 24)
        POOL,
        (32, 3, 1, "valid"),  # (N, 10, 10, 32)
        (32, 3, 1, "valid"),
        POOL,
        (48, 3, 1, "same"),  # (N, 4, 4, 48)
        (40, 3, 1, "valid"),
    ),
    "fast": (  # 64,194: it learns in few epochs, and its first layer leaves little to do for the others
        (24, 5, 2, "valid"),  # (N, 12, 12, 24)
        (32, 3, 1, "valid"),
        POOL,
        (64, 3, 1, "valid"),  # (N, 3, 3, 64)
        (64, 3, 1, "valid"),
    ),
}


def build(name: str, shape: tuple[int, ...], classes: int, steps: int, precision: str = "float32") -> keras.Model:
    """Build a model with fresh weights.

    Args:
        name: one of `recipes.MODELS`.
        shape: of a picture, (H, W).
        classes: how many logits.
        steps: of the whole training run. The moving averages of batch normalisation look back over its last
            fiftieth, so that they are of use at the end of a run of any length.
        precision: what is computed in, by Keras's name of the policy; weights and logits are float32 in any case.

    Raises:
        UsageError: the pictures are too small for the model.
    """
    momentum = min(0.99, max(0.5, 1 - 50 / max(1, steps)))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        if name == "notebook":
            return _notebook((*shape, 1), classes)
        return _stack(name, (*shape, 1), classes, momentum)
    except ValueError as error:
        size = " x ".join(map(str, shape))
        raise UsageError(f"model {name}: too deep for pictures of {size}: {first_line(error)}") from None
    finally:
        keras.config.set_dtype_policy(policy)


def _stack(name: str, shape: tuple[int, ...], classes: int, momentum: float) -> keras.Model:
    """Convolutions with batch normalisation, then global pooling."""
    image = x = keras.Input(shape, name="image")
    for convolution in _STACKS[name]:
        if convolution is POOL:
            x = layers.MaxPooling2D()(x)
            continue
        width, kernel, stride, padding = convolution
        x = layers.Conv2D(width, kernel, stride, padding, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=momentum)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def _notebook(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The blog notebook's network."""
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
            layers.Dense(classes, dtype="float32", name="logits"),
        ],
        name="notebook",
    )

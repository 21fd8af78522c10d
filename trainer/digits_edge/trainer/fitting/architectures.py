"""Build the networks. Input float32[N, H, W, 1 or 3] in [0, 1], output logits float32[N, C]."""

from __future__ import annotations

from typing import Final, Literal

import keras
from keras import layers

from digits_edge.runtime.errors import UsageError, first_line

# Width, kernel, stride and padding of each convolution; POOL halves the sides. Without padding a network takes less
# time and less memory for activations, and its accuracy was higher where it was measured.
POOL: Final = None
SIDE: Final = 28  # of the pictures that the networks are designed for, in pixels
_STACKS: Final[dict[str, tuple[tuple[int, int, int, Literal["same", "valid"]] | None, ...]]] = {
    "nano": (  # 1,856 parameters for ten classes
        (6, 5, 1, "valid"),  # (N, 24, 24, 6)
        POOL,
        (6, 3, 1, "valid"),  # (N, 10, 10, 6)
        (8, 3, 1, "valid"),
        POOL,
        (10, 3, 1, "valid"),  # (N, 2, 2, 10)
    ),
    "micro": (  # 7,842 parameters for ten classes
        (8, 5, 1, "valid"),  # (N, 24, 24, 8)
        POOL,
        (12, 3, 1, "valid"),  # (N, 10, 10, 12)
        (16, 3, 1, "valid"),
        POOL,
        (16, 3, 1, "same"),  # (N, 4, 4, 16)
        (16, 3, 1, "valid"),
    ),
    "compact": (  # 48,946 parameters
        (24, 5, 1, "valid"),  # (N, 24, 24, 24)
        POOL,
        (32, 3, 1, "valid"),  # (N, 10, 10, 32)
        (32, 3, 1, "valid"),
        POOL,
        (48, 3, 1, "same"),  # (N, 4, 4, 48)
        (40, 3, 1, "valid"),
    ),
    "fast": (  # 64,194; the stride of the first layer leaves few pixels for the others
        (24, 5, 2, "valid"),  # (N, 12, 12, 24)
        (32, 3, 1, "valid"),
        POOL,
        (64, 3, 1, "valid"),  # (N, 3, 3, 64)
        (64, 3, 1, "valid"),
    ),
}


def build(name: str, shape: tuple[int, ...], classes: int, steps: int, precision: str = "float32") -> keras.Model:
    """Build one of `recipes.MODELS` for pictures (H, W) or (H, W, 3) with fresh weights.

    Raises UsageError if the pictures are too small for it.

    The moving averages of batch normalisation cover about the last fiftieth of all training steps, from 2 to 100 steps,
    so that they are accurate at the end of a run of any length. The precision is a Keras dtype policy to compute in;
    weights and logits are float32 in any case.
    """
    image = (*shape[:2], *(shape[2:] or (1,)))
    momentum = min(0.99, max(0.5, 1 - 50 / max(1, steps)))
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        if name == "notebook":
            return _notebook(image, classes)
        return _stack(name, image, classes, momentum)
    except ValueError as error:
        size = " x ".join(map(str, shape))
        raise UsageError(f"model {name}: expected larger pictures, received {size}: {first_line(error)}") from None
    finally:
        keras.config.set_dtype_policy(policy)


def _stack(name: str, shape: tuple[int, ...], classes: int, momentum: float) -> keras.Model:
    """Convolutions with batch normalisation, then global pooling.

    Small pictures are padded by every convolution. For large ones the first convolution has longer strides, which
    leaves the others about as many pixels as of 28 x 28.
    """
    image = x = keras.Input(shape, name="image")
    times = [max(1, side // SIDE) for side in shape[:2]]
    for convolution in _STACKS[name]:
        if convolution is POOL:
            x = layers.MaxPooling2D()(x)
            continue
        width, kernel, stride, padding = convolution
        strides = [stride * more for more in (times if x is image else (1, 1))]
        kernels = [max(kernel, 2 * step + 1) for step in strides]
        x = layers.Conv2D(width, kernels, strides, "same" if min(shape[:2]) < SIDE else padding, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=momentum)(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)


def _notebook(shape: tuple[int, ...], classes: int) -> keras.Model:
    """The network of the blog notebook."""
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

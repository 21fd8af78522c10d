"""Compare our augmentation with Keras's layers and operations: the time for a batch of 128 pictures.

KERAS_BACKEND=jax python benchmarks/augmentation.py

Both are compiled as in a training step and run by turns; ratios are taken within a round. A dash means that Keras's
layer does not compile on this backend. Detail is the sum of squared differences between neighbouring pixels.
"""

import contextlib
import time

import keras
import numpy as np
from keras import layers, ops

from digits_edge.common.tables import table
from digits_edge.trainer.fitting.augmentation import _highest, augment, sample
from digits_edge.trainer.recipes import Augmentation

ROUNDS, INK = 100, np.zeros((128, 28, 28, 1), np.float32)
INK[:, 7:21, 7:21], INK[:, 10:18, 10:18] = 1, 0  # the outline of a square
FILL, RANGE, ALWAYS, ZOOM = {"fill_mode": "constant"}, {"value_range": (0, 1)}, (1.0, 1.0), (-0.2, 0.25)
TURN, SLANT = layers.RandomRotation(12 / 360, **FILL), layers.RandomShear(0.2, **FILL)
SCALE, MOVE = layers.RandomZoom(ZOOM, ZOOM, **FILL), layers.RandomTranslation(2.5 / 28, 2.5 / 28, **FILL)
SIDES = [(side / 28) ** 2 for side in (2, 10)]


def ours(**fields):
    return lambda pictures, draws: augment(pictures, Augmentation(**fields), draws)


def places(pictures, draws):
    return [keras.random.uniform(pictures.shape[:3], -1, 28, seed=draws) for _ in "xy"]


def map_coordinates(pictures, draws):
    x, y = places(pictures, draws)
    rows = ops.broadcast_to(np.arange(len(INK), dtype=np.float32)[:, None, None], x.shape)
    return ops.image.map_coordinates(pictures[..., 0], ops.stack([rows, y, x]), 1)[..., None]


def pool_and_resize(pictures, draws):
    half, quarter = (ops.image.resize(ops.average_pool(pictures, k, k), (28, 28)) for k in (2, 4))
    return half + keras.random.uniform((len(INK), 1, 1, 1), seed=draws) * (quarter - half)


ROWS = {
    "rotation": (ours(rotation=12), TURN),
    "shear": (ours(shear=12), SLANT),
    "zoom": (ours(zoom=(0.8, 1.25)), SCALE),
    "shift": (ours(shift=2.5), MOVE),
    "all four": (ours(rotation=12, shear=12, zoom=(0.8, 1.25), shift=2.5), layers.Pipeline([TURN, SLANT, SCALE, MOVE])),
    "elastic": (ours(elastic=1), layers.RandomElasticTransform(**FILL, **RANGE)),
    "sampling": (lambda p, draws: sample(p, *places(p, draws), "constant"), map_coordinates),
    "blur": (ours(blur=1), layers.RandomGaussianBlur(ALWAYS, 5, **RANGE)),
    "low resolution": (ours(low_resolution=1), pool_and_resize),
    "contrast": (ours(contrast=1), layers.RandomContrast(0.6, **RANGE)),
    "erasing": (ours(erasing=1), layers.RandomErasing(ALWAYS, SIDES, 0.0, **RANGE)),
    "noise": (ours(noise=1), layers.GaussianNoise(0.125)),
    "maximum of 3 x 3": (lambda p, _: _highest(p, 3), lambda p, _: ops.max_pool(p, 3, 1, "same")),
}


class Change(layers.Layer):
    """One side of a row as a layer, which holds the state of its random draws."""

    def __init__(self, what) -> None:
        super().__init__()
        self.what, self.draws, self.built = what, keras.random.SeedGenerator(7), True

    def call(self, pictures):  # noqa: D102
        layer = isinstance(self.what, keras.Layer)
        return self.what(pictures, training=True) if layer else self.what(pictures, self.draws)


def compiled(what):
    """Return a function that changes the pictures and waits for them, or None where it does not compile."""
    change, pictures = Change(what), ops.convert_to_tensor(INK)
    if keras.backend.backend() == "jax":
        import jax

        call, state = jax.jit(change.stateless_call), [variable.value for variable in change.variables]
        run = lambda: np.asarray(call([], state, pictures)[0])  # noqa: E731
    else:
        import tensorflow as tf

        call = tf.function(change)
        run = lambda: call(pictures).numpy()  # noqa: E731
    with contextlib.suppress(Exception):
        run()
        return run


def seconds(run):
    if run is None:
        return np.nan
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    runs = {name: [compiled(what) for what in pair] for name, pair in ROWS.items()}
    rounds = np.array([[[seconds(run) for run in pair] for pair in runs.values()] for _ in range(ROUNDS)])
    times, ratios = np.median(rounds, axis=0) * 1e6, np.median(rounds[..., 1] / rounds[..., 0], axis=0)
    rows = [
        (name, f"{ours:.0f}", f"{theirs:.0f}", f"{ratio:.2f}")
        for name, (ours, theirs), ratio in zip(ROWS, times, ratios, strict=True)
    ]
    print(table((keras.backend.backend(), "ours, µs", "Keras, µs", "Keras / ours"), rows).replace("nan", "  –"))
    kept = [np.square(np.diff(run(), axis=1)).sum() / np.square(np.diff(INK, axis=1)).sum() for run in runs["all four"]]
    print(f"\nall four: ours keeps {kept[0]:.0%} of the detail, Keras's layers keep {kept[1]:.0%}")


if __name__ == "__main__":
    main()

"""Training batches: shuffled, scaled, augmented, one-hot; the same for the same seed whichever thread makes them."""

from __future__ import annotations

import math

import keras
import numpy as np
import numpy.typing as npt

from .augment import augment
from .recipes import Recipe
from .scaling import one_hot, scale


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch after the other of `(float32[B, H, W, 1] in [0, 1], float32[B, C] one-hot)`.

    Args:
        pixels: uint8[N, H, W].
        targets: int64[N].
        classes: how many.
        recipe: for the batch size and the augmentation.
        seed: of order and augmentation.
    """

    def __init__(
        self, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.int64], classes: int, recipe: Recipe, seed: int
    ) -> None:
        super().__init__(workers=2, max_queue_size=16)
        self._pixels, self._targets, self._classes = pixels, targets, classes
        self._recipe, self._seed = recipe, seed
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return math.ceil(len(self._pixels) / self._recipe.batch_size)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        size = self._recipe.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._seed, self._epoch, index))
        pictures = augment(scale(self._pixels[rows]), self._recipe.augmentation, rng)
        return pictures, one_hot(self._targets[rows], self._classes)

    def on_epoch_end(self) -> None:
        """Called by Keras between epochs, when no batch is in the making."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng((self._seed, self._epoch)).permutation(len(self._pixels))

"""Augment the training pictures several times, and keep what teachers answer to each version.

A network learns what its teachers say of the very pictures that it sees (Beyer et al. 2022, function matching). Each
version is used in more than one epoch, so that augmentation and the teachers' answers are computed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from digits_edge.common.progress import long_progress, say
from digits_edge.runtime.atomic_file import replacing
from digits_edge.runtime.errors import RunError, first_line

from ..recipes import Augmentation, Recipe
from .augmentation import Tensor, augment, scaled

STRONG: Final = 16  # versions with the recipe's augmentation, or as many as its epochs
GENTLE: Final = 4  # versions with its gentler one, or as many as its gentle epochs
MOST: Final = 2 << 30  # bytes of all pictures: of larger or more pictures there are fewer versions
SEED: Final = 1  # of the augmentation: the same versions for every run
BATCH: Final = 256


@dataclass(frozen=True, eq=False)
class Views:
    """Versions of N pictures: first the augmented ones, then those augmented more gently."""

    pixels: npt.NDArray[np.uint8]  # [versions * N, H, W] or [versions * N, H, W, 3]
    logits: npt.NDArray[np.float32]  # of the teachers, their mean, [versions * N, C]
    strong: int  # versions
    gentle: int

    def first_row(self, recipe: Recipe, epoch: int) -> int:
        """The row at which an epoch's version begins; epochs count from 1."""
        count = len(self.pixels) // (self.strong + self.gentle)
        if self.gentle and recipe.is_gentle(epoch):
            return count * (self.strong + epoch % self.gentle)
        return count * (epoch % self.strong)


def views(pixels: npt.NDArray[np.uint8], recipe: Recipe, teachers: Sequence[keras.Model], folder: Path | None) -> Views:
    """Augment pictures uint8[N, H, W] or uint8[N, H, W, 3] and let the teachers answer each version.

    With a folder, the versions are read from there if they were made before of the same pictures, augmentation and
    teachers; if not, they are written there, for other runs. RunError if they are damaged.
    """
    fit = max(1, MOST // pixels.nbytes)
    strong = min(STRONG, fit, max(1, recipe.epochs - recipe.gentle_epochs))
    gentle = min(GENTLE, fit, recipe.gentle_epochs, recipe.epochs)
    path = folder / f"{_digest(pixels, recipe.augmentation, teachers)}-{strong}-{gentle}.npy" if folder else None
    if path and path.exists():
        say(f"{path}: augmented versions and the teachers' answers of before")
        made = _read(path, (strong + gentle) * len(pixels))
    else:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)  # before the long work
        made = _made(pixels, [recipe.augmentation] * strong + [recipe.augmentation.gentle()] * gentle, teachers)
        if path:
            with replacing(path) as file:
                np.save(file, made)
    return Views(made["pixels"], made["logits"], strong, gentle)


def _read(path: Path, count: int) -> npt.NDArray[Any]:
    """Read the records of versions that were kept."""
    try:
        made: npt.NDArray[Any] = np.load(path, mmap_mode="r")
        if made.shape != (count,) or made.dtype.names != ("pixels", "logits"):
            raise ValueError(f"expected {count:,} pictures with logits, received {made.dtype} {made.shape}")
    except (EOFError, ValueError) as error:
        raise RunError(f"{path}: damaged: {first_line(error)}; remove it, and it is made anew") from None
    return made


def _made(
    pixels: npt.NDArray[np.uint8], augmentations: Sequence[Augmentation], teachers: Sequence[keras.Model]
) -> npt.NDArray[Any]:
    """Make one version for each augmentation: records of pixels and logits, [versions * N]."""
    classes, count = teachers[0].output_shape[-1], len(pixels)
    record = [("pixels", np.uint8, pixels.shape[1:]), ("logits", np.float32, (classes,))]
    made = np.empty(len(augmentations) * count, record)
    show = None
    with long_progress("teachers", len(augmentations)) as step:
        for version, augmentation in enumerate(augmentations):
            if show is None or show.augmentation != augmentation:
                show = Shown(teachers, augmentation, SEED + version)
            part = made[version * count : (version + 1) * count]
            part["pixels"], part["logits"] = show.predict(pixels, batch_size=BATCH, verbose=0)
            step()
    return made


class Shown(keras.Model):  # type: ignore[misc]
    """Augment pixels, and give them with the mean of the teachers' logits."""

    def __init__(self, teachers: Sequence[keras.Model], augmentation: Augmentation, seed: int) -> None:
        super().__init__(dtype="float32")
        self.teachers = list(teachers)
        self.augmentation = augmentation
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pixels that a training step will see, and the logits."""
        seen = ops.round(255 * augment(scaled(pixels), self.augmentation, self._draws))
        logits = [teacher(seen / 255, training=False) for teacher in self.teachers]
        return ops.reshape(seen, ops.shape(pixels)), ops.mean(ops.stack(logits), axis=0)


def _digest(pixels: npt.NDArray[np.uint8], augmentation: Augmentation, teachers: Sequence[keras.Model]) -> str:
    """What decides the versions, as twelve hexadecimal digits."""
    digest = hashlib.sha256(repr((pixels.shape, asdict(augmentation), keras.backend.backend())).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    for teacher in teachers:
        for weights in teacher.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
    return digest.hexdigest()[:12]

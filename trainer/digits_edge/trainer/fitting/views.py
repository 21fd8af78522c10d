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

from digits_edge.common.progress import long_progress
from digits_edge.runtime.atomic_file import replacing
from digits_edge.runtime.errors import RunError, first_line

from ..recipes import Augmentation, Recipe
from .augmentation import Tensor, augment, scaled

STRONG: Final = 16  # versions with the recipe's augmentation, or as many as its epochs
GENTLE: Final = 4  # versions with its gentler one, or as many as its gentle epochs
MOST: Final = 2 << 30  # bytes of all pictures: of larger or more pictures there are fewer versions
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

    With a folder, each version is read from there if it was made before of the same pictures, augmentation and
    teachers; if not, it is written there, for other runs. RunError if it is damaged.
    """
    if folder:
        folder.mkdir(parents=True, exist_ok=True)  # before the long work
    fit = max(1, MOST // pixels.nbytes)
    strong = min(STRONG, fit, max(1, recipe.epochs - recipe.gentle_epochs))
    gentle = min(GENTLE, fit, recipe.gentle_epochs, recipe.epochs)
    record = [("pixels", np.uint8, pixels.shape[1:]), ("logits", np.float32, teachers[0].output_shape[-1:])]
    made = np.empty((strong + gentle, len(pixels)), record)
    milder = recipe.augmentation.gentle()
    with long_progress("teachers", strong + gentle) as step:
        for augmentation, versions in ((recipe.augmentation, made[:strong]), (milder, made[strong:])):
            show = Shown(teachers, augmentation)
            name = _digest(pixels, augmentation, teachers)
            for number, version in enumerate(versions):
                _fill(version, show, pixels, number, folder / f"{name}-{number}.npy" if folder else None)
                step()
    flat = made.reshape(-1)
    return Views(flat["pixels"], flat["logits"], strong, gentle)


def _fill(
    version: npt.NDArray[Any], show: Shown, pixels: npt.NDArray[np.uint8], number: int, kept: Path | None
) -> None:
    """Fill the records of a version, from the file where it is kept or with what the teachers answer."""
    if kept and kept.exists():
        version[:] = _read(kept, version)
        return
    version["pixels"], version["logits"] = show.version(pixels, number)
    if kept:
        with replacing(kept) as file:
            np.save(file, version)


def _read(path: Path, expected: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Read the records of a version that was kept."""
    try:
        made: npt.NDArray[Any] = np.load(path)
        if made.shape != expected.shape or made.dtype != expected.dtype:
            raise ValueError(f"expected {expected.dtype} {expected.shape}, received {made.dtype} {made.shape}")
    except (EOFError, ValueError) as error:
        raise RunError(f"{path}: damaged: {first_line(error)}; remove it, and it is made anew") from None
    return made


class Shown(keras.Model):  # type: ignore[misc]
    """Augment pixels, and give them with the mean of the teachers' logits."""

    def __init__(self, teachers: Sequence[keras.Model], augmentation: Augmentation) -> None:
        super().__init__(dtype="float32")
        self.teachers = list(teachers)
        self.augmentation = augmentation
        self._draws = keras.random.SeedGenerator(0)

    def version(self, pixels: npt.NDArray[np.uint8], number: int) -> Any:
        """Return the pixels of a version, which is the same for every run, and the logits."""
        self._draws.state.assign(np.array([number, 0]))
        return self.predict(pixels, batch_size=BATCH, verbose=0)

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

"""Named recipes: everything that decides how a model is trained, saved with the model that it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MODELS: Final = ("compact", "notebook")  # `models.build` makes them; naming them takes no import of keras


@dataclass(frozen=True)
class Augmentation:
    """Random affine changes, drawn anew for each picture each time; all zero and (1, 1) changes nothing.

    Attributes:
        rotation: degrees, drawn from ±rotation.
        zoom: factor of each axis by itself, drawn from [zoom[0], zoom[1]]; over 1 the digit shrinks.
        shift: pixels along each axis, drawn from ±shift.
        shear: degrees, drawn from ±shear.
        fill: what stands outside the picture: `constant` (black) or `nearest` (its border stretched).
    """

    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    shear: float = 0.0
    fill: Literal["constant", "nearest"] = "constant"


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: of the recipe.
        model: of the architecture, one of `MODELS`.
        epochs: passes over the training part.
        batch_size: pictures a step.
        optimizer: `adam` or `rmsprop`.
        learning_rate: at its highest.
        schedule: `constant`, or `cosine`: a warm-up over the first tenth of all steps, then half a cosine to zero.
        augmentation: what is done to each training picture.
    """

    name: str
    model: str
    epochs: int
    batch_size: int
    optimizer: Literal["adam", "rmsprop"]
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    augmentation: Augmentation


COMPACT: Final = Recipe(
    name="compact",
    model="compact",
    epochs=15,
    batch_size=64,
    optimizer="adam",
    learning_rate=4e-3,
    schedule="cosine",
    augmentation=Augmentation(rotation=10, zoom=(0.9, 1.12), shift=2, shear=8),
)

# The blog notebook that this project grew from, unchanged. Its ImageDataGenerator(zoom_range=1) draws each axis's zoom
# from [0, 2]: many training pictures are stretched beyond reading, so training accuracy stays near 90 % while
# validation accuracy, measured on untouched pictures, passes 99 %.
NOTEBOOK: Final = Recipe(
    name="notebook",
    model="notebook",
    epochs=20,
    batch_size=256,
    optimizer="rmsprop",
    learning_rate=1e-3,
    schedule="constant",
    augmentation=Augmentation(rotation=15, zoom=(0.0, 2.0), fill="nearest"),
)

RECIPES: Final = {recipe.name: recipe for recipe in (COMPACT, NOTEBOOK)}

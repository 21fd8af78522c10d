"""Named recipes: every setting that decides how a model is trained. A run records its own."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, TypeVar, get_args, get_type_hints

from digits_edge.runtime.errors import UsageError, one_of

Architecture = Literal["nano", "micro", "compact", "notebook", "fast"]  # named here, so that recipes need no Keras
MODELS: Final[tuple[str, ...]] = get_args(Architecture)

# The fields of `Augmentation` that are probabilities.
_CHANCES: Final = ("stretch", "thickness", "blur", "low_resolution", "contrast", "erasing", "line", "noise")
# The lowest and the highest allowed value of a number, or of each number of a pair.
LIMITS: Final[dict[str, tuple[float, float]]] = {
    "epochs": (1, 100_000),
    "gentle_epochs": (0, 100_000),
    "batch_size": (1, 100_000),
    "learning_rate": (1e-9, 100),
    "weight_decay": (0, 1),
    "label_smoothing": (0, 0.9),
    "distillation": (0, 1),
    "softness": (0.1, 100),
    "outliers": (0, 1),
    "hands": (0, 1),
    "rotation": (0, 180),
    "zoom": (0, 10),
    "shift": (0, 14),
    "shear": (0, 60),
    "elastic": (0, 14),
    **dict.fromkeys(_CHANCES, (0, 1)),
}


class _Checked:
    """A dataclass that checks its fields against their types and `LIMITS`, and raises UsageError on an invalid one."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]  # only mixed into dataclasses
            _check(item.name, hints[item.name], getattr(self, item.name))


T = TypeVar("T", bound=_Checked)


@dataclass(frozen=True)
class Augmentation(_Checked):
    """Random changes to training pictures, drawn anew for each picture in each epoch. The defaults change nothing.

    Attributes:
        rotation: Largest rotation in degrees, in either direction.
        zoom: Range of the zoom factor, drawn for each axis separately. Above 1 the digit shrinks.
        shift: Largest shift in pixels along each axis, in either direction.
        shear: Largest shear in degrees, in either direction.
        elastic: Strength of a smooth random displacement. Its standard deviation is drawn from 0 to twice this many
            pixels.
        fill: Fill for what lies outside the picture: `constant` (black) or `nearest` (repeat the border pixels).
        stretch: Probability that a digit is widened, at most until its ink is as wide as it is high. Some scanners and
            datasets stretch each digit to a square.
        thickness: Probability of thicker or thinner strokes. They grow by up to two pixels on each side, mostly by less
            than one.
        blur: Probability of a binomial blur, up to 5 x 5.
        low_resolution: Probability of a reduction to 14 x 14, 7 x 7 or in between, enlarged again.
        contrast: Probability of faded ink, by up to 60 %.
        erasing: Probability of a black rectangle with sides of 2 to 10 pixels (Zhong et al. 2017, Random Erasing).
        line: Probability of a straight line across the picture.
        noise: Probability of Gaussian noise on all pixels, with a standard deviation of up to 0.25.
    """

    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    fill: Literal["constant", "nearest"] = "constant"
    stretch: float = 0.0
    thickness: float = 0.0
    blur: float = 0.0
    low_resolution: float = 0.0
    contrast: float = 0.0
    erasing: float = 0.0
    line: float = 0.0
    noise: float = 0.0

    def gentle(self) -> Augmentation:
        """The same changes, milder: geometric ones half as strong, all others a quarter as likely."""
        halved = {name: getattr(self, name) / 2 for name in ("rotation", "shift", "shear", "elastic")}
        rarer = {name: getattr(self, name) / 4 for name in _CHANCES}
        low, high = self.zoom
        return replace(self, **halved, **rarer, zoom=((1 + low) / 2, (1 + high) / 2))


@dataclass(frozen=True)
class Recipe(_Checked):
    """How a model is trained.

    Attributes:
        name: Name of the recipe.
        model: Name of the architecture, one of `MODELS`.
        epochs: Number of passes over the training pictures.
        batch_size: Number of pictures per step.
        optimizer: `adam`, `adamw` (with weight decay on kernels only) or `rmsprop`.
        learning_rate: Highest learning rate.
        schedule: `constant`, or `cosine`: warm-up over the first tenth of all steps, then half a cosine down to zero.
        weight_decay: Weight decay of `adamw`.
        label_smoothing: Share of each target that is spread evenly over all classes.
        distillation: Weight of the teachers' loss, from 0 to 1, if there are teachers (Hinton et al. 2015).
        softness: Temperature that the teachers' and the model's logits are divided by in the teachers' loss.
        outliers: Outliers per training picture. The model learns to be unsure of them, see `outliers.outliers`.
        hands: Drawn digits per training picture, added to them: ways of writing that MNIST lacks, see `hands.hands`.
        precision: `float32`, `mixed_bfloat16`, or `auto`: mixed_bfloat16 on a GPU or TPU, float32 on a CPU, where
            bfloat16 is slower.
        augmentation: Random changes to each training picture.
        gentle_epochs: How many of the last epochs have a gentler augmentation.

    Raises:
        UsageError: A value is invalid.

    Example:
        from dataclasses import replace
        from digits_edge.trainer import RECIPES

        longer = replace(RECIPES["compact"], epochs=80).override("augmentation.rotation", "20")
        print(longer)
    """

    name: str
    model: Architecture
    epochs: int
    batch_size: int
    optimizer: Literal["adam", "adamw", "rmsprop"] = "adam"
    learning_rate: float = 4e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    distillation: float = 0.9
    softness: float = 3.0
    outliers: float = 0.0
    hands: float = 0.0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    augmentation: Augmentation = field(default_factory=Augmentation)
    gentle_epochs: int = 0

    def override(self, name: str, text: str) -> Recipe:
        """Return the same recipe with one field changed.

        Args:
            name: Name of the field; those of the augmentation are written as `augmentation.rotation`.
            text: New value as text; a pair is written as `0.9,1.1`.

        Raises:
            UsageError: There is no such field, or the value is invalid.
        """
        if name.startswith("augmentation."):
            return replace(self, augmentation=_override(self.augmentation, name.partition(".")[2], text, name))
        return _override(self, name, text, name)

    def is_gentle(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, has the gentler augmentation."""
        return epoch > self.epochs - self.gentle_epochs

    def augmentation_in(self, epoch: int) -> Augmentation:
        """The augmentation of an epoch, counted from 1."""
        return self.augmentation.gentle() if self.is_gentle(epoch) else self.augmentation

    def __str__(self) -> str:
        """All fields but the name, as `override` takes them, without augmentations that are off."""
        changes = asdict(self.augmentation)
        shown = {k: v for k, v in asdict(self).items() if k not in ("name", "augmentation")}
        shown |= {f"augmentation.{k}": v for k, v in changes.items() if v != getattr(Augmentation, k)}
        return " ".join(f"{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in shown.items())


def _override(owner: T, name: str, text: str, full_name: str) -> T:
    hints = get_type_hints(type(owner))
    hint = hints[one_of(f"recipe: {full_name}", name, [k for k in hints if k not in ("name", "augmentation")])]
    value: Any = text
    with suppress(ValueError):  # `_check` reports what was expected
        if hint in (int, float):
            value = hint(text)
        elif hint == tuple[float, float]:
            value = tuple(float(part) for part in text.split(","))
    return replace(owner, **{name: value})  # type: ignore[type-var]  # a dataclass


def _check(name: str, hint: Any, value: Any) -> None:
    low, high = LIMITS.get(name, (-math.inf, math.inf))
    if hint is int:
        good, expected = type(value) is int, f"a whole number from {low} to {high}"
    elif hint is float:
        good, expected = isinstance(value, int | float), f"a number from {low:g} to {high:g}"
    elif hint == tuple[float, float]:
        good = isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int | float) for v in value)
        good, expected = good and value[0] <= value[1], f"two numbers from {low:g} to {high:g}, the lower first"
    elif get_args(hint):
        one_of(f"recipe: {name}", value, get_args(hint))
        return
    else:
        good, expected = isinstance(value, hint), hint.__name__
    numbers = value if isinstance(value, tuple) else (value,)
    if not good or (name in LIMITS and not all(low <= number <= high for number in numbers)):
        raise UsageError(f"recipe: {name}: expected {expected}, received {value!r:.80}")


# For digits that differ from MNIST's: thicker or thinner, stretched, blurred, faint, slanted, off-centre, of low
# resolution, on ruled or noisy paper.
_ROBUST: Final = Augmentation(
    rotation=12, zoom=(0.8, 1.25), shift=2.5, shear=12, elastic=1.0,
    stretch=0.15, thickness=0.5, blur=0.2, low_resolution=0.3, contrast=0.2, erasing=0.1, line=0.12, noise=0.15,
)  # fmt: skip

COMPACT: Final = Recipe(
    name="compact",
    model="compact",
    epochs=48,
    gentle_epochs=12,
    batch_size=128,
    optimizer="adamw",
    learning_rate=1e-2,
    weight_decay=0.05,
    outliers=0.25,
    hands=0.05,
    augmentation=_ROBUST,
)

# Milder augmentation than compact and fewer drawn digits: a network with so few parameters cannot learn more.
MICRO: Final = replace(
    COMPACT,
    name="micro",
    model="micro",
    epochs=64,
    gentle_epochs=20,
    learning_rate=2e-2,
    weight_decay=0.01,
    hands=0.02,
    augmentation=replace(
        _ROBUST, elastic=0.8, blur=0.1, low_resolution=0.18, contrast=0.1, erasing=0.0, line=0.08, noise=0.1
    ),
)

# Still milder, and without drawn digits: they would take too much of so few parameters.
NANO: Final = replace(
    MICRO,
    name="nano",
    model="nano",
    hands=0.0,
    augmentation=replace(MICRO.augmentation.gentle(), zoom=(0.85, 1.2)),
)

# The blog notebook's network, trained the way this project trains its own.
WIDE: Final = replace(COMPACT, name="wide", model="notebook", epochs=24, gentle_epochs=6, learning_rate=1e-3)

# The blog notebook that this project started from, unchanged. Its ImageDataGenerator(zoom_range=1) draws the zoom of
# each axis from [0, 2], which makes many training pictures illegible: training accuracy stays near 90 % while
# validation accuracy, measured on unchanged pictures, exceeds 99 %.
NOTEBOOK: Final = Recipe(
    name="notebook",
    model="notebook",
    epochs=20,
    batch_size=256,
    optimizer="rmsprop",
    learning_rate=1e-3,
    schedule="constant",
    precision="float32",
    augmentation=Augmentation(rotation=15, zoom=(0.0, 2.0), fill="nearest"),
)

# Reaches 99 % in half a minute on two cores (benchmarks/train_speed.py).
FAST: Final = Recipe(
    name="fast",
    model="fast",
    epochs=3,
    batch_size=150,  # divides 33,600 and 60,000: a smaller last batch would be traced separately, which takes 2 s
    optimizer="adamw",
    learning_rate=2e-2,
    weight_decay=0.05,
    augmentation=Augmentation(shift=1.5),
)

# For a trained model that is to read some pictures of one's own as well: few, short and gentle steps, since what is
# rehearsed is less than what it was trained on. The architecture is the model's own. `benchmarks/adapt.py --choose`
# compares settings on other hands than those that judge them.
ADAPT: Final = replace(
    COMPACT, name="adapt", epochs=4, gentle_epochs=0, learning_rate=1e-4, hands=0.0, augmentation=_ROBUST.gentle()
)

RECIPES: Final = {recipe.name: recipe for recipe in (COMPACT, FAST, MICRO, NANO, WIDE, NOTEBOOK, ADAPT)}

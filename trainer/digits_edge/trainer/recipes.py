"""Named recipes: everything that decides how a model is trained, saved with the model that it made."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, TypeVar, get_args, get_type_hints

from digits_edge.runtime.errors import UsageError, one_of

Architecture = Literal["micro", "compact", "notebook", "fast"]  # `models.build` makes them; naming them takes no keras
MODELS: Final[tuple[str, ...]] = get_args(Architecture)

# What a number may be; of a pair, each of its two.
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
    "rotation": (0, 180),
    "zoom": (0, 10),
    "shift": (0, 14),
    "shear": (0, 60),
    "elastic": (0, 14),
    "thickness": (0, 1),
    "blur": (0, 1),
    "low_resolution": (0, 1),
    "contrast": (0, 1),
    "erasing": (0, 1),
    "line": (0, 1),
    "noise": (0, 1),
}


class _Checked:
    """A dataclass whose fields hold what their types and `LIMITS` allow; else UsageError says which and why."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]  # it is mixed into dataclasses alone
            _check(item.name, hints[item.name], getattr(self, item.name))


T = TypeVar("T", bound=_Checked)


@dataclass(frozen=True)
class Augmentation(_Checked):
    """Random changes, drawn anew for each picture each time; the defaults change nothing.

    Attributes:
        rotation: degrees, drawn from ±rotation.
        zoom: factor of each axis by itself, drawn from [zoom[0], zoom[1]]; over 1 the digit shrinks.
        shift: pixels along each axis, drawn from ±shift.
        shear: degrees, drawn from ±shear.
        elastic: pixels, the standard deviation of a smooth random displacement, drawn from [0, 2 elastic].
        fill: what stands outside the picture: `constant` (black) or `nearest` (its border stretched).
        thickness: chance that strokes grow, by up to two pixels on each side but mostly less than one, or shrink.
        blur: chance of a blur, binomial and up to 5 x 5.
        low_resolution: chance that the picture is reduced to 14 x 14, 7 x 7 or in between, and enlarged again.
        contrast: chance that the ink fades, by up to 0.6.
        erasing: chance of a black rectangle with sides of 2 to 10 pixels (Zhong et al. 2017, Random Erasing).
        line: chance of a straight line across the picture.
        noise: chance of Gaussian noise on every pixel, with a standard deviation of up to 0.25.
    """

    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    fill: Literal["constant", "nearest"] = "constant"
    thickness: float = 0.0
    blur: float = 0.0
    low_resolution: float = 0.0
    contrast: float = 0.0
    erasing: float = 0.0
    line: float = 0.0
    noise: float = 0.0

    def gentle(self) -> Augmentation:
        """The same kinds of change, the geometric ones half as strong, the others a quarter as often."""
        halved = {name: getattr(self, name) / 2 for name in ("rotation", "shift", "shear", "elastic")}
        rarer = {
            name: getattr(self, name) / 4
            for name in ("thickness", "blur", "low_resolution", "contrast", "erasing", "line", "noise")
        }
        low, high = self.zoom
        return replace(self, **halved, **rarer, zoom=((1 + low) / 2, (1 + high) / 2))


@dataclass(frozen=True)
class Recipe(_Checked):
    """How a model is trained.

    Attributes:
        name: of the recipe.
        model: of the architecture, one of `MODELS`.
        epochs: passes over the training part.
        batch_size: pictures a step.
        optimizer: `adam`, `adamw` (weight decay on kernels alone) or `rmsprop`.
        learning_rate: at its highest.
        schedule: `constant`, or `cosine`: a warm-up over the first tenth of all steps, then half a cosine to zero.
        weight_decay: of adamw.
        label_smoothing: the share of the target that is spread over all classes.
        distillation: the share of the loss that is a teacher's, where there is one (Hinton et al. 2015).
        softness: the temperature that both sides' logits are divided by in that share.
        outliers: for each picture, so many that are of no class, for the network to be unsure of (see `outliers`).
        precision: `float32`, `mixed_bfloat16`, or `auto`: mixed on a GPU or TPU, float32 on a CPU, where bfloat16 is
            slower.
        augmentation: what is done to each training picture.
        gentle_epochs: how many of the last epochs have a gentler augmentation, nearer to the pictures as they are.
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
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    augmentation: Augmentation = field(default_factory=Augmentation)
    gentle_epochs: int = 0

    def override(self, name: str, text: str) -> Recipe:
        """The same recipe with one field changed, as the command line gives it.

        Args:
            name: of the field; `augmentation.rotation` for one of the augmentation.
            text: its value; a pair as `0.9,1.1`.

        Raises:
            UsageError: there is no such field, or it cannot have that value.
        """
        if name.startswith("augmentation."):
            return replace(self, augmentation=_override(self.augmentation, name.partition(".")[2], text, name))
        return _override(self, name, text, name)

    def __str__(self) -> str:
        """All fields but the name that differ from nothing being done, as `override` takes them."""
        changes = asdict(self.augmentation)
        shown = {k: v for k, v in asdict(self).items() if k not in ("name", "augmentation")}
        shown |= {f"augmentation.{k}": v for k, v in changes.items() if v != getattr(Augmentation, k)}
        return " ".join(f"{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in shown.items())


def _override(owner: T, name: str, text: str, told: str) -> T:
    hints = get_type_hints(type(owner))
    hint = hints[one_of(f"recipe: {told}", name, [k for k in hints if k not in ("name", "augmentation")])]
    value: Any = text
    try:
        if hint is int:
            value = int(text)
        elif hint is float:
            value = float(text)
        elif hint == tuple[float, float]:
            value = tuple(float(part) for part in text.split(","))
    except ValueError:
        pass  # `_check` says what was expected
    return replace(owner, **{name: value})  # type: ignore[type-var]  # they are dataclasses


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
        good, expected = isinstance(value, hint), f"a {hint.__name__}"
    numbers = value if isinstance(value, tuple) else (value,)
    if not good or (name in LIMITS and not all(low <= number <= high for number in numbers)):
        raise UsageError(f"recipe: {name}: expected {expected}, received {value!r:.80}")


# For digits that are not MNIST's: thicker and thinner, stretched, blurred, faint, slanted, off-centre, enlarged from
# few pixels, on ruled or noisy paper.
_ROBUST: Final = Augmentation(
    rotation=12, zoom=(0.8, 1.25), shift=2.5, shear=12, elastic=1.0,
    thickness=0.5, blur=0.2, low_resolution=0.3, contrast=0.2, erasing=0.1, line=0.12, noise=0.15,
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
    augmentation=_ROBUST,
)

# As much of it as so few parameters can take.
MICRO: Final = Recipe(
    name="micro",
    model="micro",
    epochs=64,
    gentle_epochs=12,
    batch_size=128,
    optimizer="adamw",
    learning_rate=2e-2,
    weight_decay=0.05,
    outliers=0.25,
    augmentation=replace(
        _ROBUST, elastic=0.8, blur=0.1, low_resolution=0.18, contrast=0.1, erasing=0.0, line=0.08, noise=0.1
    ),
)

# The notebook's network as this project trains it.
WIDE: Final = Recipe(
    name="wide",
    model="notebook",
    epochs=20,
    gentle_epochs=5,
    batch_size=128,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.05,
    outliers=0.25,
    augmentation=_ROBUST,
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
    precision="float32",
    augmentation=Augmentation(rotation=15, zoom=(0.0, 2.0), fill="nearest"),
)

# 99 % in half a minute on two cores (benchmarks/train_speed.py).
FAST: Final = Recipe(
    name="fast",
    model="fast",
    epochs=3,
    batch_size=150,  # a divisor of 33,600 and 60,000: a last batch of another size would be traced anew, in 2 s
    optimizer="adamw",
    learning_rate=2e-2,
    weight_decay=0.05,
    augmentation=Augmentation(shift=1.5),
)

RECIPES: Final = {recipe.name: recipe for recipe in (COMPACT, FAST, MICRO, WIDE, NOTEBOOK)}

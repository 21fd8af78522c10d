"""Pixel ranges: the values that black and white have in a model's input, as text.

A range is `LOW..HIGH` (`0..1`, `-1..1`, `1..0` for dark ink on light), or three of them with commas between, one for
each channel, or `p-128` for an int8 input that is fed pixel values less 128, whatever its scale and zero point.
"""

from __future__ import annotations

import math
from typing import Final

from digits_edge.runtime.errors import UsageError

Ends = tuple[tuple[float, float], ...]  # the values of black and white, once or for each channel

USUAL: Final = ("0..1", "0..255", "-1..1")
AS_INT8: Final = "p-128"


def ends_of(pixel_range: str) -> Ends:
    """The values of black and white; a UsageError if the text is no `LOW..HIGH` or three of them."""
    try:
        ends = tuple((float(low), float(high)) for low, high in (part.split("..") for part in pixel_range.split(",")))
    except ValueError:
        ends = ()
    if len(ends) not in (1, 3) or not all(math.isfinite(high - low) and low != high for low, high in ends):
        raise UsageError(
            f"--pixel-range: expected LOW..HIGH, the values of black and white (0..1, 0..255, -1..1, 1..0), or three "
            f"with commas between, one for each channel, received {pixel_range!r}"
        )
    return ends


def normalized(mean: str, std: str) -> str:
    """The pixel range of pixels less a mean, divided by a standard deviation, each one number or one for each channel.

    They are of pixels in 0..1, as torchvision's `Normalize` takes them, or of 0..255 if one of them is above 1.

    Raises:
        UsageError: One of them is no such number.
    """
    means, stds = _numbers("--mean", mean), _numbers("--std", std)
    if min(stds) <= 0 or len({1, len(means), len(stds)}) > 2:
        raise UsageError(f"--mean, --std: expected as many numbers, --std above 0, received {mean!r} and {std!r}")
    white = 255 if max(means + stds) > 1 else 1
    count = max(len(means), len(stds))
    pairs = zip(means * (count // len(means)), stds * (count // len(stds)), strict=True)
    return ",".join(f"{-m / s + 0.0:.7g}..{(white - m) / s:.7g}" for m, s in pairs)


def _numbers(option: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option}: expected a number, or three with commas between, received {text!r}")
    return numbers


def inverted(pixel_range: str) -> str:
    """The range in which black and white have each other's values."""
    return ",".join("..".join(reversed(part.split(".."))) for part in pixel_range.split(","))


# As models of MNIST (PyTorch's example) and of ImageNet (torchvision's) take their pixels.
NORMALIZED: Final = {
    normalized(mean, std): f"--mean {mean} --std {std}"
    for mean, std in (("0.1307", "0.3081"), ("0.485,0.456,0.406", "0.229,0.224,0.225"))
}


def option_of(pixel_range: str) -> str:
    """The option that asks for a range."""
    joined = "=" if pixel_range.startswith("-") else " "
    return NORMALIZED.get(pixel_range, f"--pixel-range{joined}{pixel_range}")


def candidates(given: str, channels: tuple[int, ...]) -> tuple[str, ...]:
    """The given range, and others that a model of grey pictures, (), or of three channels, (3,), may be trained on."""
    normalizing = (name for name in NORMALIZED if len(ends_of(name)) in (1, *channels))
    return tuple(dict.fromkeys((given, *USUAL, "-0.5..0.5", *normalizing)))

"""The answer for one picture of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Box(NamedTuple):
    """A rectangle, in pixels of the given picture; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Digit:
    """One digit.

    Attributes:
        label: The most probable class.
        score: Its probability.
        accepted: Whether the digit resembles the training data, and the model is sure.
        box: Where it is.
        pixels: What was classified: uint8[28, 28] in MNIST's form.
    """

    label: str
    score: float
    accepted: bool
    box: Box
    pixels: npt.NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Number:
    """Digits that stand together in a line.

    Attributes:
        digits: From left to right.
        score: Probability that all of them are right and that the ink is divided rightly, as the model sees it.
    """

    digits: tuple[Digit, ...]
    score: float

    @property
    def text(self) -> str:
        """The labels one after the other."""
        return "".join(digit.label for digit in self.digits)

    @property
    def box(self) -> Box:
        """The rectangle around the digits."""
        left, top, right, bottom = zip(*(digit.box for digit in self.digits), strict=True)
        return Box(min(left), min(top), max(right), max(bottom))


@dataclass(frozen=True)
class Reading:
    """What stands in a picture.

    Attributes:
        lines: The numbers of each line, from top to bottom and from left to right.
        accepted: Whether to rely on the whole text.
        reason: Why not: `no ink`, `unsure`, `not like training data`, or `unreadable part` where something as large as
            a digit was left out; None if it is accepted.
        left_out: Where signs, letters and other things stand beside the digits.
    """

    lines: tuple[tuple[Number, ...], ...]
    accepted: bool
    reason: str | None = None
    left_out: tuple[Box, ...] = ()

    @property
    def text(self) -> str:
        """The numbers, those of one line apart by a space, and lines by a line break."""
        return "\n".join(" ".join(number.text for number in line) for line in self.lines)

    @property
    def numbers(self) -> tuple[Number, ...]:
        """All numbers."""
        return tuple(number for line in self.lines for number in line)

    @property
    def digits(self) -> tuple[Digit, ...]:
        """All digits."""
        return tuple(digit for number in self.numbers for digit in number.digits)

"""A scatter chart of size against accuracy that fits any width: x is in percent, y and text are in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final

HEIGHT: Final = 260  # px
WIDTHS: Final = (270, 420, 640, 900)  # px: at all of these, no label may cover another or a point
MARGIN: Final = 12  # px, above and below the outermost points
POINT: Final = 6  # px, its radius
GAP: Final = 11  # px from a point to its label
LINE: Final = 18  # px, the height of a label
LETTER: Final = 7.2  # px, the width of a letter, generously
TICKS: Final = 5  # at most
STEPS: Final = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))  # of a logarithmic scale, finest first
UNITS: Final = ((1_000_000, "MB"), (1_000, "kB"), (1, "B"))

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, in percent of the width or in pixels of the height."""

    at: float
    words: str


@dataclass(frozen=True)
class Point:
    """A model.

    Attributes:
        name: its label.
        x: in percent.
        y: in pixels from the top.
        dx: of the label from the point, in pixels; it ends there if that is negative, else it begins.
        dy: of the label's middle, in pixels.
    """

    name: str
    x: float
    y: float
    dx: float
    dy: float


@dataclass(frozen=True)
class Chart:
    """Points between two axes.

    Attributes:
        height: in pixels.
        points: the models.
        sizes: ticks along x.
        accuracies: ticks along y.
        keras: the height of Keras's line, in pixels.
    """

    height: int
    points: tuple[Point, ...]
    sizes: tuple[Tick, ...]
    accuracies: tuple[Tick, ...]
    keras: float


def draw(models: Mapping[str, tuple[int, float]], keras: float) -> Chart:
    """Place the models, and a label beside each that covers nothing.

    Args:
        models: by name, bytes and accuracy from 0 to 1.
        keras: its accuracy.
    """
    least, most = _sizes([size for size, _ in models.values()])
    low, high = _accuracies([keras, *(accuracy for _, accuracy in models.values())])

    def x(size: float) -> float:
        return round(100 * math.log(size / least) / math.log(most / least), 2)

    def y(accuracy: float) -> float:
        return round(MARGIN + (HEIGHT - 2 * MARGIN) * (high - accuracy) / (high - low), 1)

    places = {name: (x(size), y(accuracy)) for name, (size, accuracy) in models.items()}
    return Chart(
        height=HEIGHT,
        points=tuple(_labelled(places, y(keras))),
        sizes=tuple(Tick(x(size), _bytes(size)) for size in _size_ticks(least, most)),
        accuracies=tuple(Tick(y(value), words) for value, words in _accuracy_ticks(low, high)),
        keras=y(keras),
    )


def _sizes(sizes: list[int]) -> tuple[float, float]:
    """From where to where the axis goes: beyond the models, and far enough for a label beside each."""
    least, most = max(1, min(sizes)) / 1.25, max(1, *sizes) * 1.25
    wider = max(1.0, math.sqrt(3 / (most / least)))
    return least / wider, most * wider


def _accuracies(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max(0.3 * (high - low), 0.001)  # a tenth of a point, lest a difference of one picture look large
    return low - room, high + room


def _size_ticks(least: float, most: float) -> list[float]:
    """Round sizes in the range, a few of them."""
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in STEPS:
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        inside = [tick for tick in ticks if least <= tick <= most]
        if len(inside) <= TICKS:
            break
    return inside


def _accuracy_ticks(low: float, high: float) -> Iterator[tuple[float, str]]:
    """Round accuracies in the range, none over 100 %."""
    decade = 10.0 ** math.floor(math.log10((high - low) / TICKS))
    step = next(decade * times for times in (1, 2, 5, 10) if (high - low) / (decade * times) <= TICKS)
    digits = max(0, -math.floor(math.log10(step) + 1e-9) - 2)
    for index in count(math.ceil(low / step - 1e-9)):
        if index * step > min(high, 1) + 1e-9:
            return
        yield index * step, f"{index * step:.{digits}%}"


def _bytes(size: float) -> str:
    per, unit = next((per, unit) for per, unit in UNITS if size >= per or per == 1)
    return f"{size / per:g} {unit}"


def _labelled(places: Mapping[str, tuple[float, float]], keras: float) -> Iterator[Point]:
    """Each label goes to the nearest free place beside its point."""
    taken = {width: [_marker(width, *place) for place in places.values()] for width in WIDTHS}
    for width in WIDTHS:  # Keras's line, and its name on the right end
        taken[width] += [(0, keras - 1, width, keras + 1), (width - 6 * LETTER, keras - LINE, width, keras)]
    for name, (x, y) in places.items():
        dx, dy = next(
            (dx, dy)
            for dx, dy in _offsets()
            if dy > HEIGHT or all(_free(_label(width, name, x, y, dx, dy), width, taken[width]) for width in WIDTHS)
        )
        if dy > HEIGHT:  # nowhere; better a label that covers something than none
            dx, dy = (GAP if x < 50 else -GAP), 0
        for width in WIDTHS:
            taken[width].append(_label(width, name, x, y, dx, dy))
        yield Point(name, x, y, dx, dy)


def _offsets() -> Iterator[tuple[float, float]]:
    for distance in range(0, HEIGHT + LINE, LINE // 2):
        for dy in (-distance, distance):
            yield GAP, dy
            yield -GAP, dy


def _marker(width: float, x: float, y: float) -> Box:
    across = x / 100 * width
    return across - POINT, y - POINT, across + POINT, y + POINT


def _label(width: float, name: str, x: float, y: float, dx: float, dy: float) -> Box:
    start, long = x / 100 * width + dx, LETTER * len(name)
    left = start if dx > 0 else start - long
    return left, y + dy - LINE / 2, left + long, y + dy + LINE / 2


def _free(box: Box, width: float, taken: list[Box]) -> bool:
    left, top, right, bottom = box
    inside = left >= 0 and right <= width and top >= 0 and bottom <= HEIGHT
    return inside and not any(left < x1 and x0 < right and top < y1 and y0 < bottom for x0, y0, x1, y1 in taken)

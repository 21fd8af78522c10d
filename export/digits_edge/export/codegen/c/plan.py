"""Where and when each row of each layer is computed, so that a network needs little memory.

Layers are computed row by row, each row as soon as the rows are there that it is made from, so that of most layers only
as many rows are kept as the next layer's kernel is high. The rows of one layer lie in a ring; rings that are not needed
at the same time share their place. The order is worked out here, and is a constant table in the C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..int8_network import Copy, Int8Network, Layer, Pair, Shape


@dataclass(frozen=True)
class Rows:
    """The rows of one layer in memory.

    Attributes:
        shape: of the layer.
        depth: how many rows are kept at once, row r in slot r modulo depth; of the picture, which is all there, all.
        left: bytes before a row, for columns that are padded.
        slot: bytes of a row with what is padded on both sides.
        slots: `depth`, and one more for rows that are padded.
        fill: the value of what is padded.
        offset: of the first slot in the arena.
    """

    shape: Shape
    depth: int
    left: int
    slot: int
    slots: int
    fill: int
    offset: int = 0

    @property
    def bytes(self) -> int:
        """Of all slots."""
        return self.slots * self.slot


@dataclass(frozen=True, eq=False)
class Plan:
    """How a network is computed.

    Attributes:
        layers: each reads what the one before it makes.
        rows: of the picture, and of every layer.
        schedule: the layers, by number, in the order in which each makes its next row.
        arena: bytes of memory for all rows but the picture's.
    """

    layers: tuple[Layer, ...]
    rows: tuple[Rows, ...]
    schedule: tuple[int, ...]
    arena: int


def plan(network: Int8Network) -> Plan:
    """Work out the order, the rings and their places."""
    layers = network.layers
    if any(map(any, layers[0].padded)):  # the picture is the caller's, and has no room for what is padded
        layers = (Copy("image", network.shape, network.shape, (1, 1), (1, 1), (0, 0), 0), *layers)
    schedule = _schedule(layers)
    depths = _depths(layers, schedule)
    rows = [_rows(layer.shape, layers[place + 1 :], depths[place]) for place, layer in enumerate(layers)]
    height, width, channels = network.shape
    picture = Rows(network.shape, height, 0, width * channels, height, 0)
    offsets = _places([row.bytes for row in rows], _lives(len(layers), schedule))
    placed = [replace(row, offset=offset) for row, offset in zip(rows, offsets, strict=True)]
    return Plan(layers, (picture, *placed), schedule, max(row.offset + row.bytes for row in placed))


def _schedule(layers: Sequence[Layer]) -> tuple[int, ...]:
    """Each row as late as the last layer's only row allows."""
    made, order = [0] * len(layers), list[int]()

    def make(place: int) -> None:
        layer = layers[place]
        needed = min(made[place] * layer.stride[0] - layer.padding[0] + layer.kernel[0], layer.source[0])
        while place and made[place - 1] < needed:
            make(place - 1)
        made[place] += 1
        order.append(place)

    make(len(layers) - 1)
    return tuple(order)


def _depths(layers: Sequence[Layer], schedule: Sequence[int]) -> list[int]:
    """How many rows of each layer are needed at once, or have still to be."""
    made, depths = [0] * (len(layers) + 1), [1] * len(layers)
    for place in schedule:
        made[place] += 1
        if place + 1 < len(layers):
            reader = layers[place + 1]
            first = max(0, made[place + 1] * reader.stride[0] - reader.padding[0])
            depths[place] = max(depths[place], made[place] - first)
    return depths


def _rows(shape: Shape, readers: Sequence[Layer], depth: int) -> Rows:
    """With room for what the layer that reads them pads."""
    if not readers:
        return Rows(shape, depth, 0, shape[1] * shape[2], depth, 0)
    above_below, (left, right) = readers[0].padded
    slot = (left + shape[1] + right) * shape[2]
    return Rows(shape, depth, left * shape[2], slot, depth + any(above_below), readers[0].fill)


def _lives(layers: int, schedule: Sequence[int]) -> list[Pair]:
    """The first step of each layer, and the last of the layer that reads it."""
    first = [schedule.index(place) for place in range(layers)]
    last = [max(step for step, made in enumerate(schedule) if made == place) for place in range(layers)]
    return list(zip(first, [*last[1:], len(schedule)], strict=True))


def _places(sizes: Sequence[int], lives: Sequence[Pair]) -> list[int]:
    """Offsets: the largest first, each as low as those let it that live at the same time.

    The method is the greedy one of TensorFlow Lite for Microcontrollers' planner.
    """
    offsets: dict[int, int] = {}
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        start, end = lives[index]
        beside = sorted(
            (offsets[other], offsets[other] + sizes[other])
            for other in offsets
            if lives[other][0] <= end and start <= lives[other][1]
        )
        offset = 0
        for low, high in beside:
            if offset + sizes[index] <= low:
                break
            offset = max(offset, high)
        offsets[index] = offset
    return [offsets[index] for index in range(len(sizes))]

"""Plan when each row of each layer is computed and where it is kept, so that a network needs little memory.

Layers are computed row by row, each row as soon as its input rows are there. Of most layers, only as many rows are kept
as the next layer's kernel is high. The rows of a layer are kept in a ring buffer, and buffers that are not needed at
the same time share memory. The order is worked out here, and is a constant table in the C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..int8_network import Copy, Int8Network, Layer, Pair, Shape


@dataclass(frozen=True)
class RowBuffer:
    """The ring buffer of a layer's rows.

    Attributes:
        shape: Shape of the layer's output.
        depth: Rows kept at once, row r in slot r modulo depth; all rows of the picture, which the caller keeps.
        left: Bytes of padding before a row.
        slot: Bytes of a row with the padding before and after it.
        slots: `depth`, and one more where there are padding rows.
        fill: Value of the padding.
        offset: Place of the first slot in the arena.
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
        """Size of all slots."""
        return self.slots * self.slot


@dataclass(frozen=True, eq=False)
class Plan:
    """How a network is computed.

    Attributes:
        layers: The layers, each of which reads the output of the one before it.
        rows: Buffers of the picture and of every layer.
        schedule: Numbers of the layers, in the order in which each makes its next row.
        arena: Bytes of memory for all rows but the picture's.
    """

    layers: tuple[Layer, ...]
    rows: tuple[RowBuffer, ...]
    schedule: tuple[int, ...]
    arena: int


def plan(network: Int8Network) -> Plan:
    """Work out the order, the buffers and their places."""
    layers = network.layers
    if any(map(any, layers[0].padded)):  # the caller's picture has no room for padding
        layers = (Copy(name="image", source=network.shape, shape=network.shape), *layers)
    schedule = _schedule(layers)
    depths = _depths(layers, schedule)
    rows = [_rows(layer.shape, layers[place + 1 :], depths[place]) for place, layer in enumerate(layers)]
    height, width, channels = network.shape
    picture = RowBuffer(network.shape, depth=height, left=0, slot=width * channels, slots=height, fill=0)
    offsets = _places([row.bytes for row in rows], _lives(len(layers), schedule))
    placed = [replace(row, offset=offset) for row, offset in zip(rows, offsets, strict=True)]
    return Plan(layers, (picture, *placed), schedule, max(row.offset + row.bytes for row in placed))


def _schedule(layers: Sequence[Layer]) -> tuple[int, ...]:
    """The order that makes each row as late as the last layer's only row allows."""
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
    """How many rows of each layer are needed at once, made or still to be made."""
    made, depths = [0] * (len(layers) + 1), [1] * len(layers)
    for place in schedule:
        made[place] += 1
        if place + 1 < len(layers):
            reader = layers[place + 1]
            first = max(0, made[place + 1] * reader.stride[0] - reader.padding[0])
            depths[place] = max(depths[place], made[place] - first)
    return depths


def _rows(shape: Shape, readers: Sequence[Layer], depth: int) -> RowBuffer:
    """A buffer with room for the padding of the layer that reads it, the first of `readers`."""
    if not readers:
        return RowBuffer(shape, depth=depth, left=0, slot=shape[1] * shape[2], slots=depth, fill=0)
    above_below, (left, right) = readers[0].padded
    return RowBuffer(
        shape,
        depth=depth,
        left=left * shape[2],
        slot=(left + shape[1] + right) * shape[2],
        slots=depth + any(above_below),
        fill=readers[0].fill,
    )


def _lives(layers: int, schedule: Sequence[int]) -> list[Pair]:
    """The first step of each layer, and the last step of the layer that reads it."""
    first = [schedule.index(place) for place in range(layers)]
    last = [max(step for step, made in enumerate(schedule) if made == place) for place in range(layers)]
    return list(zip(first, [*last[1:], len(schedule)], strict=True))


def _places(sizes: Sequence[int], lives: Sequence[Pair]) -> list[int]:
    """Offsets of buffers: the largest is placed first, each as low as the buffers that live at the same time allow.

    Source: the greedy memory planner of TensorFlow Lite for Microcontrollers.
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

"""Plan when each row of each layer is computed and where it is kept, so that a network needs little memory.

Layers are computed row by row, each row as soon as its input rows are there. Of most layers, only as many rows are kept
as the next layer's kernel is high. The rows of a layer are kept in a ring buffer, and buffers that are not needed at
the same time share memory. The order is worked out here, and is a constant table in the C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..int8_network import Convolution, Copy, Int8Network, Layer, MaxPool, Pair, Shape, Values

TAPS: Final = 8  # weights read at once


@dataclass(frozen=True)
class RowBuffer:
    """The ring buffer of a layer's rows."""

    shape: Shape  # of the layer's output
    depth: int  # rows kept at once, row r in slot r modulo depth; all rows of the picture, which the caller keeps
    left: int  # bytes of padding before a row
    slot: int  # bytes of a row with the padding before and after it
    slots: int  # `depth`, and one more where there are padding rows
    fill: int  # value of the padding
    offset: int = 0  # place of the first slot in the arena

    @property
    def bytes(self) -> int:
        """Size of all slots."""
        return self.slots * self.slot


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledConvolution(Layer):
    """A convolution and the 2 x 2 max pooling of its output. Its window is all that one pooled value is made from."""

    convolution: Convolution
    pooling: MaxPool

    @classmethod
    def of(cls, first: Layer, second: Layer) -> PooledConvolution | None:
        """Two layers as one; None unless they are a convolution and a pooling that does not overlap."""
        if not isinstance(first, Convolution) or not isinstance(second, MaxPool):
            return None
        if (second.kernel, second.stride, second.padded) != ((2, 2), (2, 2), ((0, 0), (0, 0))):
            return None
        (high, wide), (down, across) = first.kernel, first.stride
        return cls(
            name=first.name,
            source=first.source,
            shape=second.shape,
            kernel=(high + down, wide + across),
            stride=(2 * down, 2 * across),
            padding=first.padding,
            fill=first.fill,
            convolution=first,
            pooling=second,
        )

    @property
    def macs(self) -> int:
        """Multiplications per picture."""
        return self.convolution.macs

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        return self.pooling(self.convolution(values))


@dataclass(frozen=True, eq=False)
class Plan:
    """How a network is computed."""

    layers: tuple[Layer, ...]  # each of which reads the output of the one before it
    rows: tuple[RowBuffer, ...]  # buffers of the picture and of every layer
    schedule: tuple[int, ...]  # numbers of the layers, in the order in which each makes its next row
    windows: int  # bytes of memory for the windows of a convolution, at the beginning of the arena
    arena: int  # bytes of memory for them and for all rows but the picture's


def plan(network: Int8Network) -> Plan:
    """Work out the order, the buffers and their places."""
    layers = _fused(network.layers)
    if any(map(any, layers[0].padded)):  # the caller's picture has no room for padding
        layers = (Copy(name="image", source=network.shape, shape=network.shape), *layers)
    schedule = _schedule(layers)
    readers, depths = [*layers[1:], None], _depths(layers, schedule)
    rows = [_rows(layer.shape, reader, depth) for layer, reader, depth in zip(layers, readers, depths, strict=True)]
    offsets = _places([row.bytes for row in rows], _lives(len(layers), schedule))
    windows = _windows(layers)
    placed = [replace(row, offset=windows + offset) for row, offset in zip(rows, offsets, strict=True)]
    picture = _rows(network.shape, None, depth=network.shape[0])
    return Plan(layers, (picture, *placed), schedule, windows, max(row.offset + row.bytes for row in placed))


def convolution_of(layer: Layer) -> Convolution | None:
    """The convolution that a layer is or begins with."""
    made = layer.convolution if isinstance(layer, PooledConvolution) else layer
    return made if isinstance(made, Convolution) else None


def taps(layer: Convolution) -> int:
    """Number of weights per channel, zeros at the end included."""
    count = math.prod(layer.weights.shape[1:])
    return count + -count % TAPS


def _fused(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, with a convolution and its pooling as one."""
    made = list[Layer]()
    for layer in layers:
        fused = PooledConvolution.of(made[-1], layer) if made else None
        made[-1 if fused else len(made) :] = [fused or layer]
    return tuple(made)


def _windows(layers: Sequence[Layer]) -> int:
    """Bytes for what convolutions are made from, and what may be lost to align them.

    Two windows of int16_t, and of a pooled convolution the largest sums so far as int32_t, one per channel.
    """
    sizes = [
        4 * taps(made) + 4 * len(made.weights) * isinstance(layer, PooledConvolution)
        for layer in layers
        if (made := convolution_of(layer))
    ]
    return max(sizes) + 7 if sizes else 0


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


def _rows(shape: Shape, reader: Layer | None, depth: int) -> RowBuffer:
    """A buffer with room for the padding of the layer that reads it."""
    above_below, (left, right) = reader.padded if reader else ((0, 0), (0, 0))
    return RowBuffer(
        shape,
        depth=depth,
        left=left * shape[2],
        slot=(left + shape[1] + right) * shape[2],
        slots=depth + any(above_below),
        fill=reader.fill if reader else 0,
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

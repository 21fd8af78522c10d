"""Write a network as a module for MicroPython, with the arithmetic of the C."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Final

from ..int8_network import Copy, Layer, MaxPool, Mean, Requantization, Table
from .plan import Plan, PooledConvolution, convolution_of

MOST_TAPS: Final = 2**29 // (255 * 128)  # whose sums stay positive when 2^29 is added, and within 31 bits
PIECE: Final = 25  # bytes a line
LINE: Final = 110  # characters


def fits(planned: Plan) -> bool:
    """Whether MicroPython's small integers hold the sums of all layers."""
    return all(math.prod(made.weights.shape[1:]) <= MOST_TAPS for made in map(convolution_of, planned.layers) if made)


def layers_of(planned: Plan) -> list[str]:
    """Each layer as a tuple in Python: what makes it, and what that takes beside the values."""
    return [
        textwrap.indent("\n".join(map(_wrapped, _arguments(layer))), " " * 8)
        for layer in planned.layers
        if not isinstance(layer, Copy)
    ]


def _arguments(layer: Layer) -> Iterable[str]:
    """The function of a layer and its arguments."""
    made = convolution_of(layer)
    if isinstance(layer, Table):
        yield from ("_table", _bytes(layer.entries.tobytes()))
    elif isinstance(layer, Mean):
        yield from ("_mean", str(layer.source), str(layer.bias), *_requantization(layer.requantization))
    elif made:
        yield from ("_convolution", *_window(made), str(layer.shape), str(1 + isinstance(layer, PooledConvolution)))
        yield _bytes((made.weights.astype(int) + 128).astype("uint8").tobytes())
        yield str(tuple(made.bias.tolist()))
        yield from _requantization(made.requantization)
    elif isinstance(layer, MaxPool):
        yield from ("_max_pool", *_window(layer), str(layer.shape))


def _window(layer: Layer) -> Iterable[str]:
    """Size of the input; where it lies in its frame, how large that is, and what fills it; the window and its steps."""
    (above, below), (before, after) = layer.padded
    height, width, _ = layer.source
    frame = (above, before, height + above + below, width + before + after, layer.fill)
    return map(str, (layer.source, frame, layer.kernel, layer.stride))


def _requantization(made: Requantization) -> Iterable[str]:
    multipliers = [multiplier.value for multiplier in made.multipliers]
    shifts = [multiplier.shift - 1 for multiplier in made.multipliers]
    return map(str, (tuple(multipliers), tuple(shifts), (made.zero, made.low, made.high)))


def _bytes(data: bytes) -> str:
    """Bytes in Python, a line for each piece."""
    return "\n".join(repr(data[start : start + PIECE]) for start in range(0, len(data), PIECE))


def _wrapped(argument: str) -> str:
    """An argument with the comma behind it, and numbers in lines that are not too long."""
    return f"{argument}," if argument[0] == "b" else textwrap.fill(f"{argument},", LINE, subsequent_indent=" ")

"""Run the network of boundaries in numpy, where onnxruntime is not installed.

It reads `seams.onnx` and computes what onnxruntime computes: convolutions with int8 weights, whose sums of whole
numbers float32 holds exactly, each followed by rounding to uint8. It takes about five times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..protobuf import Span, fields, varints

Floats = npt.NDArray[np.float32]
Values = dict[str, npt.NDArray[Any]]  # of the graph's initializers

DTYPES: Final = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8"}  # by ONNX's numbers


class _Convolution(NamedTuple):
    weights: Floats  # [kernel down, kernel across, channels read, channels made]
    bias: Floats  # added to the sums, [channels made]
    scale: Floats  # of the sums in steps of what it makes, [channels made]
    stride: int
    pads: list[int]  # rows above, columns before, rows below, columns after
    made_scale: np.float32  # of what it makes
    made_zero: np.float32


class _Node(NamedTuple):
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, list[int]]


class BoundaryNetwork:
    """The network of a file like `seams.onnx`."""

    def __init__(self, model: bytes) -> None:
        self._layers = [*_convolutions(model)]

    def __call__(self, tiles: npt.NDArray[np.uint8]) -> Floats:
        """Logits float32[N, H / 4, W / 4, 16] of tiles uint8[N, H, W]."""
        values: Floats = tiles[..., None].astype(np.float32)  # less their zero point
        for layer in self._layers:
            sums = _windows(values, layer) @ layer.weights.reshape(-1, layer.weights.shape[3])
            steps = np.rint((sums + layer.bias) * layer.scale) + layer.made_zero
            values = steps.clip(0, 255) - layer.made_zero
        return values * self._layers[-1].made_scale


def _windows(values: Floats, layer: _Convolution) -> Floats:
    """What each place sees, float32[N, H, W, kernel down * kernel across * channels]."""
    above, before, below, after = layer.pads
    padded = np.pad(values, ((0, 0), (above, below), (before, after), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, layer.weights.shape[:2], axis=(1, 2))
    places = windows[:, :: layer.stride, :: layer.stride].transpose(0, 1, 2, 4, 5, 3)
    return np.asarray(places.reshape(*places.shape[:3], -1))


def _convolutions(model: bytes) -> Iterator[_Convolution]:
    """The convolutions of a graph whose other nodes are rectifiers, quantization, and what orders axes."""
    (graph,) = (span for number, span in _messages(model, (0, len(model))) if number == 7)
    nodes = [_node(model, span) for number, span in _messages(model, graph) if number == 1]
    values = dict(_tensor(model, span) for number, span in _messages(model, graph) if number == 5)
    makers = {node.outputs[0]: node for node in nodes}
    readers = {name: node for node in nodes for name in node.inputs}
    scale = np.float32(1)
    for node in nodes:
        if node.operator != "Conv":
            continue
        weights, weight_scale = _constant(node.inputs[1], makers, values)
        bias, _ = _constant(node.inputs[2], makers, values)
        after = readers[node.outputs[0]]
        after = readers[after.outputs[0]] if after.operator == "Relu" else after
        _, made_scale, made_zero = after.inputs  # of a QuantizeLinear; its zero point is 0 after a rectifier
        yield _Convolution(
            weights=weights.transpose(2, 3, 1, 0).astype(np.float32),
            bias=bias.astype(np.float32),  # of the sums' scale
            scale=scale * weight_scale / values[made_scale],
            stride=node.attributes["strides"][0],
            pads=node.attributes.get("pads", [0, 0, 0, 0]),
            made_scale=np.float32(values[made_scale]),
            made_zero=np.float32(values[made_zero]),
        )
        scale = np.float32(values[made_scale])


def _constant(name: str, makers: dict[str, _Node], values: Values) -> tuple[npt.NDArray[Any], Any]:
    """A constant's values in the file, and their scale."""
    if name in values:
        return values[name], np.float32(1)
    quantized, scale, _ = makers[name].inputs  # of a DequantizeLinear, whose zero points are 0
    return values[quantized], values[scale]


def _messages(model: bytes, span: Span) -> Iterator[tuple[int, Span]]:
    return ((number, value) for number, value in fields(model, *span) if not isinstance(value, int))


def _node(model: bytes, span: Span) -> _Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
    attributes = {}
    for number, value in _messages(model, span):
        if number in texts:
            texts[number].append(model[slice(*value)].decode())
        elif number == 5:
            (name,) = (model[slice(*part)].decode() for number, part in _messages(model, value) if number == 1)
            numbers = [part for number, part in fields(model, *value) if number == 8]
            attributes[name] = [number for number in numbers if isinstance(number, int)]
    return _Node(texts[4][0], texts[1], texts[2], attributes)


def _tensor(model: bytes, span: Span) -> tuple[str, npt.NDArray[Any]]:
    """Name and values of an initializer."""
    shape, name, dtype, values = list[int](), "", "", np.empty(0)
    for number, value in fields(model, *span):
        if isinstance(value, int):
            if number == 1:
                shape.append(value)
            elif number == 2:
                dtype = DTYPES[value]
        elif number == 8:
            name = model[slice(*value)].decode()
        elif number in (4, 9):  # floats, or values of any type, byte by byte
            values = np.frombuffer(model[slice(*value)], dtype)
        elif number == 5:  # whole numbers, none below 0
            values = np.array(varints(model, *value), dtype)
    return name, values.reshape(shape)

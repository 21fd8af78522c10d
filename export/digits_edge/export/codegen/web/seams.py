"""Read the runtime's network of boundaries between digits into the plain layers that the page's scripts run."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from digits_edge.runtime import numbers
from digits_edge.runtime.numbers.seams import TILE

from ...engines.tensor_spec import Quantization
from ..int8_network import Convolution, Int8Network, Multiplier, Requantization

Floats = npt.NDArray[np.float64]
Values = dict[str, npt.NDArray[Any]]  # of the graph's initializers


def read_seams() -> tuple[Int8Network, Quantization]:
    """The convolutions of `seams.onnx`, and the quantization of its logits as int8.

    Its first convolution is in float there, and has int8 weights here.
    """
    graph = onnx.load_from_string((files(numbers) / "seams.onnx").read_bytes()).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    network = Int8Network(tuple(_convolutions(graph, values)))
    scale, zero = _quantization(graph, values, [node for node in graph.node if node.op_type == "Conv"][-1])
    return network, Quantization(scale, zero - 128)


def _convolutions(graph: onnx.GraphProto, values: Values) -> Iterator[Convolution]:
    source, scale, zero = (*TILE, 1), 1.0, 0
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weights, scales, bias = _weights(values, node)
        made_scale, made_zero = _quantization(graph, values, node)
        options = {attribute.name: tuple(attribute.ints) for attribute in node.attribute}
        kernel, stride, pads = weights.shape[1:3], options["strides"], options.get("pads", (0, 0, 0, 0))
        height, width = (
            (source[axis] + pads[axis] + pads[axis + 2] - kernel[axis]) // stride[axis] + 1 for axis in (0, 1)
        )
        sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
        layer = Convolution(
            name=node.name,
            source=source,
            shape=(height, width, len(weights)),
            kernel=kernel,
            stride=(stride[0], stride[1]),
            padding=(pads[0], pads[1]),
            fill=zero,
            weights=weights,
            bias=(np.rint(bias / (scale * scales)).astype(np.int64) - zero * sums).astype(np.int32),
            requantization=Requantization(tuple(map(Multiplier.of, scale * scales / made_scale)), made_zero),
        )
        yield layer
        source, scale, zero = layer.shape, made_scale, made_zero


def _weights(values: Values, node: onnx.NodeProto) -> tuple[npt.NDArray[np.int8], Floats, Floats]:
    """Weights of a convolution, int8[O, down, across, channels], their scales float64[O], and its bias float64[O]."""
    name, bias = (part.removesuffix("_DequantizeLinear_Output") for part in node.input[1:3])
    if name in values:
        floats = values[name].astype(np.float64)
        scales = np.abs(floats).max(axis=(1, 2, 3)) / 127
        weights = np.rint(floats / scales[:, None, None, None])
        return weights.transpose(0, 2, 3, 1).astype(np.int8), scales, values[bias].astype(np.float64)
    weights, scales = values[f"{name}_quantized"], values[f"{name}_scale"].astype(np.float64)
    biases = values[f"{bias}_quantized"] * values[f"{bias}_quantized_scale"].astype(np.float64)
    return weights.transpose(0, 2, 3, 1).astype(np.int8), scales, biases


def _quantization(graph: onnx.GraphProto, values: Values, node: onnx.NodeProto) -> tuple[float, int]:
    """Scale and zero point, as uint8, of what a node makes, after the ReLU behind it."""
    (name,) = node.output
    (after,) = (other for other in graph.node if name in other.input)
    if after.op_type == "Relu":
        return _quantization(graph, values, after)
    return float(values[after.input[1]]), int(values[after.input[2]])

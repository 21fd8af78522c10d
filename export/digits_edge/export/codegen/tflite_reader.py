"""From an int8 TFLite model to the plain layers that the C and web formats are written from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from digits_edge.runtime.errors import ExportError

from ..engines.litert import open_interpreter, run_interpreter
from .int8_network import Convolution, Int8Network, Layer, MaxPool, Mean, Multiplier, Pair, Result, Shape, Table

Op = schema.BuiltinOperator
Activation = schema.ActivationFunctionType
NAMES: Final = {code: name for name, code in vars(Op).items() if isinstance(code, int)}
SUPPORTED: Final = "convolutions, dense layers, ReLU, max pooling, global average pooling, flattening and rescaling"


@dataclass(frozen=True)
class _Tensor:
    """What the network knows of one of its tensors."""

    name: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero: int  # as uint8
    data: bytes | None

    @property
    def scale(self) -> float:
        return self.scales[0]


def read_network(data: bytes) -> Int8Network:
    """The layers of an int8 TFLite model that digits-edge exported.

    Raises:
        ExportError: it has a layer of another kind, which the message names.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (graph,) = model.subgraphs
    tensors = [_tensor(tensor, model.buffers) for tensor in graph.tensors]
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    current = graph.inputs[0]
    height, width, channels = tensors[current].shape[1:]
    shape: Shape = (height, width, channels)
    layers: list[Layer] = []
    rescaling = next((index for index, code in enumerate(codes) if code not in RESCALING), 0)
    if rescaling:
        layers.append(_table(data, rescaling, shape))
        current = graph.operators[rescaling - 1].outputs[0]
    for operator, code in list(zip(graph.operators, codes, strict=True))[rescaling:]:
        inputs, (output,) = [tensors[index] for index in operator.inputs if index >= 0], operator.outputs
        where = f"layer {tensors[output].name.split(';')[0]}"
        if code not in READERS or operator.inputs[0] != current:
            what = "a branch" if code in READERS else f"the operator {NAMES.get(code, code)}"
            raise ExportError(f"{where}: expected {SUPPORTED}, one after the other, received {what}")
        layer = READERS[code](_Operator(where, shape, inputs, tensors[output], operator.builtinOptions))
        if layer is not None:
            layers.append(layer)
            shape = layer.shape
        current = output
    if shape[:2] != (1, 1):
        raise ExportError(f"{where}: expected one logit for each class, received {shape}")
    return Int8Network(tuple(layers))


@dataclass(frozen=True)
class _Operator:
    """One operator: what it reads has `shape`, whatever its tensors were reshaped to."""

    where: str
    shape: Shape
    inputs: list[_Tensor]
    output: _Tensor
    options: Any

    def refuse(self, expected: str, received: Any) -> ExportError:
        return ExportError(f"{self.where}: expected {expected}, received {received}")

    def as_image(self) -> Shape:
        """`shape`, of an operator that looks at its tensor as a picture."""
        if self.inputs[0].shape[1:] != self.shape:
            raise self.refuse(f"a picture of {self.shape}", f"one reshaped to {self.inputs[0].shape[1:]}")
        return self.shape

    def made(self) -> Shape:
        """The shape of a picture that it makes."""
        height, width, channels = self.output.shape[1:]
        return height, width, channels

    def low_high(self) -> Pair:
        """The least and greatest value that the activation leaves, as uint8."""
        kind, scale, zero = self.options.fusedActivationFunction, self.output.scale, self.output.zero
        if kind == Activation.NONE:
            return 0, 255
        if kind == Activation.RELU:
            return zero, 255
        if kind == Activation.RELU6:
            return zero, min(255, zero + round(6 / scale))
        names = {code: name for name, code in vars(Activation).items() if isinstance(code, int)}
        raise self.refuse("no activation, RELU or RELU6", names.get(kind, kind))

    def result(self, factors: list[float]) -> Result:
        low, high = self.low_high()
        return Result(tuple(Multiplier.of(factor) for factor in factors), self.output.zero, low, high)


def _convolution(operator: _Operator) -> Layer:
    options, (source, filters) = operator.options, operator.inputs[:2]
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        raise operator.refuse("a convolution without dilation", (options.dilationHFactor, options.dilationWFactor))
    shape, weights = operator.as_image(), _constant(filters, np.int8)
    if weights.shape[3] != shape[2]:
        raise operator.refuse(f"a convolution over all {shape[2]} channels", f"groups of {weights.shape[3]}")
    factors = [source.scale * scale / operator.output.scale for scale in _each(filters.scales, len(weights))]
    kernel, stride, padding = _window(shape, weights.shape[1:3], options)
    folded, result = _folded(operator, weights, factors), operator.result(factors)
    return Convolution(
        operator.where, shape, operator.made(), kernel, stride, padding, source.zero, weights, folded, result
    )


def _dense(operator: _Operator) -> Layer:
    source, filters = operator.inputs[:2]
    weights = _constant(filters, np.int8)
    outputs, reads = weights.shape
    whole = reads == math.prod(operator.shape)
    if not whole and reads != operator.shape[2]:
        raise operator.refuse(f"a dense layer over {operator.shape}", f"one over {reads} values")
    height, width, channels = operator.shape
    # over all values, or for every pixel the same
    kernel, made = ((height, width), (1, 1, outputs)) if whole else ((1, 1), (height, width, outputs))
    # with the product of scales in float32, as TFLite has it for dense layers and not for convolutions
    products = [np.float32(source.scale) * np.float32(scale) for scale in _each(filters.scales, outputs)]
    factors = [float(product) / operator.output.scale for product in products]
    folded, result = _folded(operator, weights, factors), operator.result(factors)
    weights = weights.reshape(outputs, *kernel, channels)
    return Convolution(
        operator.where, operator.shape, made, kernel, (1, 1), (0, 0), source.zero, weights, folded, result
    )


def _max_pool(operator: _Operator) -> Layer:
    shape, options = operator.as_image(), operator.options
    if operator.low_high() != (0, 255):
        raise operator.refuse("max pooling without an activation", "one with")
    window = _window(shape, (options.filterHeight, options.filterWidth), options)
    return MaxPool(operator.where, shape, operator.made(), *window, fill=0)


def _mean(operator: _Operator) -> Layer:
    shape = operator.as_image()
    axes = sorted(axis % 4 for axis in _constant(operator.inputs[1], np.int32).ravel().tolist())
    if axes != [1, 2]:
        raise operator.refuse("a mean over height and width", f"one over axes {axes}")
    source, count = operator.inputs[0], shape[0] * shape[1]
    # divided before it is rounded, as TFLite does
    whole = Multiplier.of(source.scale / operator.output.scale)
    shift = count.bit_length() - 1
    multiplier = Multiplier((whole.value << shift) // count, whole.shift + shift)
    result, made = Result((multiplier,), operator.output.zero), (1, 1, shape[2])
    return Mean(operator.where, shape, made, shape[:2], (1, 1), (0, 0), 0, -source.zero * count, result)


def _table(data: bytes, count: int, shape: Shape) -> Table:
    """What the first operators make of each value of a pixel, asked of LiteRT itself."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (graph,) = model.subgraphs
    graph.operators, model.signatureDefs = graph.operators[:count], None
    graph.outputs = graph.operators[-1].outputs
    where = f"layer {graph.tensors[graph.outputs[0]].name.decode(errors='replace')}"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = open_interpreter(bytes(builder.Output()), where)
    answers = [run_interpreter(interpreter, np.full((1, *shape), value - 128, np.int8)) for value in range(256)]
    if any((answer != answer.flat[0]).any() for answer in answers):
        raise ExportError(f"{where}: expected the same rescaling of all pixels, received one for each channel")
    entries = np.array([answer.flat[0] for answer in answers], np.int16) + 128
    return Table(where, shape, shape, (1, 1), (1, 1), (0, 0), 0, entries.astype(np.uint8))


def _reshaped(_step: _Operator) -> None:
    """Nothing is to be done: values lie in the same order."""


RESCALING: Final = (Op.MUL, Op.ADD)  # before the first layer, where pixels are not from 0 to 1
Reader = Callable[[_Operator], Layer | None]
READERS: Final[dict[int, Reader]] = {
    Op.CONV_2D: _convolution,
    Op.FULLY_CONNECTED: _dense,
    Op.MAX_POOL_2D: _max_pool,
    Op.MEAN: _mean,
    Op.RESHAPE: _reshaped,
}


def _window(shape: Shape, kernel: tuple[int, ...], options: Any) -> tuple[Pair, Pair, Pair]:
    """Kernel, stride and padding before, down and across."""
    stride = (int(options.strideH), int(options.strideW))
    before = (0, 0)
    if options.padding == schema.Padding.SAME:
        down, across = (
            max(0, (-(-side // step) - 1) * step + window - side) // 2
            for side, step, window in zip(shape[:2], stride, kernel, strict=True)
        )
        before = (down, across)
    return (int(kernel[0]), int(kernel[1])), stride, before


def _each(scales: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A scale for each channel, where one may stand for all."""
    return scales * channels if len(scales) == 1 else scales


def _folded(operator: _Operator, weights: npt.NDArray[np.int8], factors: list[float]) -> npt.NDArray[np.int32]:
    """int32[O]: the bias, if there is one, less what the source's zero point adds to every sum.

    Raises:
        ExportError: a sum, or twice what becomes of it by its factor, may be more than 32 bits hold.
    """
    bias = _constant(operator.inputs[2], np.int32) if len(operator.inputs) > 2 else 0
    filters = weights.reshape(len(weights), -1).astype(np.int64)
    folded = bias - operator.inputs[0].zero * filters.sum(axis=1)
    largest = int((np.abs(folded) + 255 * np.abs(filters).sum(axis=1)).max() * max(1, 2 * max(factors)))
    if largest >= 2**31:
        raise operator.refuse("sums that 32 bits hold", f"up to {largest:,} of {filters.shape[1]:,} products")
    return np.asarray(folded, np.int32)


def _tensor(tensor: Any, buffers: list[Any]) -> _Tensor:
    quantization, data = tensor.quantization, buffers[tensor.buffer].data
    scales, zeros = (
        [] if part is None else part.tolist()
        for part in (getattr(quantization, "scale", None), getattr(quantization, "zeroPoint", None))
    )
    return _Tensor(
        name=tensor.name.decode(errors="replace"),
        shape=() if tensor.shape is None else tuple(tensor.shape.tolist()),
        scales=tuple(scales),
        zero=zeros[0] + 128 if zeros else 128,
        data=None if data is None else bytes(data),
    )


def _constant(tensor: _Tensor, dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(tensor.data or b"", dtype).reshape(tensor.shape)

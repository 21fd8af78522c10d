"""Read an int8 TFLite model into the plain layers that the C and web formats are written from."""

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

from ..engines.interpreter import inference_of
from ..engines.litert import open_interpreter
from .int8_network import Convolution, Int8Network, Layer, MaxPool, Mean, Multiplier, Pair, Requantization, Shape, Table

Op = schema.BuiltinOperator
Activation = schema.ActivationFunctionType
NAMES: Final = {code: name for name, code in vars(Op).items() if isinstance(code, int)}
SUPPORTED: Final = "convolutions, dense layers, ReLU, max pooling, global average pooling, flattening and rescaling"


@dataclass(frozen=True)
class _Tensor:
    """A tensor as the flatbuffer describes it."""

    name: str
    shape: tuple[int, ...]
    scales: tuple[float, ...]
    zero: int  # zero point, as uint8
    data: bytes | None

    @property
    def scale(self) -> float:
        return self.scales[0]

    @property
    def picture(self) -> Shape:
        """Its shape without the batch, where it has rows and columns."""
        _, height, width, channels = self.shape
        return height, width, channels


def read_network(data: bytes) -> Int8Network:
    """Read an int8 TFLite model that digits-edge exported; raises ExportError, which names a layer it cannot read."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (graph,) = model.subgraphs
    tensors = [_tensor(tensor, model.buffers) for tensor in graph.tensors]
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    current = graph.inputs[0]
    shape = tensors[current].picture
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
    """One operator of the graph."""

    where: str  # name of its layer, which begins messages
    shape: Shape  # of its input before any reshaping
    inputs: list[_Tensor]  # its input, weights and bias
    output: _Tensor
    options: Any  # as the schema has them for its kind

    def refuse(self, expected: str, received: Any) -> ExportError:
        return ExportError(f"{self.where}: expected {expected}, received {received}")

    def as_image(self) -> Shape:
        """`shape`, for an operator that needs rows and columns."""
        if self.inputs[0].shape[1:] != self.shape:
            raise self.refuse(f"a picture of {self.shape}", f"one reshaped to {self.inputs[0].shape[1:]}")
        return self.shape

    def padding(self, shape: Shape, kernel: Pair, stride: Pair) -> Pair:
        """Rows above and columns before its input: half of what the windows of this output need beyond the input."""
        down, across = (
            max(0, (made - 1) * step + window - side) // 2
            for made, step, window, side in zip(shape[:2], stride, kernel, self.shape[:2], strict=True)
        )
        return down, across

    def low_high(self) -> Pair:
        """The least and the greatest value that its activation leaves, as uint8."""
        kind, scale, zero = self.options.fusedActivationFunction, self.output.scale, self.output.zero
        if kind == Activation.NONE:
            return 0, 255
        if kind == Activation.RELU:
            return zero, 255
        if kind == Activation.RELU6:
            return zero, min(255, zero + round(6 / scale))
        names = {code: name for name, code in vars(Activation).items() if isinstance(code, int)}
        raise self.refuse("no activation, RELU or RELU6", names.get(kind, kind))

    def convolution(
        self, weights: npt.NDArray[np.int8], factors: list[float], shape: Shape, stride: Pair = (1, 1)
    ) -> Convolution:
        """A convolution with weights int8[O, down, across, channels], whose sums times `factors` are in output steps.

        What the zero point of the input adds to every sum is taken from the bias. One factor may stand for all.
        """
        source, kernel = self.inputs[0], weights.shape[1:3]
        factors = np.broadcast_to(factors, len(weights)).tolist()
        bias = _constant(self.inputs[2], np.int32) if len(self.inputs) > 2 else 0
        filters = weights.reshape(len(weights), -1).astype(np.int64)
        folded = bias - source.zero * filters.sum(axis=1)
        # neither a sum nor twice its product with its factor may overflow
        largest = int((np.abs(folded) + 255 * np.abs(filters).sum(axis=1)).max() * max(1, 2 * max(factors)))
        if largest >= 2**31:
            raise self.refuse("sums that 32 bits hold", f"up to {largest:,} of {filters.shape[1]:,} products")
        low, high = self.low_high()
        return Convolution(
            name=self.where,
            source=self.shape,
            shape=shape,
            kernel=kernel,
            stride=stride,
            padding=self.padding(shape, kernel, stride),
            fill=source.zero,
            weights=weights,
            bias=folded.astype(np.int32),
            requantization=Requantization(tuple(map(Multiplier.of, factors)), self.output.zero, low, high),
        )


def _convolution(operator: _Operator) -> Layer:
    options, (source, filters) = operator.options, operator.inputs[:2]
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        raise operator.refuse("a convolution without dilation", (options.dilationHFactor, options.dilationWFactor))
    shape, weights = operator.as_image(), _constant(filters, np.int8)
    if weights.shape[3] != shape[2]:
        raise operator.refuse(f"a convolution over all {shape[2]} channels", f"groups of {weights.shape[3]}")
    factors = [source.scale * scale / operator.output.scale for scale in filters.scales]
    return operator.convolution(weights, factors, operator.output.picture, (options.strideH, options.strideW))


def _dense(operator: _Operator) -> Layer:
    source, filters = operator.inputs[:2]
    weights = _constant(filters, np.int8)
    outputs, reads = weights.shape
    whole = reads == math.prod(operator.shape)
    if not whole and reads != operator.shape[2]:
        raise operator.refuse(f"a dense layer over {operator.shape}", f"one over {reads} values")
    height, width, channels = operator.shape
    # over all values at once, or over the channels of each pixel
    kernel, made = ((height, width), (1, 1, outputs)) if whole else ((1, 1), (height, width, outputs))
    # TFLite multiplies the scales in float32 for dense layers, but not for convolutions
    products = [np.float32(source.scale) * np.float32(scale) for scale in filters.scales]
    factors = [float(product) / operator.output.scale for product in products]
    return operator.convolution(weights.reshape(outputs, *kernel, channels), factors, made)


def _max_pool(operator: _Operator) -> Layer:
    shape, options = operator.as_image(), operator.options
    if operator.low_high() != (0, 255):
        raise operator.refuse("max pooling without an activation", "one with")
    kernel, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    made = operator.output.picture
    padding = operator.padding(made, kernel, stride)
    return MaxPool(name=operator.where, source=shape, shape=made, kernel=kernel, stride=stride, padding=padding)


def _mean(operator: _Operator) -> Layer:
    shape = operator.as_image()
    axes = sorted(axis % 4 for axis in _constant(operator.inputs[1], np.int32).ravel().tolist())
    if axes != [1, 2]:
        raise operator.refuse("a mean over height and width", f"one over axes {axes}")
    source, count = operator.inputs[0], shape[0] * shape[1]
    # divided before it is rounded, as in TFLite
    whole = Multiplier.of(source.scale / operator.output.scale)
    shift = count.bit_length() - 1
    multiplier = Multiplier((whole.value << shift) // count, whole.shift + shift)
    return Mean(
        name=operator.where,
        source=shape,
        shape=(1, 1, shape[2]),
        kernel=shape[:2],
        bias=-source.zero * count,
        requantization=Requantization((multiplier,), operator.output.zero),
    )


def _table(data: bytes, count: int, shape: Shape) -> Table:
    """The output of the first `count` operators for each pixel value, computed by LiteRT itself."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (graph,) = model.subgraphs
    graph.operators, model.signatureDefs = graph.operators[:count], None
    graph.outputs = graph.operators[-1].outputs
    where = f"layer {graph.tensors[graph.outputs[0]].name.decode(errors='replace')}"
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    infer = inference_of(open_interpreter(bytes(builder.Output()), where))
    answers = [infer(np.full((1, *shape), value - 128, np.int8)) for value in range(256)]
    if any((answer != answer.flat[0]).any() for answer in answers):
        raise ExportError(f"{where}: expected the same rescaling of all pixels, received one for each channel")
    entries = np.array([answer.flat[0] for answer in answers], np.int16) + 128
    return Table(name=where, source=shape, shape=shape, entries=entries.astype(np.uint8))


RESCALING: Final = (Op.MUL, Op.ADD)  # before the first layer, in models whose pixel range is not 0..1
Reader = Callable[[_Operator], Layer | None]
READERS: Final[dict[int, Reader]] = {
    Op.CONV_2D: _convolution,
    Op.FULLY_CONNECTED: _dense,
    Op.MAX_POOL_2D: _max_pool,
    Op.MEAN: _mean,
    Op.RESHAPE: lambda _: None,  # the values stay in the same order
}


def _tensor(tensor: Any, buffers: list[Any]) -> _Tensor:
    quantization, data = tensor.quantization or schema.QuantizationParametersT(), buffers[tensor.buffer].data
    scales, zeros = ([] if part is None else part.tolist() for part in (quantization.scale, quantization.zeroPoint))
    return _Tensor(
        name=tensor.name.decode(errors="replace"),
        shape=() if tensor.shape is None else tuple(tensor.shape.tolist()),
        scales=tuple(scales),
        zero=zeros[0] + 128 if zeros else 128,
        data=None if data is None else bytes(data),
    )


def _constant(tensor: _Tensor, dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(tensor.data or b"", dtype).reshape(tensor.shape)

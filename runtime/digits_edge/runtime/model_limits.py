"""Accept only ONNX files whose work and memory are known before anything is allocated.

onnxruntime trusts a file: it allocates a constant of eight gigabytes if the file declares one, reads weights from other
files in the working directory, and runs loops that do not end. So the file's protobuf is parsed first, without the onnx
package (field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): only operators that the exporter writes
are allowed, and what decides about a shape must be a constant. Then onnxruntime infers the shape of every activation in
a session that is not initialized, and these are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Final

from .errors import BundleError, reason_of
from .network import CHUNK
from .ort import ORT_ERRORS, onnxruntime
from .protobuf import DamagedError, Span, fields, varints

MAX_VALUES: Final = 2**28  # of all activations of one picture: a gigabyte in float32
MAX_WORK: Final = 2**40  # multiply-adds and comparisons for one picture: a minute or two
MAX_NODES: Final = 2**15
MAX_DIMS: Final = 64

# All that the exporter can write: what tf2onnx makes of Keras models, and quantization. The size of every output
# follows from the sizes of the inputs, or from a constant.
OPERATORS: Final = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Clip Concat Conv
    ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand Flatten Floor GRU Gather
    GatherElements GatherND Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity
    InstanceNormalization IsInf IsNaN LSTM LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization MatMul Max MaxPool
    Mean Min Mod Mul Neg Not OneHot Or PRelu Pad Pow QuantizeLinear Reciprocal ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu
    Sigmoid Sign Sin Sinh Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh
    ThresholdedRelu Tile TopK Transpose Unsqueeze Where Xor
"""
# Those whose inputs after the first are shapes, axes or counts.
SIZED: Final = """
    Expand OneHot Pad ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Reshape Resize Slice Split Squeeze Tile TopK Unsqueeze
"""
TYPES: Final = "bool double float float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
_OPERATORS, _SIZED = frozenset(OPERATORS.split()), frozenset(SIZED.split())
_TYPES = {f"tensor({name})" for name in TYPES.split()}


class _Node:
    def __init__(self) -> None:  # no dataclass, to start faster
        self.operator = ""
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.kernel: list[int] = []  # sides of a pooling's window


class _Model:
    """The parts of a model file that its limits depend on."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.nodes: list[_Node] = []
        self.weights: dict[str, list[int]] = {}  # shapes of the initializers
        self.batches: list[int] = []  # places of the name N, the number of pictures, in the shape of an input
        for number, span in self._messages((0, len(data))):
            if number == 7:
                self._read_graph(span)
            elif number in (20, 25):
                raise self._refusal("a model without functions", f"field {number}")
        if sum(map(prod, self.weights.values())) > 2 * len(data):  # two values a byte: int4
            raise BundleError(f"{where}: its tensors claim more values than the file's {len(data):,} bytes hold")
        for node in self.nodes:
            changing = [name for name in node.inputs[1:] if name and name not in self.weights]
            if node.operator in _SIZED and changing:
                raise self._refusal(f"a constant as the shape that {node.operator} needs", repr(changing[0])[:80])

    def _refusal(self, expected: str, received: str) -> BundleError:
        return BundleError(
            f"{self.where}: expected {expected}, as digits-edge exports, received {received} "
            "(trust=True leaves this check out)"
        )

    def _read_graph(self, graph: Span) -> None:
        for number, span in self._messages(graph):
            if number == 1:
                self._read_node(span)
            elif number == 5:
                self._read_tensor(span)
            elif number == 11:
                self._find_batch(span)
            elif number in (13, 15):  # value_info, which could claim other shapes, and sparse_initializer
                raise self._refusal("nodes and dense weights alone", f"field {number} of a graph")

    def _read_node(self, span: Span) -> None:
        node, domain, attributes = _Node(), "", list[Span]()
        for number, value in self._messages(span):
            if number == 1:
                node.inputs.append(self._text(value))
            elif number == 2:
                node.outputs.append(self._text(value))
            elif number == 4:
                node.operator = self._text(value)
            elif number == 5:
                attributes.append(value)
            elif number == 7:
                domain = self._text(value)
        if domain not in ("", "ai.onnx") or node.operator not in _OPERATORS:
            raise self._refusal("operators", f"{domain}{':' * bool(domain)}{node.operator}"[:80])
        for attribute in attributes:
            self._read_attribute(attribute, node)
        self.nodes.append(node)
        if len(self.nodes) > MAX_NODES:
            raise self._refusal(f"up to {MAX_NODES:,} nodes", "more")

    def _read_attribute(self, span: Span, node: _Node) -> None:
        name, integers = "", []
        for number, value in fields(self.data, *span):
            if number == 8:
                integers += [value] if isinstance(value, int) else varints(self.data, *value)
            elif isinstance(value, int):
                continue
            elif number == 1:
                name = self._text(value)
            elif number not in (4, 7, 9, 13):  # anything but numbers and text
                raise self._refusal("numbers and text as attributes", f"field {number} of an attribute")
        if name == "kernel_shape":
            node.kernel = integers

    def _read_tensor(self, span: Span) -> None:
        name, dims = "", list[int]()
        for number, value in fields(self.data, *span):
            if number == 13 or (number == 14 and value):
                raise BundleError(
                    f"{self.where}: expected all weights inside the file, received a reference to another file"
                )
            if number == 1:
                dims += [value] if isinstance(value, int) else varints(self.data, *value)
            elif number == 8 and not isinstance(value, int):
                name = self._text(value)
        if len(dims) > MAX_DIMS or prod(dims) > 2 * len(self.data):
            raise BundleError(
                f"{self.where}: a tensor claims the shape {dims!r:.80}, "
                f"more than the file's {len(self.data):,} bytes hold"
            )
        self.weights[name] = dims

    def _find_batch(self, span: Span) -> None:
        """Find N below an input: type, tensor_type, shape, dim, dim_param."""
        spans = [span]
        for wanted in (2, 1, 2, 1, 2):
            spans = [below for outer in spans for number, below in self._messages(outer) if number == wanted]
        self.batches += [start for start, end in spans if self.data[start - 2 : end] == b"\x12\x01N"]

    def _messages(self, span: Span) -> Iterator[tuple[int, Span]]:
        """Iterate over those fields of a message that are messages or text."""
        return ((number, value) for number, value in fields(self.data, *span) if not isinstance(value, int))

    def _text(self, span: Span) -> str:
        return self.data[slice(*span)].decode()

    def shapes(self, pictures: int) -> dict[str, list[int]]:
        """The shapes that onnxruntime infers for all values of a batch of less than 128 pictures."""
        parts, start = [], 0
        for place in self.batches:  # a varint of two bytes takes the place of a name of one, and of its length
            parts += [self.data[start : place - 2], bytes([8, pictures | 128, 0])]
            start = place + 1
        names = dict.fromkeys(name for node in self.nodes for name in node.outputs if name)
        # Appended to the model, these declare inner values as outputs: protobuf merges repeated messages.
        outputs = _as_field(7, b"".join(_as_field(12, _as_field(1, name.encode())) for name in names))
        session = _uninitialized(b"".join([*parts, self.data[start:], outputs]))
        known = dict(self.weights)
        known |= {node.outputs[0]: self.weights[node.inputs[0]] for node in self.nodes if self._is_weight(node)}
        for value in (*session.inputs_meta, *session.outputs_meta):
            if value.name in known:  # maybe a scalar, which cannot be told from an unknown shape
                continue
            if value.type not in _TYPES:
                raise self._refusal("tensors of numbers", f"{value.type} {value.name!r:.80}")
            if not value.shape or not all(isinstance(side, int) for side in value.shape):
                raise self._refusal("shapes that are known", f"{value.shape} of {value.name!r:.80}")
            known[value.name] = value.shape
        return known

    def _is_weight(self, node: _Node) -> bool:
        """Whether a node makes a weight of a quantized one: as many values as there are in the file."""
        return node.operator == "DequantizeLinear" and node.inputs[0] in self.weights

    def size(self, pictures: int) -> tuple[int, int]:
        """All activations' number of values, and the multiply-adds or comparisons of convolutions and poolings."""
        shapes = self.shapes(pictures)
        values = work = 0
        for node in self.nodes:
            if self._is_weight(node):
                continue
            made = sum(prod(shapes[name]) for name in node.outputs if name)
            values += made
            if node.operator == "Conv":
                work += made * prod(shapes[node.inputs[1]][1:])
            elif node.operator == "ConvTranspose":
                work += prod(shapes[node.inputs[0]]) * prod(shapes[node.inputs[1]][1:])
            elif node.operator in ("Gemm", "MatMul"):
                work += made * max(shapes[node.inputs[0]])
            else:
                work += made * prod(node.kernel)
        return values, work


def check_model_limits(model: bytes, where: str) -> None:
    """Raise a BundleError if a model is none, or could do more than a model that digits-edge exports.

    The first run of a model is no bigger than the check allows, whatever the pixels: operators, nodes, and the values
    and the work of one picture are limited, and a batch may take no more than its pictures alone.
    """
    try:
        parts = _Model(model, where)
    except (DamagedError, UnicodeDecodeError):
        raise BundleError(f"{where}: expected an ONNX model, received other or damaged bytes") from None
    try:
        values, work = parts.size(CHUNK)
        if values > MAX_VALUES or work > MAX_WORK:
            alone = parts.size(1)
            if values > CHUNK * alone[0] or work > CHUNK * alone[1]:
                raise BundleError(f"{where}: expected a batch to take what its pictures take alone, received more")
            values, work = alone
    except ORT_ERRORS as error:
        raise BundleError(f"{where}: onnxruntime cannot load it: {reason_of(error)}") from None
    if values > MAX_VALUES:
        raise BundleError(f"{where}: expected activations of up to {MAX_VALUES:,} values, received {values:,}")
    if work > MAX_WORK:
        raise BundleError(f"{where}: expected up to {MAX_WORK:,} multiply-adds for a picture, received {work:,}")


def _as_field(number: int, data: bytes) -> bytes:
    return _as_varint(number << 3 | 2) + _as_varint(len(data)) + data


def _as_varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _as_varint(value >> 7)


def _uninitialized(model: bytes) -> Any:
    """A session whose model is loaded, and all shapes inferred, without initializing anything."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4
    # The class behind onnxruntime.InferenceSession.
    session = onnxruntime.capi.onnxruntime_pybind11_state.InferenceSession(options, model, False, False)
    _ = session.model_meta  # a model whose metadata cannot be read fails here
    return session

"""Reject ONNX files that declare oversized tensors or external weights, before anything is allocated.

onnxruntime trusts a file: it allocates a constant of eight gigabytes if the file declares one, and reads weights from
other files in the working directory. So the file's protobuf is parsed first, without the onnx package (field numbers:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Then onnxruntime infers the shape of every activation in a
session that is not initialized. Shapes that depend on the values of the pixels cannot be known beforehand: a model is a
program, so run only models from people you trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, Final

from .errors import BundleError, reason_of
from .ort import onnxruntime

MAX_VALUES: Final = 2**28  # of one activation of one picture: a gigabyte in float32
MAX_DIMS: Final = 64

# The fields of each message that hold another message.
_FIELDS: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DIMS: Final = {"tensor": 1, "sparse": 3}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_NODE_OUTPUT: Final = 2
_FIXED_LENGTH: Final = {1: 8, 5: 4}  # bytes of a value by its wire type


def check_model_limits(model: bytes, where: str) -> None:
    """Raise a BundleError if a model has weights outside its bytes or huge tensors for any picture, or is no model."""
    outputs: list[bytes] = []
    try:
        _walk(memoryview(model), "model", outputs, len(model), where)
    except (LookupError, RecursionError):
        raise BundleError(f"{where}: expected an ONNX model, received other or damaged bytes") from None
    try:
        shapes = _shapes(model + _as_graph_outputs(outputs))
    except (ValueError, RuntimeError) as error:  # names that are not UTF-8; some versions only print a warning
        raise BundleError(f"{where}: onnxruntime cannot load it: {reason_of(error)}") from None
    except Exception:  # onnxruntime's errors share no base class; opening the model reports them
        return
    for name, shape in shapes.items():
        known = [side for side in shape if isinstance(side, int)]
        if prod(known) > MAX_VALUES:
            raise BundleError(
                f"{where}: expected tensors of up to {MAX_VALUES:,} values, received {name!r:.80} of {known}"
            )


def _walk(data: memoryview, kind: str, outputs: list[bytes], size: int, where: str) -> None:
    """Check every tensor of a message, and collect the outputs of the main graph's nodes."""
    dims: list[int] = []
    for number, value in _fields(data):
        inner = _FIELDS[kind].get(number)
        if inner is not None:
            if isinstance(value, int):
                raise LookupError
            below = [] if kind in ("attribute", "function") else outputs  # only the main graph's outputs are collected
            _walk(value, inner, below, size, where)
        elif kind == "node" and number == _NODE_OUTPUT and not isinstance(value, int):
            outputs.append(bytes(value))
        elif kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            raise BundleError(f"{where}: expected all weights inside the file, received a reference to another file")
        elif number == _DIMS.get(kind):
            dims += [value] if isinstance(value, int) else _varints(value)
    limit = MAX_VALUES if kind == "sparse" else 2 * size  # two values a byte: int4
    if len(dims) > MAX_DIMS or prod(dims) > limit:
        raise BundleError(f"{where}: a tensor claims the shape {dims!r:.80}, more than the file's {size:,} bytes hold")


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Iterate over a protobuf message's fields: number, and int or bytes; a LookupError if it is none or ends early."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        if wire == 2:
            length, place = _varint(data, place)
        else:
            length = _FIXED_LENGTH[wire]
        if length > end - place:
            raise LookupError
        yield number, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read a base-128 varint of up to 64 bits; return it and the place of the next byte."""
    value = 0
    for count in range(10):
        byte = data[place + count]
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise LookupError


def _varints(data: memoryview) -> list[int]:
    values, place = [], 0
    while place < len(data):
        value, place = _varint(data, place)
        values.append(value)
    return values


def _as_graph_outputs(names: list[bytes]) -> bytes:
    """Bytes that, appended to a model, declare inner values as outputs: protobuf merges repeated messages."""
    return _field(7, b"".join(_field(12, _field(1, name)) for name in dict.fromkeys(names) if name))


def _field(number: int, data: bytes) -> bytes:
    return _as_varint(number << 3 | 2) + _as_varint(len(data)) + data


def _as_varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _as_varint(value >> 7)


def _shapes(model: bytes) -> dict[str, list[Any]]:
    """The shapes that onnxruntime infers for a model's outputs; names or None where a side is unknown."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4
    # The class behind onnxruntime.InferenceSession loads the model and infers shapes without initializing anything.
    session = onnxruntime.capi.onnxruntime_pybind11_state.InferenceSession(options, model, False, False)
    _ = session.inputs_meta, session.model_meta  # a model whose metadata cannot be read fails here
    return {output.name: output.shape for output in session.outputs_meta}

"""Put constants in place of what a graph computes from the number of pictures alone.

tf2onnx lets a graph read the shapes of its values and compute others from them, where the number of pictures is free.
The runtime accepts no such graph, since its memory is unknown before it runs (see `runtime.model_limits`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from digits_edge.runtime.errors import ExportError
from digits_edge.runtime.session import SessionSettings, open_session

from . import onnx_edit as edit

Array = npt.NDArray[Any]
FEW, MORE = 2, 3  # pictures: what differs between two runs depends on their number
STATES = {"LSTM": (5, 6), "GRU": (5,)}  # inputs for the first state of each picture, zeros if they are left out


def fold_shapes(core: onnx.ModelProto) -> None:
    """Put constants in place of values that do not depend on pixels. Nodes that nobody reads any more stay.

    These values are taken from two runs with different numbers of pictures. Where they differ, a reshape gets -1, a
    value that is the same for each picture is kept once and broadcast or repeated, and a reversed sequence becomes a
    slice.

    Raises:
        ExportError: A value differs otherwise.
    """
    graph = core.graph
    fixed, constants = set[str](), edit.constants(graph)
    for node in graph.node:
        if node.op_type in ("Shape", "Size") or all(name in fixed or name in constants for name in node.input if name):
            fixed.update(node.output)
    reads = [
        (node, place)
        for node in graph.node
        if not fixed & set(node.output)
        for place, name in enumerate(node.input)
        if name in fixed
    ]
    wanted = [name for node, place in reads for name in (node.input[place], node.output[0], node.input[0])]
    few, more = (_run(core, pictures, list(dict.fromkeys(wanted))) for pictures in (FEW, MORE))
    repeating: list[Any] = []
    for node, place in reads:
        name = node.input[place]
        new = f"{node.output[0]}_input_{place}"
        if node.op_type == "ReverseSequence":
            _reverse_all(graph, node, few)
        elif place in STATES.get(node.op_type, ()) and not more[name].any():
            node.input[place] = ""
        elif node.op_type == "Reshape":
            node.input[place] = edit.add_constant(graph, new, _one_free(few, more, node.output[0]), np.int64)
        else:
            value = _for_each_picture(few[name], more[name])
            if node.op_type == "Concat" and value.shape != few[name].shape:
                repeating += _repeated(graph, new, value)
                node.input[place] = new
            else:
                node.input[place] = edit.add_constant(graph, new, value, value.dtype)
    edit.replace_all(graph.node, [*repeating, *graph.node])


def _run(core: onnx.ModelProto, pictures: int, names: list[str]) -> dict[str, Array]:
    """The values with these names, for noise."""
    model = onnx.ModelProto()
    model.CopyFrom(core)
    image = model.graph.input[0]
    sides = [dim.dim_value for dim in image.type.tensor_type.shape.dim[1:]]
    pixels = np.random.default_rng(0).random((pictures, *sides), np.float32)
    shown = {value.name for value in (*model.graph.output, *model.graph.input, *model.graph.initializer)}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
    session = open_session(model.SerializeToString(), settings=SessionSettings(trust=True))
    made = [value.name for value in session.get_outputs()]
    given = {constant.name: onnx.numpy_helper.to_array(constant) for constant in model.graph.initializer}
    return {**given, image.name: pixels, **dict(zip(made, session.run(made, {image.name: pixels}), strict=True))}


def _one_free(few: dict[str, Array], more: dict[str, Array], name: str) -> list[int]:
    """The target of the reshape that made a value."""
    target = [side if side == other else -1 for side, other in zip(few[name].shape, more[name].shape, strict=True)]
    if target.count(-1) > 1:
        raise ExportError(f"expected one side that depends on the number of pictures, received {more[name].shape}")
    return target


def _for_each_picture(few: Array, more: Array) -> Array:
    """A value that does not depend on the number of pictures, or else its part for one, which is broadcast."""
    if np.array_equal(few, more):
        return few
    differing = [axis for axis, (side, other) in enumerate(zip(few.shape, more.shape, strict=True)) if side != other]
    one = few.take([0], differing[0]) if differing else few
    if len(differing) != 1 or not all((whole == one).all() for whole in (few, more)):
        raise ExportError("expected no values that are computed from the number of pictures")
    return one


def _repeated(graph: Any, name: str, one: Array) -> list[Any]:
    """Nodes that make a value with this name: `one` [1, ...] for each picture, by zeros that are made of the pixels."""
    image, made = graph.input[0], [*(f"{name}_{part}" for part in ("least", "zero", "zeros")), name]
    axes = list(range(1, len(image.type.tensor_type.shape.dim)))
    target = edit.add_constant(graph, f"{name}_sides", [-1, *[1] * (one.ndim - 1)], np.int64)
    value = edit.add_constant(graph, f"{name}_one", one, one.dtype)
    return [
        helper.make_node("ReduceMin", [image.name], made[:1], axes=axes),
        helper.make_node("Sub", [made[0], made[0]], made[1:2]),
        helper.make_node("Reshape", [made[1], target], made[2:3]),
        helper.make_node("Add", [value, made[2]], made[3:]),
    ]


def _reverse_all(graph: Any, node: Any, values: dict[str, Array]) -> None:
    """Put a slice in place of a node that reverses whole sequences."""
    time = next((attribute.i for attribute in node.attribute if attribute.name == "time_axis"), 0)
    if not (values[node.input[1]] == values[node.input[0]].shape[time]).all():
        raise ExportError("expected sequences that are reversed as a whole")
    bounds = {"start": -1, "end": np.iinfo(np.int64).min, "axis": time, "step": -1}
    inputs = [edit.add_constant(graph, f"{node.output[0]}_{key}", [value], np.int64) for key, value in bounds.items()]
    node.CopyFrom(helper.make_node("Slice", [node.input[0], *inputs], node.output, node.name))

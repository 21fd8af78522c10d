"""Edit ONNX graphs in place: find, rename, redirect, sort, drop.

Every edit keeps the rest of the protobuf as it is, down to fields that are set to their default. Libraries with a graph
representation of their own (onnx-ir, onnxslim, onnxscript) lose these fields, so released models would change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import numpy_helper


def constants(graph: Any) -> dict[str, Any]:
    """Return the graph's initializers by name."""
    return {constant.name: constant for constant in graph.initializer}


def add_constant(graph: Any, name: str, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
    """Append an initializer and return its name."""
    graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
    return name


def set_value(constant: Any, value: npt.NDArray[Any]) -> None:
    """Replace the value of an initializer; its name stays."""
    constant.CopyFrom(numpy_helper.from_array(value, constant.name))


def replace_all(repeated: Any, items: Iterable[Any]) -> None:
    """Replace the content of a repeated field, for example all nodes of a graph."""
    items = list(items)
    del repeated[:]
    repeated.extend(items)


def shapes_of(values: Iterable[Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each value by name; a dimension that is not known is 0."""
    return {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}


def users(graph: Any, name: str) -> list[Any]:
    """Return the nodes that read a value."""
    return [node for node in graph.node if name in node.input]


def chain(graph: Any, name: str, *kinds: set[str]) -> list[Any]:
    """Follow a value through nodes of these operators, each the only reader of the value before, as far as they go."""
    nodes: list[Any] = []
    for kind in kinds:
        readers = users(graph, name)
        if len(readers) != 1 or readers[0].op_type not in kind:
            break
        nodes += readers
        name = readers[0].output[0]
    return nodes


def rename(graph: Any, names: Mapping[str, str]) -> None:
    """Rename values and constants everywhere; names that are not in `names` stay."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def bypass(graph: Any, node: Any) -> None:
    """Remove a node; its readers and the graph's output get its first input instead."""
    source, target = node.input[0], node.output[0]
    graph.node.remove(node)
    for value in graph.output:
        if value.name == target:
            value.name = source
    for reader in graph.node:
        reader.input[:] = [source if name == target else name for name in reader.input]


def sort_from_output(graph: Any) -> None:
    """Put each node behind the nodes whose outputs it reads, walking back from the graph's only output.

    The order follows from the connections alone, not from names or the previous order. Nodes that the output does not
    depend on are dropped.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    ordered: list[Any] = []
    pending = [makers[graph.output[0].name]]
    while pending:
        waiting = [makers[name] for name in pending[-1].input if name in makers]
        if waiting:
            pending.append(waiting[0])
        else:
            ordered.append(pending.pop())
            for name in ordered[-1].output:
                makers.pop(name, None)
    replace_all(graph.node, ordered)

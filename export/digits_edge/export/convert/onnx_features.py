"""Give a model a second output: the features that its last dense layer judges by."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

import onnx
from onnx import TensorProto, helper, shape_inference

from digits_edge.runtime.network import FEATURES

from . import onnx_edit as edit

CONVOLUTIONS: Final = frozenset({"Conv", "ConvTranspose"})
WITH_WEIGHTS: Final = CONVOLUTIONS | {"Gemm", "MatMul"}


def add_features(model: onnx.ModelProto) -> None:
    """Add the output `features: float32[N, F]` to a model, in place.

    They are the input of the last layer with weights, averaged over places if it has them. A model whose classes come
    from several layers, or whose last layer's input has an unknown size, is left as it is. All other nodes stay, so
    that the probabilities are the same, bit for bit.
    """
    graph = model.graph
    layer = _last_layer(graph)
    if layer is None:
        return
    value = layer.input[0]
    sides = edit.shapes_of(shape_inference.infer_shapes(model).graph.value_info).get(value, ())
    axis = 1 if layer.op_type in CONVOLUTIONS else len(sides) - 1
    if len(sides) < 2 or not sides[axis]:
        return
    source = next(node for node in graph.node if value in node.output)
    if source.op_type == "DequantizeLinear":  # onnxruntime fuses it with the layer, unless the value is an output, too
        source = deepcopy(source)
        source.name, source.output[0] = f"{FEATURES}_dequantized", f"{value}_shown"
        graph.node.append(source)
    shown = source.output[0]
    if len(sides) > 2:
        places = [place for place in range(1, len(sides)) if place != axis]
        graph.node.append(helper.make_node("ReduceMean", [shown], [FEATURES], FEATURES, axes=places, keepdims=0))
    else:
        edit.rename(graph, {shown: FEATURES})
    graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", sides[axis]]))


def _last_layer(graph: Any) -> Any:
    """The only layer with weights whose outputs become the classes without passing another one; None for several."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = edit.constants(graph)

    def is_weight(name: str) -> bool:
        maker = makers.get(name)
        return name in constants or (
            maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in constants
        )

    layers: dict[str, Any] = {}
    pending, seen = [graph.output[0].name], set[str]()
    while pending:
        name = pending.pop()
        if name in seen or name not in makers:
            continue
        seen.add(name)
        node = makers[name]
        if node.op_type in WITH_WEIGHTS and is_weight(node.input[1]):
            layers[node.output[0]] = node
        else:
            pending += node.input
    return next(iter(layers.values())) if len(layers) == 1 else None

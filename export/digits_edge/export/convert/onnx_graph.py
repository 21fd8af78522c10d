"""ONNX graphs: what stands between tf2onnx's output and a clean model in the project's own form.

A *core* maps `pixels: float32[N, C, H, W]` in [0, 1] to `logits: float32[N, classes]`. A *model* wraps a core so that
it takes `image: uint8[N, H, W]` or `uint8[N, H, W, 3]` and gives `probabilities: float32[N, classes]`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from digits_edge.runtime.errors import ExportError

OPSET: Final = 17
IR_VERSION: Final = 8  # what onnxruntime has read since 1.10 (2021)
PIXELS, LOGITS, IMAGE, PROBABILITIES = "pixels", "logits", "image", "probabilities"
WITH_WEIGHTS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
ROLES: Final = ("data", "weight", "bias")
NHWC_TO_NCHW, NCHW_TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def clean(core: onnx.ModelProto) -> onnx.ModelProto:
    """Take away what the converter leaves: reshapes to the same shape, and the transpose before the flatten.

    Args:
        core: with a batch of 1, so that every shape is known, or with a free one.

    Returns:
        the same function with a free batch, named input and output, and nothing but its own opset. Nodes and constants
        are named and sorted by their place in the graph (`conv_1`, `conv_1.weight`), because tf2onnx's names and order
        change from process to process.

    Raises:
        ExportError: the graph has not one input and one output.
    """
    core = shape_inference.infer_shapes(core)
    graph = core.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise ExportError(f"expected one input and one output, found {len(graph.input)} and {len(graph.output)}")
    _drop_idle(graph)
    _fold_flatten_transposes(graph)
    _rename(graph, graph.input[0].name, PIXELS)
    _rename(graph, graph.output[0].name, LOGITS)
    _free_batch(graph)
    _name_by_place(graph)
    del graph.value_info[:]
    del core.opset_import[:]
    core.opset_import.append(helper.make_opsetid("", OPSET))
    core.ir_version = IR_VERSION
    core.producer_name, core.producer_version, core.doc_string = "digits-edge", "", ""
    graph.name, graph.doc_string = "digits-edge", ""
    onnx.checker.check_model(core, full_check=True)
    return core


def spare_first_convolution(core: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Name what is better left in float: a first convolution of one channel, with its ReLU and its pooling.

    In int8 such a convolution takes onnxruntime longer than in float (see `benchmarks/first_convolution.py`). The
    pooling is brought before the ReLU, which changes nothing, because onnxruntime would move a quantization that
    follows a pooling before it, and pool int8 slowly.

    Returns:
        the core, and the names of the nodes; none where the first layer is another.
    """
    spared = onnx.ModelProto()
    spared.CopyFrom(core)
    graph = spared.graph
    weights = {constant.name: constant for constant in graph.initializer}
    conv = _only_user(graph, PIXELS)
    if conv is None or conv.op_type != "Conv" or conv.input[1] not in weights or weights[conv.input[1]].dims[1] != 1:
        return core, ()
    relu = _only_user(graph, conv.output[0])
    if relu is None or relu.op_type != "Relu":
        return core, (conv.name,)
    pool = _only_user(graph, relu.output[0])
    if pool is None or pool.op_type != "MaxPool":
        return core, (conv.name, relu.name)
    between, pooled = relu.output[0], pool.output[0]
    pool.input[0], pool.output[0], relu.input[0], relu.output[0] = conv.output[0], between, between, pooled
    nodes = [_copy({relu.name: pool, pool.name: relu}.get(node.name, node)) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return spared, (conv.name, relu.name, pool.name)


def wrap(core: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Put uint8 pixels before a core and a softmax, in float, behind it.

    Where the core is quantized, its own quantization of the input, which is exact (scale 1/255, zero point 0), gives
    way to the pixels themselves.

    Args:
        core: float or QDQ.
        shape: of a picture, (H, W) or (H, W, 3).
    """
    model = onnx.ModelProto()
    model.CopyFrom(core)
    graph = model.graph
    channels = shape[2] if len(shape) == 3 else 1
    if channels == 1:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, *shape[:2]], np.int64), "image_shape"))
        front = [helper.make_node("Reshape", [IMAGE, "image_shape"], ["image_nchw"], "image_to_nchw")]
    else:
        front = [helper.make_node("Transpose", [IMAGE], ["image_nchw"], "image_to_nchw", perm=NHWC_TO_NCHW)]
    if _fold_scale(graph):
        front.append(helper.make_node("Cast", ["image_nchw"], [PIXELS], "image_to_float", to=TensorProto.FLOAT))
    elif not _feed_quantized(graph, "image_nchw"):
        graph.initializer.extend(
            [
                numpy_helper.from_array(np.array(1 / 255, np.float32), "image_scale"),
                numpy_helper.from_array(np.array(0, np.uint8), "image_zero_point"),
            ]
        )
        inputs = ["image_nchw", "image_scale", "image_zero_point"]
        front.append(helper.make_node("DequantizeLinear", inputs, [PIXELS], "scale_to_unit"))
    _bypass_output_quantization(graph)
    nodes = [*front, *graph.node, helper.make_node("Softmax", [LOGITS], [PROBABILITIES], "softmax", axis=-1)]
    classes = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["N", *shape]))
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", classes]))
    _drop_unused_constants(graph)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model


def with_metadata(model: onnx.ModelProto, metadata: dict[str, str]) -> bytes:
    """The model's bytes with these `metadata_props`."""
    described = onnx.ModelProto()
    described.CopyFrom(model)
    helper.set_model_props(described, metadata)
    return bytes(described.SerializeToString(deterministic=True))


def _drop_idle(graph: Any) -> None:
    """Identity nodes, and reshapes to the shape that is there already."""
    shapes = {v.name: _shape(v) for v in [*graph.value_info, *graph.input, *graph.output]}
    outputs = {o.name for o in graph.output}
    for node in list(graph.node):
        idle = node.op_type == "Identity" or (
            node.op_type == "Reshape" and None is not shapes.get(node.input[0]) == shapes.get(node.output[0])
        )
        if not idle:
            continue
        graph.node.remove(node)
        if node.output[0] in outputs:
            _rename(graph, node.input[0], node.output[0])
        else:
            for user in graph.node:
                _replace_inputs(user, node.output[0], node.input[0])


def _fold_flatten_transposes(graph: Any) -> None:
    """Transpose to NHWC, flatten, multiply: flatten at once, and bring the weights' rows into NCHW's order instead."""
    shapes = {v.name: _shape(v) for v in graph.value_info}
    for transpose in [n for n in graph.node if n.op_type == "Transpose"]:
        flatten = _only_user(graph, transpose.output[0])
        dense = _only_user(graph, flatten.output[0]) if flatten is not None and flatten.op_type == "Reshape" else None
        nchw = shapes.get(transpose.input[0])
        perm = list(transpose.attribute[0].ints) if transpose.attribute else []
        if (
            dense is None
            or dense.op_type not in ("Gemm", "MatMul")
            or nchw is None
            or len(nchw) != 4
            or perm != NCHW_TO_NHWC
        ):
            continue
        weights = next((w for w in graph.initializer if w.name == dense.input[1]), None)
        if weights is None or dense.input[0] != flatten.output[0] or len(_users(graph, weights.name)) != 1:
            continue
        matrix = numpy_helper.to_array(weights)
        transposed = any(a.name == "transB" and a.i for a in dense.attribute)
        matrix = matrix.T if transposed else matrix  # (H*W*C, outputs)
        _, c, h, w = nchw
        if shapes.get(flatten.output[0]) != (1, c * h * w):
            continue
        matrix = matrix.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(c * h * w, -1)
        weights.CopyFrom(
            numpy_helper.from_array(np.ascontiguousarray(matrix.T if transposed else matrix), weights.name)
        )
        flatten.input[0] = transpose.input[0]
        graph.node.remove(transpose)


def _free_batch(graph: Any) -> None:
    """Let the batch, which was 1 for the conversion, be any."""
    constants = {c.name: c for c in graph.initializer}
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants:
            target = numpy_helper.to_array(constants[node.input[1]]).copy()
            if target[0] == 1 and -1 not in target:
                target[0] = -1
                name = f"{node.output[0]}_shape"
                graph.initializer.append(numpy_helper.from_array(target, name))
                node.input[1] = name
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _name_by_place(graph: Any) -> None:
    """Sort nodes so that each stands behind what it needs, walking back from the output; name all by that order."""
    makers = {name: node for node in graph.node for name in node.output}
    ordered: dict[str, Any] = {}  # by first output
    pending = [makers[graph.output[0].name]]
    while pending:
        needed = [makers[name] for name in pending[-1].input if name in makers]
        waiting = [node for node in needed if node.output[0] not in ordered]
        if waiting:
            pending.append(waiting[0])
        else:
            node = pending.pop()
            ordered[node.output[0]] = node
    constants = {constant.name: constant for constant in graph.initializer}
    kept: list[Any] = []
    seen: Counter[str] = Counter()
    for node in ordered.values():
        kind = node.op_type.lower()
        seen[kind] += 1
        node.name = f"{kind}_{seen[kind]}"
        for place, name in enumerate(node.input):
            if constant := constants.pop(name, None):
                kept.append(constant)
                role = ROLES[place] if node.op_type in WITH_WEIGHTS else f"input_{place}"
                constant.name = f"{node.name}.{role}"
                _rename(graph, name, constant.name)
        for place, name in enumerate(node.output):
            if name != LOGITS and name:
                _rename(graph, name, f"{node.name}:{place}")
    nodes, initializers = [_copy(node) for node in ordered.values()], [_copy(constant) for constant in kept]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _fold_scale(graph: Any) -> bool:
    """Divide by 255 in the weights of the first layers rather than in every picture; False where one has none."""
    weights = {constant.name: constant for constant in graph.initializer}
    users = _users(graph, PIXELS)
    if not users or not all(
        node.op_type in ("Conv", "Gemm") and node.input[0] == PIXELS and node.input[1] in weights for node in users
    ):
        return False
    for name in {node.input[1] for node in users}:
        if len(_users(graph, name)) != sum(name == node.input[1] for node in users):
            return False
    for name in {node.input[1] for node in users}:
        scaled = numpy_helper.to_array(weights[name]) / np.float32(255)
        weights[name].CopyFrom(numpy_helper.from_array(scaled, name))
    return True


def _feed_quantized(graph: Any, pixels: str) -> bool:
    """Where `pixels` are quantized first, feed the uint8 pixels behind that; False where they are not."""
    quantize = _only_user(graph, PIXELS)
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return False
    for user in _users(graph, quantize.output[0]):
        _replace_inputs(user, quantize.output[0], pixels)
    graph.node.remove(quantize)
    return True


def _bypass_output_quantization(graph: Any) -> None:
    """Leave the logits as they come out of the last layer, in float."""
    last = next((n for n in graph.node if LOGITS in n.output), None)
    if last is None or last.op_type != "DequantizeLinear":
        return
    quantize = next(n for n in graph.node if last.input[0] in n.output)
    source = quantize.input[0]
    graph.node.remove(last)
    graph.node.remove(quantize)
    _rename(graph, source, LOGITS)


def _rename(graph: Any, old: str, new: str) -> None:
    for value in (*graph.input, *graph.output):
        if value.name == old:
            value.name = new
    for node in graph.node:
        _replace_inputs(node, old, new)
        for index, name in enumerate(node.output):
            if name == old:
                node.output[index] = new


def _replace_inputs(node: Any, old: str, new: str) -> None:
    for index, name in enumerate(node.input):
        if name == old:
            node.input[index] = new


def _users(graph: Any, name: str) -> list[Any]:
    return [node for node in graph.node if name in node.input]


def _only_user(graph: Any, name: str) -> Any:
    users = _users(graph, name)
    return users[0] if len(users) == 1 else None


def _drop_unused_constants(graph: Any) -> None:
    used = {name for node in graph.node for name in node.input}
    for constant in [c for c in graph.initializer if c.name not in used]:
        graph.initializer.remove(constant)


def _shape(value: Any) -> tuple[int, ...] | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") for d in dims) else None

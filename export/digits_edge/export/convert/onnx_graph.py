"""Turn tf2onnx's output into a clean core, and a core into the model that is shipped.

A *core* maps `pixels: float32[N, C, H, W]` in [0, 1] to `logits: float32[N, classes]`. A *model* wraps a core: it maps
`image: uint8[N, H, W]` or `uint8[N, H, W, 3]` to `probabilities: float32[N, classes]`, and to `features` where it has
such (see `onnx_features`).
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from math import prod
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from digits_edge.runtime.errors import ExportError

from . import onnx_edit as edit
from .onnx_features import add_features

OPSET: Final = 17
IR_VERSION: Final = 8  # onnxruntime has read it since 1.10 (2021)
PIXELS, LOGITS, IMAGE, PROBABILITIES = "pixels", "logits", "image", "probabilities"
IMAGE_NCHW: Final = "image_nchw"  # the uint8 image in the core's layout
WITH_WEIGHTS: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
ROLES: Final = ("data", "weight", "bias")
TO_NCHW, TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def clean(core: onnx.ModelProto) -> onnx.ModelProto:
    """Remove what the converter leaves behind: reshapes to the same shape, and the transpose before the flatten.

    tf2onnx's names and order of nodes change from process to process, so nodes are sorted by their connections, and
    nodes and constants are named by their place (`conv_1`, `conv_1.weight`): the same function gives the same bytes.
    A batch of 1, with which all shapes are known, becomes any batch. Opsets other than ONNX's own are dropped.
    Raises ExportError for loops, and for more or less than one input and one output.
    """
    if any(attribute.HasField("g") for node in core.graph.node for attribute in node.attribute):
        raise ExportError("expected no loops and no branches")
    edit.sort_from_output(core.graph)
    core = shape_inference.infer_shapes(core)
    graph = core.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise ExportError(f"expected one input and one output, found {len(graph.input)} and {len(graph.output)}")
    _drop_idle_reshapes(graph)
    _fold_flatten_transposes(graph)
    _round_scales_up(graph)
    _free_batch(graph)
    edit.sort_from_output(graph)
    _name_by_place(graph)
    del graph.value_info[:]
    edit.replace_all(core.opset_import, [helper.make_opsetid("", OPSET)])
    core.ir_version = IR_VERSION
    core.producer_name, core.producer_version, core.doc_string = "digits-edge", "", ""
    graph.name, graph.doc_string = "digits-edge", ""
    onnx.checker.check_model(core, full_check=True)
    return core


def spare_first_convolution(core: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Find the first convolution of one channel, with its ReLU and max pooling, which is better left in float.

    onnxruntime computes such a convolution more slowly in int8 than in float (see `benchmarks/first_convolution.py`).
    The pooling is moved before the ReLU, which does not change the result: onnxruntime would move a quantization that
    follows a pooling to its front, and pool slowly in int8. Returned are the core, and the names of the nodes to leave
    in float: none where the first layer is another one.
    """
    spared = deepcopy(core)
    nodes = edit.chain(spared.graph, PIXELS, {"Conv"}, {"Relu"}, {"MaxPool"})
    weights = edit.constants(spared.graph)
    if not nodes or nodes[0].input[1] not in weights or weights[nodes[0].input[1]].dims[1] != 1:
        return core, ()
    names = tuple(node.name for node in nodes)
    if len(nodes) == 3:
        _, relu, pool = nodes
        first, second = deepcopy(pool), deepcopy(relu)
        first.input[0], first.output[0] = relu.input[0], relu.output[0]
        second.input[0], second.output[0] = pool.input[0], pool.output[0]
        relu.CopyFrom(first)
        pool.CopyFrom(second)
    return spared, names


def wrap(core: onnx.ModelProto, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Put uint8 pixels in front of a core and a float softmax behind it, and show its features.

    The scaling to [0, 1] is folded into the first weights of a float core. A quantized core quantizes its input with
    scale 1/255 and zero point 0, which gives back the pixels, so they are passed on directly. `shape` is that of a
    picture, (H, W) or (H, W, 3).
    """
    model = deepcopy(core)
    graph = model.graph
    front = _read_image(graph, shape)
    _leave_logits_in_float(graph)
    softmax = helper.make_node("Softmax", [LOGITS], [PROBABILITIES], "softmax", axis=-1)
    edit.replace_all(graph.node, [*front, *graph.node, softmax])
    edit.replace_all(graph.input, [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, ["N", *shape])])
    graph.output[0].name = PROBABILITIES
    used = {name for node in graph.node for name in node.input}
    edit.replace_all(graph.initializer, [constant for constant in graph.initializer if constant.name in used])
    del graph.value_info[:]
    add_features(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def with_metadata(model: onnx.ModelProto, metadata: dict[str, str]) -> bytes:
    """Serialize a model with these `metadata_props`."""
    described = deepcopy(model)
    helper.set_model_props(described, metadata)
    return bytes(described.SerializeToString(deterministic=True))


def _drop_idle_reshapes(graph: Any) -> None:
    """Remove reshapes to the shape that is already there."""
    shapes = edit.shapes_of([*graph.value_info, *graph.input, *graph.output])
    for node in [node for node in graph.node if node.op_type == "Reshape"]:
        shape = shapes.get(node.input[0])
        if shape and 0 not in shape and shape == shapes.get(node.output[0]):
            edit.bypass(graph, node)


def _fold_flatten_transposes(graph: Any) -> None:
    """Flatten NCHW directly where a transpose to NHWC, a flatten and a dense layer follow each other.

    The rows of the dense layer's weights are brought into the order of NCHW instead.
    """
    shapes, weights = edit.shapes_of(graph.value_info), edit.constants(graph)
    to_nhwc, transposed = helper.make_attribute("perm", TO_NHWC), helper.make_attribute("transB", 1)
    for transpose in [node for node in graph.node if node.op_type == "Transpose" and to_nhwc in node.attribute]:
        nodes = edit.chain(graph, transpose.output[0], {"Reshape"}, {"Gemm", "MatMul"})
        nchw = shapes.get(transpose.input[0], ())
        if len(nodes) != 2 or len(nchw) != 4 or 0 in nchw:
            continue
        flatten, dense = nodes
        kernel = weights.get(dense.input[1])
        if kernel is None or transposed in dense.attribute or dense.input[0] != flatten.output[0]:
            continue
        if shapes.get(flatten.output[0]) != (1, prod(nchw)) or len(edit.users(graph, kernel.name)) != 1:
            continue
        _, c, h, w = nchw
        rows = numpy_helper.to_array(kernel).reshape(h, w, c, -1)
        edit.set_value(kernel, rows.transpose(2, 0, 1, 3).reshape(c * h * w, -1))
        edit.bypass(graph, transpose)


def _round_scales_up(graph: Any) -> None:
    """Round the scales of a resize up, so that shape inference, which rounds sides down, gets the sides of the run."""
    shapes, known = edit.shapes_of([*graph.value_info, *graph.input]), edit.constants(graph)
    for node in [node for node in graph.node if node.op_type == "Resize" and len(node.input) == 3]:
        scales, sides = numpy_helper.to_array(known[node.input[2]]), np.array(shapes[node.input[0]])
        short = np.floor(scales.astype(np.float64) * sides) < np.floor(scales * sides.astype(np.float32))
        rounded = np.where(short, np.nextafter(scales, np.float32(np.inf)), scales)
        node.input[2] = edit.add_constant(graph, f"{node.output[0]}_scales", rounded, np.float32)


def _free_batch(graph: Any) -> None:
    """Allow any batch in a graph that was converted with a batch of 1."""
    known = edit.constants(graph)
    for node in graph.node:
        if node.op_type == "Reshape" and node.input[1] in known:
            target = numpy_helper.to_array(known[node.input[1]])
            if target[0] == 1 and -1 not in target:
                node.input[1] = edit.add_constant(graph, f"{node.output[0]}_shape", [-1, *target[1:]], np.int64)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _name_by_place(graph: Any) -> None:
    """Name nodes, values and constants by the order of the nodes, and sort the constants by their first use."""
    known = edit.constants(graph)
    names = {"": "", graph.input[0].name: PIXELS, graph.output[0].name: LOGITS}  # "" is an input that is left out
    used: list[Any] = []
    seen: Counter[str] = Counter()
    for node in graph.node:
        kind = node.op_type.lower()
        seen[kind] += 1
        node.name = f"{kind}_{seen[kind]}"
        for place, name in enumerate(node.input):
            if name not in names:  # values have their names from the node that makes them
                role = ROLES[place] if node.op_type in WITH_WEIGHTS else f"input_{place}"
                names[name] = f"{node.name}.{role}"
                used.append(known[name])
        for place, name in enumerate(node.output):
            names.setdefault(name, f"{node.name}:{place}")
    edit.replace_all(graph.initializer, used)
    edit.rename(graph, names)


def _read_image(graph: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return the nodes that bring an image to a core's first layers, and change these layers to take it."""
    if len(shape) == 2:
        target = edit.add_constant(graph, "image_shape", [-1, 1, *shape], np.int64)
        nodes = [helper.make_node("Reshape", [IMAGE, target], [IMAGE_NCHW], "image_to_nchw")]
    else:
        nodes = [helper.make_node("Transpose", [IMAGE], [IMAGE_NCHW], "image_to_nchw", perm=TO_NCHW)]
    quantize = edit.chain(graph, PIXELS, {"QuantizeLinear"})
    if quantize:
        edit.bypass(graph, quantize[0])
        edit.rename(graph, {PIXELS: IMAGE_NCHW})
    elif _fold_scale(graph):
        nodes.append(helper.make_node("Cast", [IMAGE_NCHW], [PIXELS], "image_to_float", to=TensorProto.FLOAT))
    else:
        scale = edit.add_constant(graph, "image_scale", 1 / 255, np.float32)
        zero_point = edit.add_constant(graph, "image_zero_point", 0, np.uint8)
        inputs = [IMAGE_NCHW, scale, zero_point]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [PIXELS], "scale_to_unit"))
    return nodes


def _fold_scale(graph: Any) -> bool:
    """Divide the first layers' weights by 255, so that they take pixels; return False where one has none of its own."""
    weights, first = edit.constants(graph), edit.users(graph, PIXELS)
    for node in first:
        if node.op_type not in ("Conv", "Gemm") or node.input[0] != PIXELS or node.input[1] not in weights:
            return False
        if any(user not in first for user in edit.users(graph, node.input[1])):
            return False
    for name in {node.input[1] for node in first}:
        edit.set_value(weights[name], numpy_helper.to_array(weights[name]) / np.float32(255))
    return True


def _leave_logits_in_float(graph: Any) -> None:
    """Remove the quantization of a quantized core's logits."""
    last = next(node for node in graph.node if LOGITS in node.output)
    if last.op_type == "DequantizeLinear":
        quantize = next(node for node in graph.node if last.input[0] in node.output)
        edit.bypass(graph, last)
        edit.bypass(graph, quantize)
        edit.rename(graph, {graph.output[0].name: LOGITS})

"""Convert a Keras model to a float ONNX core with tf2onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from digits_edge.common.numerics import scale
from digits_edge.common.silence import muted
from digits_edge.runtime.errors import ExportError, reason_of
from digits_edge.runtime.session import open_session

from .keras_model import KerasModelFile, adapted, as_function
from .onnx_graph import LOGITS, OPSET, PIXELS, clean, has_loops

if TYPE_CHECKING:
    import keras


def to_onnx_core(source: KerasModelFile) -> bytes:
    """Convert a Keras model file to a float core (see `onnx_graph`) and serialize it.

    A batch of 1 makes every shape in the graph known, so that more can be folded; the batch is freed afterwards. Where
    that fails, as in attention, which mixes pictures with other axes, the model is converted again with a free batch.
    Raises ExportError if tf2onnx cannot convert the model.
    """
    model = _with_constants(adapted(source))
    try:
        core = _core(model, batch=1)
        if not _takes_any_batch(core):
            core = _core(model, batch=None)
    except Exception as error:  # tf2onnx raises exceptions of many types
        raise ExportError(f"tf2onnx cannot convert {model.name}: {reason_of(error)}") from None
    return bytes(core.SerializeToString(deterministic=True))


def _core(model: keras.Model, batch: int | None) -> onnx.ModelProto:
    """Convert, with recurrent layers unrolled where they would become loops."""
    converted = _convert(model, batch)
    if has_loops(converted):
        with _unrolled(model):
            converted = _convert(model, batch)
    return clean(converted)


def _convert(model: keras.Model, batch: int | None) -> onnx.ModelProto:
    """Convert with tf2onnx, then fold constants and batch normalisations with onnxruntime's basic optimizations."""
    import tf2onnx

    function = as_function(model, PIXELS, batch)
    with muted(), _inlined(), tempfile.TemporaryDirectory() as folder:
        proto, _ = tf2onnx.convert.from_function(
            function,
            input_signature=function.input_signature,
            opset=OPSET,
            inputs_as_nchw=[PIXELS],
            custom_op_handlers={"Erfc": (_complement_of_erf, []), "Expm1": (_exp_minus_one, [])},
        )
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder, "optimized.onnx"))
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


@contextmanager
def _inlined() -> Iterator[None]:
    """Trace the functions that a function calls, as Keras's for grouped convolutions, as part of it."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def _with_constants(model: keras.Model) -> keras.Model:
    """The model, with arrays for the tensors that layers keep, as Normalization its mean: tf2onnx makes these inputs."""
    import tensorflow as tf

    for layer in model._flatten_layers():
        vars(layer).update({name: value.numpy() for name, value in vars(layer).items() if tf.is_tensor(value)})
    return model


@contextmanager
def _unrolled(model: keras.Model) -> Iterator[None]:
    """Make recurrent layers repeat their operations for each step, without a loop, while the block runs."""
    rolled = [layer for layer in model._flatten_layers() if getattr(layer, "unroll", None) is False]
    for layer in rolled:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in rolled:
            layer.unroll = False


def _complement_of_erf(context: Any, node: Any, name: str, _: Any) -> None:
    """Replace Erfc, which Keras's GELU uses and ONNX does not have, by 1 - Erf (a handler for tf2onnx)."""
    node.type, node.domain = "Erf", ""
    one = context.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    users = context.find_output_consumers(node.output[0])
    complement = context.make_node("Sub", [one, node.output[0]], name=f"{name}_complement")
    context.replace_all_inputs(node.output[0], complement.output[0], ops=users)


def _exp_minus_one(context: Any, node: Any, name: str, _: Any) -> None:
    """Replace Expm1, which Keras's CELU uses and ONNX does not have, by Exp - 1 (a handler for tf2onnx)."""
    node.type, node.domain = "Exp", ""
    one = context.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    users = context.find_output_consumers(node.output[0])
    difference = context.make_node("Sub", [node.output[0], one], name=f"{name}_minus_one")
    context.replace_all_inputs(node.output[0], difference.output[0], ops=users)


def _takes_any_batch(core: onnx.ModelProto) -> bool:
    """Return whether a batch of pictures gets the same logits as each picture alone."""
    sides = [dim.dim_value for dim in core.graph.input[0].type.tensor_type.shape.dim[1:]]
    pixels = np.random.default_rng(0).random((3, *sides), np.float32)
    session = open_session(core.SerializeToString())
    alone = [session.run([LOGITS], {PIXELS: picture[None]})[0] for picture in pixels]
    try:
        together = session.run([LOGITS], {PIXELS: pixels})[0]
    except Exception:  # onnxruntime's exceptions share no base class
        return False
    return together.shape == (3, alone[0].shape[1]) and np.allclose(together, np.concatenate(alone), atol=1e-4)


def to_nchw(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Scale uint8[N, H, W] or uint8[N, H, W, 3] pixels to a core's input, float32[N, C, H, W] in [0, 1]."""
    return scale(pixels).transpose(0, 3, 1, 2)

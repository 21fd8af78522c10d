"""Convert a Keras model to a float ONNX core with tf2onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
from .onnx_graph import LOGITS, OPSET, PIXELS, clean
from .onnx_shapes import fold_shapes

if TYPE_CHECKING:
    import keras


def to_onnx_core(source: KerasModelFile) -> bytes:
    """Convert a Keras model file to a float core (see `onnx_graph`) and serialize it.

    A batch of 1 makes every shape in the graph known, so that more can be folded; the batch is freed afterwards. Where
    that fails, as in attention, which mixes pictures with other axes, the model is converted again with a free batch,
    and at last in plain operations. Raises ExportError if tf2onnx cannot convert the model.
    """
    model = adapted(source)
    _keep_arrays(model)
    for trace in (nullcontext(), _in_plain_operations(model)):
        with trace:
            for batch in (1, None):
                try:
                    core = _convert(model, batch)
                    if batch is None:
                        fold_shapes(core)
                    core = clean(core)
                    if _takes_any_batch(core):
                        return bytes(core.SerializeToString(deterministic=True))
                    reason = "expected the same logits for a picture alone and among others"
                except Exception as error:  # tf2onnx raises exceptions of many types
                    reason = reason_of(error)
    raise ExportError(f"tf2onnx cannot convert {model.name}: {reason}")


def _convert(model: keras.Model, batch: int | None) -> onnx.ModelProto:
    """Convert with tf2onnx, then fold constants and batch normalisations with onnxruntime's basic optimizations."""
    import tf2onnx

    function = as_function(model, PIXELS, batch)
    with muted(), tempfile.TemporaryDirectory() as folder:
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


def _keep_arrays(model: keras.Model) -> None:
    """Put arrays for the tensors that layers keep, as Normalization its mean, of which tf2onnx would make inputs."""
    import tensorflow as tf

    for layer in model._flatten_layers():
        vars(layer).update({name: kept.numpy() for name, kept in vars(layer).items() if isinstance(kept, tf.Tensor)})


@contextmanager
def _in_plain_operations(model: keras.Model) -> Iterator[None]:
    """Trace recurrent layers without a loop, and what Keras compiles, as grouped convolutions, without a function."""
    import tensorflow as tf

    rolled = [layer for layer in model._flatten_layers() if getattr(layer, "unroll", None) is False]
    for layer in rolled:
        layer.unroll = True
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
        for layer in rolled:
            layer.unroll = False


def _complement_of_erf(context: Any, node: Any, name: str, _: Any) -> None:
    """Replace Erfc, which Keras's GELU uses and ONNX does not have, by 1 - Erf (a handler for tf2onnx)."""
    _subtract_one(context, node, name, "Erf", from_one=True)


def _exp_minus_one(context: Any, node: Any, name: str, _: Any) -> None:
    """Replace Expm1, which Keras's CELU uses and ONNX does not have, by Exp - 1 (a handler for tf2onnx)."""
    _subtract_one(context, node, name, "Exp", from_one=False)


def _subtract_one(context: Any, node: Any, name: str, operator: str, *, from_one: bool) -> None:
    """Make a node compute `operator`, and subtract 1 from its output, or its output from 1."""
    node.type, node.domain = operator, ""
    sides = [node.output[0], context.make_const(f"{name}_one", np.array(1, np.float32)).output[0]]
    users = context.find_output_consumers(node.output[0])
    difference = context.make_node("Sub", sides[::-1] if from_one else sides, name=f"{name}_difference")
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

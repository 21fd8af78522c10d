"""From Keras to an ONNX core, and from a float core to an int8 one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto
from onnxruntime import quantization
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType

from digits_edge.runtime.errors import ExportError, first_line
from digits_edge.trainer.quiet import muted

from .graph import LOGITS, OPSET, PIXELS, clean, spare_first_convolution
from .network import as_function
from .scheme import Scheme

if TYPE_CHECKING:
    import keras

# What moves numbers and computes nothing with them.
MOVING: Final = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"}
)
METHODS: Final = {
    "min-max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
PERCENTILE: Final = 99.99


def convert(model: keras.Model) -> bytes:
    """Convert a Keras model that ends in logits to a float core, serialized.

    Raises:
        ExportError: tf2onnx cannot.
    """
    core = clean(_convert(model, batch=1))
    if not _takes_any_batch(core):  # its pictures are mixed with other axes, as in attention
        core = clean(_convert(model, batch=None))
    return bytes(core.SerializeToString(deterministic=True))


def _convert(model: keras.Model, batch: int | None) -> onnx.ModelProto:
    """What tf2onnx makes of a model, with constants and normalisations folded by onnxruntime's basic optimizations."""
    import tf2onnx

    function, spec = as_function(model, PIXELS, batch)
    try:
        with muted(), tempfile.TemporaryDirectory() as folder:
            proto, _ = tf2onnx.convert.from_function(
                function,
                input_signature=[spec],
                opset=OPSET,
                inputs_as_nchw=[PIXELS],
                custom_op_handlers={"Erfc": (_complement_of_erf, [])},
            )
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(Path(folder, "optimized.onnx"))
            onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return onnx.load(options.optimized_model_filepath)
    except Exception as error:  # tf2onnx raises nearly anything
        raise ExportError(f"tf2onnx cannot convert {model.name}: {first_line(error)}") from None


def _complement_of_erf(context: Any, node: Any, name: str, _: Any) -> None:
    """Erfc, which Keras's GELU is made of and ONNX has not, as 1 - Erf."""
    node.type, node.domain = "Erf", ""
    one = context.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    users = context.find_output_consumers(node.output[0])
    complement = context.make_node("Sub", [one, node.output[0]], name=f"{name}_complement")
    context.replace_all_inputs(node.output[0], complement.output[0], ops=users)


def _takes_any_batch(core: onnx.ModelProto) -> bool:
    """Whether pictures together get the answers that they get alone."""
    sides = [dim.dim_value for dim in core.graph.input[0].type.tensor_type.shape.dim[1:]]
    pixels = np.random.default_rng(0).random((3, *sides), np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(core.SerializeToString(), options, providers=["CPUExecutionProvider"])
    alone = [session.run([LOGITS], {PIXELS: picture[None]})[0] for picture in pixels]
    try:
        together = session.run([LOGITS], {PIXELS: pixels})[0]
    except Exception:  # onnxruntime's exceptions share no base class
        return False
    return together.shape == (3, alone[0].shape[1]) and np.allclose(together, np.concatenate(alone), atol=1e-4)


def quantize(
    core: onnx.ModelProto,
    calibration: npt.NDArray[np.uint8],
    how: Scheme,
    nodes: Sequence[str] = (),
) -> onnx.ModelProto:
    """Quantize a float core to int8 by onnxruntime's `quantize_static`.

    Weights have 7 bits (`reduce_range`): on CPUs without VNNI the 16-bit sum of two uint8 x int8 products saturates
    with 8, and the labels of some pictures change from CPU to CPU (see onnxruntime, "Quantize ONNX models", "When and
    why do I need to try U8U8?"). U8U8 does not saturate either, but took twice the time.

    Args:
        core: float.
        calibration: uint8[K, H, W] or uint8[K, H, W, 3], of the training part.
        how: to quantize; its `pictures` are taken from the front of `calibration`.
        nodes: quantize these alone; all unless given.

    Raises:
        ExportError: onnxruntime cannot.
    """
    core, spared = spare_first_convolution(core)
    reduced = how.weights == "7-bit"
    options: dict[str, Any] = {"CalibPercentile": PERCENTILE} if how.method == "percentile" else {}
    exact = {"scale": np.array(1 / 255, np.float32), "zero_point": np.array(0, np.uint8)}  # q = pixel
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(core, source)
        try:
            with muted():
                quantization.quantize_static(
                    str(source),
                    str(target),
                    _Calibration(calibration[: how.pictures]),
                    quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8 if reduced else QuantType.QUInt8,
                    per_channel=True,
                    reduce_range=reduced,
                    calibrate_method=METHODS[how.method],
                    nodes_to_quantize=list(nodes) or None,
                    nodes_to_exclude=[*spared, *how.in_float],
                    extra_options={"TensorQuantOverrides": {PIXELS: [exact]}, **options},
                )
        except Exception as error:  # onnxruntime raises nearly anything
            raise ExportError(f"onnxruntime cannot quantize it: {first_line(error)}") from None
        return onnx.load(target)


def in_float(quantized: onnx.ModelProto) -> list[str]:
    """Nodes of a quantized core that compute in float all the same, with their operators: `erf_1 (Erf)`."""
    graph = onnx.shape_inference.infer_shapes(quantized).graph
    floats = {v.name for v in (*graph.value_info, *graph.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return [
        f"{node.name} ({node.op_type})"
        for node in graph.node
        if node.op_type not in MOVING and node.output[0] in floats and not dequantized & set(node.input)
    ]


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds pictures as the core takes them, some at a time."""

    def __init__(self, pixels: npt.NDArray[np.uint8], batch: int = 128) -> None:
        self._batches: Iterator[dict[str, Any]] = (
            {PIXELS: to_nchw(pixels[start : start + batch])} for start in range(0, len(pixels), batch)
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None."""
        return next(self._batches, None)


def to_nchw(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What a core takes, float32[N, C, H, W] in [0, 1], from uint8[N, H, W] or uint8[N, H, W, 3]."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return scaled[:, None] if pixels.ndim == 3 else scaled.transpose(0, 3, 1, 2)

"""Quantize a float ONNX core to int8 QDQ with onnxruntime."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto
from onnxruntime import quantization
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType

from digits_edge.common.silence import muted
from digits_edge.runtime.errors import ExportError, reason_of

from ..convert.onnx import to_nchw
from ..convert.onnx_graph import PIXELS, spare_first_convolution
from .scheme import Method, Scheme

# Operators that move values but compute nothing.
MOVING: Final = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"}
)
METHODS: Final = {
    "min-max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
PERCENTILE: Final = 99.99
BATCH: Final = 128  # calibration pictures
CAN_KEEP_RANGES: Final = "calibration_cache_path" in inspect.signature(quantization.quantize_static).parameters


def quantize(
    core: onnx.ModelProto,
    calibration: npt.NDArray[np.uint8],
    scheme: Scheme,
    nodes: Sequence[str] = (),
    ranges: Path | None = None,
) -> onnx.ModelProto:
    """Quantize a float core to int8 by onnxruntime's `quantize_static`; raises ExportError where it cannot.

    Weights have 7 bits (`reduce_range`). With 8 bits, the 16-bit sum of two uint8 x int8 products saturates on CPUs
    without VNNI, so that some pictures get another label there (see onnxruntime, "Quantize ONNX models", "When and why
    do I need to try U8U8?"). U8U8 does not saturate either, but took twice the time.

    Args:
        core: The float core.
        calibration: Pixels uint8[K, H, W] or uint8[K, H, W, 3], of which the scheme's first `pictures` are used.
        scheme: How to quantize.
        nodes: Names of the only nodes to quantize; empty for all nodes.
        ranges: File that keeps the ranges of activations for the next call with the same core, pictures and method,
            where onnxruntime can do that.
    """
    core, spared = spare_first_convolution(core)
    reduced = scheme.weights == "7-bit"
    options: dict[str, Any] = {"CalibPercentile": PERCENTILE} if scheme.method == "percentile" else {}
    exact = {"scale": np.array(1 / 255, np.float32), "zero_point": np.array(0, np.uint8)}  # q = pixel
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        onnx.save(core, source)
        try:
            with muted():
                quantization.quantize_static(
                    str(source),
                    str(target),
                    _Calibration(calibration[: scheme.pictures], scheme.method),
                    **({"calibration_cache_path": ranges} if ranges and CAN_KEEP_RANGES else {}),
                    quant_format=QuantFormat.QDQ,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8 if reduced else QuantType.QUInt8,
                    per_channel=True,
                    reduce_range=reduced,
                    calibrate_method=METHODS[scheme.method],
                    nodes_to_quantize=list(nodes) or None,
                    nodes_to_exclude=[*spared, *scheme.in_float],
                    extra_options={"TensorQuantOverrides": {PIXELS: [exact]}, **options},
                )
        except Exception as error:  # onnxruntime raises nearly anything
            raise ExportError(f"onnxruntime cannot quantize it: {reason_of(error)}") from None
        return onnx.load(target)


def in_float(quantized: onnx.ModelProto) -> list[str]:
    """Nodes of a quantized core that still compute in float, with their operators: `erf_1 (Erf)`."""
    graph = onnx.shape_inference.infer_shapes(quantized).graph
    floats = {v.name for v in (*graph.value_info, *graph.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    dequantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    return [
        f"{node.name} ({node.op_type})"
        for node in graph.node
        if node.op_type not in MOVING and node.output[0] in floats and not dequantized & set(node.input)
    ]


class _Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Feeds calibration pictures to onnxruntime in batches, in the core's input format."""

    def __init__(self, pixels: npt.NDArray[np.uint8], method: Method) -> None:
        batch = BATCH
        if method != "min-max":  # onnxruntime makes histograms of batches of one size only
            batch = max(size for size in range(1, BATCH + 1) if len(pixels) % size == 0)
        self._batches: Iterator[dict[str, Any]] = (
            {PIXELS: to_nchw(pixels[start : start + batch])} for start in range(0, len(pixels), batch)
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None."""
        return next(self._batches, None)

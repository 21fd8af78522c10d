"""Open image classifiers that digits-edge did not export: read input and output from the file and from a trial run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import BundleError, UsageError, first_line, reason_of
from digits_edge.runtime.session import open_session

from .interpreter import inference_of
from .litert import open_interpreter
from .tensor_spec import NOT_QUANTIZED, PIXEL_RANGES, Engine, Inference, Layout, Pixels, Quantization, TensorSpec

ONNX_TYPES: Final = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
CHANNELS: Final = (1, 3)
TRIAL: Final = 8  # pictures of noise
ROUNDING: Final = 1e-3  # how far the sum of float32 probabilities may be from 1
EXPECTED: Final = (
    "expected an image classifier of one input, float32, uint8 or int8 [N, H, W], [N, H, W, 1 or 3] or "
    "[N, 1 or 3, H, W] with N free or 1"
)


@dataclass(frozen=True)
class TensorInfo:
    """An input or output, as its runtime describes it."""

    dtype: str  # e.g. `float32`
    shape: tuple[int | None, ...]  # None for an axis of any length
    quantization: Quantization = NOT_QUANTIZED

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if side is None else str(side) for side in self.shape)}]"


@dataclass(frozen=True, eq=False)
class ThirdPartyModel:
    """A classifier of another origin, or an exported TFLite file without its bundle."""

    spec: TensorSpec
    classes: int
    description: str  # input and output in words
    predict_proba: Engine


def read_model_file(path: Path) -> bytes:
    """Read a model file. Weights that an `.onnx` file keeps in other files are put into the returned model."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix != ".onnx":
        return data
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        model = onnx.load_from_string(data)
        if not any(uses_external_data(constant) for constant in model.graph.initializer):
            return data
        onnx.load_external_data_for_model(model, str(path.parent))
        whole: bytes = model.SerializeToString()
        return whole
    except Exception as error:  # protobuf's and onnx's own
        raise BundleError(f"{path}: not readable as an ONNX model: {first_line(error)}") from None


def open_third_party(data: bytes, where: str, pixel_range: str | None = None) -> ThirdPartyModel:
    """Open a model and find out its input and output.

    `where` is the path of the file, which tells its format and begins messages. Without a `pixel_range`, it is 0..1, or
    the range nearest to the one that the quantization of an int8 input spans.

    Raises:
        BundleError: The model cannot be loaded, or is no image classifier of one input and one output.
        UsageError: A range was given for an input that takes pixels unscaled.
    """
    inputs, outputs, infer = _read_tflite(data, where) if where.endswith(".tflite") else _read_onnx(data, where)
    received = f"received {_listed(inputs)}, and the output {_listed(outputs)}"
    if len(inputs) != 1 or (picture := _picture(inputs[0])) is None:
        raise BundleError(f"{where}: {EXPECTED}, {received}")
    if len(outputs) != 1:
        raise BundleError(f"{where}: expected one output [N, classes], {received}")
    source, sink = inputs[0], outputs[0]
    if pixel_range and _unscaled(source):
        raise UsageError(f"--pixel-range: {where} takes pixels as they are ({source}), received {pixel_range}")
    name = pixel_range or _natural_range(source)
    spec = TensorSpec(
        shape=picture[0],
        layout=picture[1],
        dtype=source.dtype,
        input=source.quantization,
        output=sink.quantization,
        pixel_range=PIXEL_RANGES[name],
        any_batch=source.shape[0] is None,
    )
    answers = _try(spec, infer, where)
    spec = replace(spec, logits=not _are_probabilities(answers, sink.quantization))
    classes = answers.shape[1]
    return ThirdPartyModel(
        spec=spec,
        classes=classes,
        description=f"{source}, pixels {'as they are' if _unscaled(source) else name}; "
        f"{'logits' if spec.logits else 'probabilities'} of {classes} classes",
        predict_proba=partial(spec.predict, infer),
    )


def _read_onnx(data: bytes, where: str) -> tuple[list[TensorInfo], list[TensorInfo], Inference]:
    session = open_session(data, where)
    inputs, outputs = ([_of_onnx(node) for node in nodes] for nodes in (session.get_inputs(), session.get_outputs()))
    source, sinks = session.get_inputs()[0].name, [node.name for node in session.get_outputs()[:1]]
    return inputs, outputs, lambda tensor: session.run(sinks, {source: tensor})[0]


def _of_onnx(node: Any) -> TensorInfo:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    return TensorInfo(ONNX_TYPES.get(node.type, node.type), shape)


def _read_tflite(data: bytes, where: str) -> tuple[list[TensorInfo], list[TensorInfo], Inference]:
    interpreter = open_interpreter(data, where)
    inputs = [_of_tflite(details) for details in interpreter.get_input_details()]
    outputs = [_of_tflite(details) for details in interpreter.get_output_details()]
    return inputs, outputs, inference_of(interpreter)


def _of_tflite(details: dict[str, Any]) -> TensorInfo:
    sides = [None if side < 0 else int(side) for side in details["shape_signature"]]
    batch = [int(side) for side in details["shape"][:1]]  # 1 where the batch is free: that is what is allocated
    quantization = Quantization(*details["quantization"])
    return TensorInfo(np.dtype(details["dtype"]).name, tuple(batch + sides[1:]), quantization)


def _picture(tensor: TensorInfo) -> tuple[tuple[int, ...], Layout] | None:
    """A picture's shape, (H, W) or (H, W, 3), and its layout; None if the input is no picture or its layout unclear."""
    if tensor.dtype not in ("float32", "uint8", "int8") or not tensor.shape or tensor.shape[0] not in (None, 1):
        return None
    sides = [side for side in tensor.shape[1:] if side]
    if len(sides) < len(tensor.shape) - 1:
        return None
    if len(sides) == 2:
        return (sides[0], sides[1]), "HW"
    if len(sides) != 3 or (sides[0] in CHANNELS) == (sides[2] in CHANNELS):
        return None
    height, width, channels = sides if sides[2] in CHANNELS else (sides[1], sides[2], sides[0])
    layout: Layout = "HWC" if sides[2] in CHANNELS else "CHW"
    return ((height, width) if channels == 1 else (height, width, channels)), layout


def _unscaled(source: TensorInfo) -> bool:
    """Whether the input takes unscaled pixels: as uint8, or less 128 as int8 without quantization."""
    return source.dtype == "uint8" or (source.dtype == "int8" and not source.quantization.scale)


def _natural_range(source: TensorInfo) -> str:
    """0..1, or for a quantized input the range nearest to the one that it spans."""
    if not source.quantization.scale:
        return "0..1"
    low, high = ((q - source.quantization.zero_point) * source.quantization.scale for q in (-128, 127))
    return min(PIXEL_RANGES, key=lambda name: abs(PIXEL_RANGES[name][0] - low) + abs(PIXEL_RANGES[name][1] - high))


def _try(spec: TensorSpec, infer: Inference, where: str) -> npt.NDArray[Any]:
    """The model's dequantized outputs float32[8, C] for eight pictures of noise."""
    noise: Pixels = np.random.default_rng(0).integers(0, 256, (TRIAL, *spec.shape), dtype=np.uint8)
    try:
        raw = infer(spec.feed(noise if spec.any_batch else noise[:1]))
    except Exception as error:  # of either runtime
        raise BundleError(f"{where}: it cannot be run: {reason_of(error)}") from None
    pictures = TRIAL if spec.any_batch else 1
    if raw.dtype not in (np.float32, np.int8, np.uint8) or raw.ndim != 2 or len(raw) != pictures or raw.shape[1] < 2:
        raise BundleError(
            f"{where}: expected an output [N, classes] of two classes or more, "
            f"received {raw.dtype}{list(raw.shape)} for {pictures} pictures"
        )
    answers = replace(spec, logits=False).predict(infer, noise)
    if bad := int((~np.isfinite(answers)).any(axis=1).sum()):
        raise BundleError(
            f"{where}: expected finite numbers, received NaN or infinity for {bad} of {TRIAL} pictures of noise"
        )
    return answers


def _are_probabilities(answers: npt.NDArray[Any], quantization: Quantization) -> bool:
    """Whether all answers are in [0, 1] and each row sums to 1.

    Rounded probabilities may sum to anything, so a quantized softmax is recognised by its scale, which TFLite's 8-bit
    quantization specification fixes to 1/256.
    """
    if quantization.scale:
        return quantization.scale == 1 / 256 and bool(answers.min() >= 0)
    in_range = answers.min() >= -ROUNDING and answers.max() <= 1 + ROUNDING
    return bool(in_range and np.abs(answers.sum(axis=1) - 1).max() <= ROUNDING)


def _listed(tensors: Sequence[TensorInfo]) -> str:
    return " and ".join(map(str, tensors)) or "none"

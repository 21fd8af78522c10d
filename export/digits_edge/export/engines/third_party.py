"""Image classifiers that digits-edge did not export: what they take and give is read from the file and from a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import BundleError, UsageError, first_line

from .litert import open_interpreter, run_interpreter
from .tensor_spec import NOT_QUANTIZED, PIXEL_RANGES, Engine, Layout, Pixels, Quantization, Run, TensorSpec

ONNX_TYPES: Final = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
CHANNELS: Final = (1, 3)
TRIAL: Final = 8  # pictures
ROUNDING: Final = 1e-3  # how far the sum of float32 probabilities may be from 1
EXPECTED: Final = (
    "expected an image classifier of one input, float32, uint8 or int8 [N, H, W], [N, H, W, 1 or 3] or "
    "[N, 1 or 3, H, W] with N free or 1"
)


@dataclass(frozen=True)
class Tensor:
    """An input or output as its runtime describes it.

    Attributes:
        dtype: e.g. `float32`.
        shape: None for a side that is free.
        quantization: of a TFLite tensor.
    """

    dtype: str
    shape: tuple[int | None, ...]
    quantization: Quantization = NOT_QUANTIZED

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if side is None else str(side) for side in self.shape)}]"


@dataclass(frozen=True, eq=False)
class ThirdPartyModel:
    """A classifier of somebody else's, or a TFLite file of ours without its bundle.

    Attributes:
        form: what it takes and gives.
        classes: how many outputs it has.
        said: both of them in words.
        predict_proba: what answers for it.
    """

    form: TensorSpec
    classes: int
    said: str
    predict_proba: Engine


def read_model_file(path: Path) -> bytes:
    """A model file; weights that an `.onnx` keeps in files beside it are taken in.

    Raises:
        BundleError: it cannot be read.
    """
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
    """Find out what a model takes and gives.

    Args:
        data: the file.
        where: its path, which tells its kind and begins messages.
        pixel_range: one of `PIXEL_RANGES`; None for 0..1, or for what the quantization of an int8 input comes next to.

    Raises:
        BundleError: it cannot be loaded, or is no image classifier of one input and one output.
        UsageError: its input takes pixels as they are, and a range was given.
    """
    inputs, outputs, run = _read_tflite(data, where) if where.endswith(".tflite") else _read_onnx(data, where)
    received = f"received {_listed(inputs)}, and the output {_listed(outputs)}"
    if len(inputs) != 1 or (shape := _picture(inputs[0])) is None:
        raise BundleError(f"{where}: {EXPECTED}, {received}")
    if len(outputs) != 1:
        raise BundleError(f"{where}: expected one output [N, classes], {received}")
    source, sink = inputs[0], outputs[0]
    if pixel_range and _as_it_is(source):
        raise UsageError(f"--pixel-range: {where} takes pixels as they are ({source}), received {pixel_range}")
    name = pixel_range or _natural_range(source)
    form = TensorSpec(
        *shape, source.dtype, source.quantization, sink.quantization, PIXEL_RANGES[name], source.shape[0] is None
    )
    answers = _try(form, run, where)
    form = replace(form, logits=not _are_probabilities(answers, sink.quantization))
    pixels = "as they are" if _as_it_is(source) else name
    said = f"{source}, pixels {pixels}; {'logits' if form.logits else 'probabilities'} of {answers.shape[1]} classes"
    return ThirdPartyModel(form, answers.shape[1], said, lambda pictures: form.predict(run, pictures))


def _read_onnx(data: bytes, where: str) -> tuple[list[Tensor], list[Tensor], Run]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong comes as an exception
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise BundleError(f"{where}: onnxruntime cannot load it: {first_line(error)}") from None
    inputs, outputs = ([_of_onnx(node) for node in nodes] for nodes in (session.get_inputs(), session.get_outputs()))
    names = [node.name for node in session.get_outputs()[:1]]

    def run(ready: npt.NDArray[Any]) -> npt.NDArray[Any]:
        output: npt.NDArray[Any] = session.run(names, {session.get_inputs()[0].name: ready})[0]
        return output

    return inputs, outputs, run


def _of_onnx(node: Any) -> Tensor:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    return Tensor(ONNX_TYPES.get(node.type, node.type), shape)


def _read_tflite(data: bytes, where: str) -> tuple[list[Tensor], list[Tensor], Run]:
    interpreter = open_interpreter(data, where)
    inputs = [_of_tflite(details) for details in interpreter.get_input_details()]
    outputs = [_of_tflite(details) for details in interpreter.get_output_details()]
    return inputs, outputs, lambda ready: run_interpreter(interpreter, ready)


def _of_tflite(details: dict[str, Any]) -> Tensor:
    sides = [None if side < 0 else int(side) for side in details["shape_signature"]]
    one_a_time = [int(side) for side in details["shape"][:1]]  # what a free batch was allocated for
    quantization = Quantization(*details["quantization"])
    return Tensor(np.dtype(details["dtype"]).name, tuple(one_a_time + sides[1:]), quantization)


def _picture(tensor: Tensor) -> tuple[tuple[int, ...], Layout] | None:
    """A picture's shape, (H, W) or (H, W, 3), and its layout; None where the input is no picture, or could be two."""
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


def _as_it_is(source: Tensor) -> bool:
    """Whether pixels go in unscaled: uint8, or int8 of unknown quantization, which is 128 less."""
    return source.dtype == "uint8" or (source.dtype == "int8" and not source.quantization.scale)


def _natural_range(source: Tensor) -> str:
    """0..1; of an int8 input the range that is next to what -128 and 127 stand for."""
    if not source.quantization.scale:
        return "0..1"
    low, high = ((q - source.quantization.zero_point) * source.quantization.scale for q in (-128, 127))
    return min(PIXEL_RANGES, key=lambda name: abs(PIXEL_RANGES[name][0] - low) + abs(PIXEL_RANGES[name][1] - high))


def _try(form: TensorSpec, run: Run, where: str) -> npt.NDArray[Any]:
    """Its real-valued outputs float32[8, C] for eight pictures of noise."""
    noise: Pixels = np.random.default_rng(0).integers(0, 256, (TRIAL, *form.shape), dtype=np.uint8)
    try:
        raw = run(form.feed(noise if form.any_batch else noise[:1]))
    except Exception as error:  # of either runtime
        raise BundleError(f"{where}: it cannot be run: {first_line(error)}") from None
    pictures = TRIAL if form.any_batch else 1
    if raw.dtype not in (np.float32, np.int8, np.uint8) or raw.ndim != 2 or len(raw) != pictures or raw.shape[1] < 2:
        raise BundleError(
            f"{where}: expected an output [N, classes] of two classes or more, "
            f"received {raw.dtype}{list(raw.shape)} for {pictures} pictures"
        )
    return replace(form, logits=False).predict(run, noise)


def _are_probabilities(answers: npt.NDArray[Any], quantization: Quantization) -> bool:
    """All of them in [0, 1], each row adding up to 1.

    A quantized softmax is known by its scale, 1/256 by TFLite's 8-bit quantization specification, since its rounded
    probabilities may add up to anything.
    """
    if quantization.scale:
        return quantization.scale == 1 / 256 and bool(answers.min() >= 0)
    in_range = answers.min() >= -ROUNDING and answers.max() <= 1 + ROUNDING
    return bool(in_range and np.abs(answers.sum(axis=1) - 1).max() <= ROUNDING)


def _listed(tensors: Sequence[Tensor]) -> str:
    return " and ".join(map(str, tensors)) or "none"

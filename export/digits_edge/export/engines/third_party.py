"""Open image classifiers that digits-edge did not export: read input and output from the file and from a trial run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_outputs import kind_of, probes
from digits_edge.runtime.bundle import MAX_MODEL_BYTES
from digits_edge.runtime.errors import BundleError, UsageError, first_line, reason_of
from digits_edge.runtime.files import read_file
from digits_edge.runtime.session import SessionSettings, open_session

from .interpreter import inference_of
from .litert import open_interpreter
from .pixel_range import AS_INT8, USUAL, Ends, candidates, ends_of
from .tensor_spec import NOT_QUANTIZED, Engine, Inference, Layout, Quantization, TensorSpec

ONNX_TYPES: Final = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}
CHANNELS: Final = (1, 3)
NEAR: Final = 0.2  # of its width, how far the ends of a usual range may be from those that an int8 input spans
COARSEST: Final = 1 / 64  # step of rounded probabilities
MAX_VALUES: Final = 2**21  # of a picture; classifiers of photographs take up to 600 x 600 x 3
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


Tensors = tuple[list[TensorInfo], list[TensorInfo], Callable[[], Inference]]


@dataclass(frozen=True, eq=False)
class ThirdPartyModel:
    """A classifier of another origin, or an exported TFLite file without its bundle."""

    spec: TensorSpec
    classes: int
    description: str  # input and output in words
    engines: Mapping[str, Engine]  # for its pixel range, and for other ones; under "" if it takes no other


def read_model_file(path: Path) -> bytes:
    """Read a model file. Weights that an `.onnx` file keeps in other files are put into the returned model."""
    try:
        data = read_file(str(path), MAX_MODEL_BYTES)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() != ".onnx":
        return data
    import onnx

    try:
        model = onnx.load_from_string(data)
        if b"location" not in data:  # by which a tensor, also in an attribute, names another file
            return data
        onnx.load_external_data_for_model(model, str(path.parent))
        whole: bytes = model.SerializeToString()
        return whole
    except Exception as error:  # protobuf's and onnx's own
        raise BundleError(f"{path}: not readable as an ONNX model: {first_line(error)}") from None


def open_third_party(data: bytes, where: str, pixel_range: str | None = None) -> ThirdPartyModel:
    """Open a model and find out its input and output.

    `where` is the path of the file, which tells its format and begins messages. Without a `pixel_range`, it is 0..1,
    for an int8 input the usual range that its quantization nearly spans. If that spans another range, as of a model
    that was trained on pixels less a mean, divided by a standard deviation, it is fed pixel values less 128.

    Raises:
        BundleError: The model cannot be loaded, or is no image classifier of one input and one output.
        UsageError: The range is none, or was given for an input that takes pixels unscaled.
    """
    read = _read_tflite if where.lower().endswith(".tflite") else _read_onnx
    inputs, outputs, inference = read(data, where)
    received = f"received {_listed(inputs)}, and the output {_listed(outputs)}"
    if len(inputs) != 1 or (picture := _picture(inputs[0])) is None:
        raise BundleError(f"{where}: {EXPECTED}, {received}")
    if math.prod(picture[0]) > MAX_VALUES:
        raise BundleError(f"{where}: expected pictures of up to {MAX_VALUES:,} values, {received}")
    if len(outputs) != 1:
        raise BundleError(f"{where}: expected one output [N, classes], {received}")
    source, sink, infer = inputs[0], outputs[0], inference()
    if pixel_range and _unscaled(source) and (source.dtype, pixel_range) != ("int8", AS_INT8):
        raise UsageError(f"--pixel-range: {where} takes pixels as they are ({source}), received {pixel_range}")
    name = pixel_range or _natural_range(source)
    spec = TensorSpec(
        shape=picture[0],
        layout=picture[1],
        dtype=source.dtype,
        input=source.quantization,
        output=sink.quantization,
        pixel_range=_ends(name, source, picture[0]),
        any_batch=source.shape[0] is None,
    )
    answers = _try(spec, infer, where)
    kind = _kind(answers, sink.quantization, where)
    spec, classes = replace(spec, logits=kind != "probabilities"), answers.shape[1]
    fed = "as they are" if _unscaled(source) else _in_words(name, spec.pixel_range)
    guessed = "" if pixel_range or _unscaled(source) else "; --pixel-range, or --mean and --std, decide otherwise"
    return ThirdPartyModel(
        spec=spec,
        classes=classes,
        description=f"{source}, pixels {fed}; {kind} of {classes} classes{guessed}",
        engines={
            other: partial(replace(spec, pixel_range=_ends(other or name, source, picture[0])).predict, infer)
            for other in _others(name, source, picture[0])
        },
    )


def _read_onnx(data: bytes, where: str) -> Tensors:
    """The inputs, the outputs, and what makes the function from the first input to the first output."""
    session = open_session(data, where, SessionSettings(trust=True))  # in a child, which has limits of its own
    inputs, outputs = ([_of_onnx(node) for node in nodes] for nodes in (session.get_inputs(), session.get_outputs()))
    return inputs, outputs, partial(_inference_of_session, session)


def _inference_of_session(session: Any) -> Inference:
    source, sink = session.get_inputs()[0].name, session.get_outputs()[0].name
    return lambda tensor: session.run([sink], {source: tensor})[0]


def _of_onnx(node: Any) -> TensorInfo:
    shape = tuple(side if isinstance(side, int) else None for side in node.shape)
    return TensorInfo(ONNX_TYPES.get(node.type, node.type), shape)


def _read_tflite(data: bytes, where: str) -> Tensors:
    interpreter = open_interpreter(data, where)
    details = interpreter.get_input_details(), interpreter.get_output_details()
    inputs, outputs = ([_of_tflite(tensor) for tensor in tensors] for tensors in details)
    return inputs, outputs, partial(inference_of, interpreter)


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
    """0..1, or for an int8 input the usual range that it spans nearly, or else that of pixel values less 128."""
    if _unscaled(source) or not source.quantization.scale:
        return "0..1"
    ((low, high),) = _spanned(source)
    for name in USUAL:
        ((black, white),) = ends_of(name)
        if max(abs(black - low), abs(white - high)) <= NEAR * (white - black):
            return name
    return AS_INT8


def _others(name: str, source: TensorInfo, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The pixel range, and others that the model may have been trained on; "" for unscaled pixels."""
    if _unscaled(source):
        return ("",)
    return tuple(dict.fromkeys((*candidates(name, shape[2:]), *([AS_INT8] if source.dtype == "int8" else []))))


def _spanned(source: TensorInfo) -> Ends:
    """The values that an int8 input can have."""
    scale, zero_point = source.quantization.scale, source.quantization.zero_point
    return (((-128 - zero_point) * scale, (127 - zero_point) * scale),)


def _ends(name: str, source: TensorInfo, shape: tuple[int, ...]) -> Ends:
    """The values of black and white in a pixel range, for an input of pictures of this shape."""
    if name == AS_INT8:
        if source.dtype != "int8":
            raise UsageError(f"--pixel-range: {AS_INT8} is for an int8 input, received {source}")
        return _spanned(source)
    ends = ends_of(name)
    if len(ends) not in (1, *shape[2:]):
        raise UsageError(f"--pixel-range: expected one range, for one channel ({source}), received {name}")
    return ends


def _in_words(name: str, ends: Ends) -> str:
    return name if name != AS_INT8 else f"{name} ({ends[0][0]:.3g}..{ends[0][1]:.3g} by its quantization)"


def _try(spec: TensorSpec, infer: Inference, where: str) -> npt.NDArray[Any]:
    """The model's dequantized outputs float32[N, C] for black, white and noise."""
    pictures = probes(spec.shape)[: spec.chunk if spec.any_batch else 1]
    try:
        raw = infer(spec.feed(pictures))
    except Exception as error:  # of either runtime
        raise BundleError(f"{where}: it cannot be run: {reason_of(error)}") from None
    count = len(pictures)
    if raw.dtype not in (np.float32, np.int8, np.uint8) or raw.ndim != 2 or len(raw) != count or raw.shape[1] < 2:
        raise BundleError(
            f"{where}: expected an output [N, classes] of two classes or more, "
            f"received {raw.dtype}{list(raw.shape)} for {count} pictures"
        )
    return replace(spec, logits=False).predict(infer, probes(spec.shape))


def _kind(answers: npt.NDArray[Any], quantization: Quantization, where: str) -> str:
    """What the answers are: `probabilities`, which may be rounded, or `logits`, or what is taken for logits."""
    answers = answers[np.isfinite(answers).all(axis=1)]  # some divide by the contrast of a picture: black has none
    if not len(answers):
        raise BundleError(f"{where}: expected finite numbers for black, white and noise, received NaN or infinity")
    step = quantization.scale or float(min(np.diff(np.unique(answers)), default=0))  # float, perhaps dequantized
    try:
        return kind_of(answers, step if step <= COARSEST else 0)
    except ValueError:
        return "logits" if answers.max() <= 0 else "scores from 0 to 1 that do not add up to 1, taken for logits,"


def _listed(tensors: Sequence[TensorInfo]) -> str:
    return " and ".join(map(str, tensors)) or "none"

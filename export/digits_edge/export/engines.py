"""Run a model file on pixels: ONNX through `digits_edge.runtime` itself, TFLite through ai-edge-litert.

The same TFLite file can be run by TensorFlow Lite for Microcontrollers, too, as a microcontroller would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import BundleError, first_line
from digits_edge.trainer.quiet import muted

from .form import Form, Pixels, Probabilities, Quantization

Engine = Callable[[Pixels], Probabilities]  # uint8[N, H, W(, 3)] -> float32[N, C]

MAX_ARENA: Final = 2**26  # bytes; no microcontroller has more
ARENA_STEP: Final = 16  # bytes, as TensorFlow Lite for Microcontrollers aligns its buffers


def open_engine(data: bytes, name: str) -> Engine:
    """What answers for a model file of ours, by its name.

    Raises:
        BundleError: the file cannot be loaded.
    """
    return (
        TfliteModel.load(data, name).predict_proba if name.endswith(".tflite") else Classifier(data, name).predict_proba
    )


def open_interpreter(data: bytes, where: str) -> Any:
    """LiteRT's interpreter on one thread.

    Raises:
        BundleError: LiteRT cannot load the flatbuffer; `where` begins the message.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        with muted():  # it says on stderr that it uses XNNPACK
            interpreter = Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{where}: LiteRT cannot load it: {first_line(error)}") from None
    return interpreter


def run_interpreter(interpreter: Any, ready: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The only output tensor for an only input tensor of LiteRT's interpreter."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], ready)
    interpreter.invoke()
    output: npt.NDArray[Any] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite model of ours: one picture in, logits out.

    Attributes:
        form: input int8 or float32[1, H, W, C] in [0, 1], output int8 or float32[1, C] logits.
    """

    form: Form
    _interpreter: Any

    @classmethod
    def load(cls, data: bytes, where: str) -> TfliteModel:
        """Load a flatbuffer on one thread.

        Raises:
            BundleError: it is no TFLite model of ours.
        """
        interpreter = open_interpreter(data, where)
        (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
        into, out = Quantization(*source["quantization"]), Quantization(*sink["quantization"])
        if into.scale and (abs(into.scale * 255 - 1) > 1e-6 or into.zero_point != -128):
            raise BundleError(f"{where}: expected an int8 input of scale 1/255 and zero point -128, received {into}")
        return cls(_our_form(source["shape"], into, out), interpreter)

    @property
    def input(self) -> Quantization:
        """Quantization of the input."""
        return self.form.input

    @property
    def output(self) -> Quantization:
        """Quantization of the output."""
        return self.form.output

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.form.probabilities(self.logits(pixels))

    def logits(self, pixels: Pixels) -> npt.NDArray[Any]:
        """Logits int8 or float32[N, C] of the same, as the model has them."""
        return self.form.outputs(lambda ready: run_interpreter(self._interpreter, ready), pixels)


@dataclass(frozen=True)
class MicroModel:
    """A TFLite model of ours under TensorFlow Lite for Microcontrollers.

    It computes as a microcontroller does, with the reference kernels of a desktop: its answers count, not its time.

    Attributes:
        form: as of `TfliteModel`.
        arena_bytes: the smallest tensor arena in which it runs, in steps of 16 bytes. That is on this machine: where
            pointers have 32 bits, the part of it that holds structures takes less.
    """

    form: Form
    arena_bytes: int
    _interpreter: Any

    @staticmethod
    def available() -> bool:
        """Whether tflite-micro is installed, which has wheels for few systems."""
        return find_spec("tflite_micro") is not None

    @classmethod
    def load(cls, data: bytes, where: str) -> MicroModel:
        """Load a flatbuffer into the smallest arena that will do.

        Raises:
            BundleError: TensorFlow Lite for Microcontrollers cannot run it.
        """
        with muted():  # it tells of each arena that is too small
            arena, interpreter = _smallest_arena(data, where)
        source, sink = interpreter.get_input_details(0), interpreter.get_output_details(0)
        return cls(_our_form(source["shape"], _per_tensor(source), _per_tensor(sink)), arena, interpreter)

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.form.predict(self._run, pixels)

    def _run(self, ready: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self._interpreter.set_input(ready, 0)
        self._interpreter.invoke()
        output: npt.NDArray[Any] = self._interpreter.get_output(0)
        return output


def _our_form(shape: npt.NDArray[np.int32], into: Quantization, out: Quantization) -> Form:
    """The form of [1, H, W, C] in the contract."""
    picture = tuple(int(side) for side in shape[1 : 3 if shape[3] == 1 else 4])
    return Form(picture, "HWC", "int8" if into.scale else "float32", into, out, any_batch=False)


def _per_tensor(details: dict[str, Any]) -> Quantization:
    """A tensor's quantization as TensorFlow Lite for Microcontrollers has it."""
    found = details["quantization_parameters"]
    return Quantization(*(found[key][0].item() if len(found[key]) else 0 for key in ("scales", "zero_points")))


def _smallest_arena(data: bytes, where: str) -> tuple[int, Any]:
    """By bisection: the size of the arena in bytes, and an interpreter that has run in it."""
    from tflite_micro import runtime

    def run_in(arena: int) -> Any:
        interpreter = runtime.Interpreter.from_bytes(data, arena_size=arena)
        details = interpreter.get_input_details(0)
        interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
        interpreter.invoke()
        return interpreter

    low, high = 0, MAX_ARENA // ARENA_STEP  # too small, enough
    try:
        found = run_in(high * ARENA_STEP)
    except Exception as error:  # struct's for bytes that are no flatbuffer, RuntimeError for unknown operators
        raise BundleError(f"{where}: TensorFlow Lite for Microcontrollers cannot run it: {first_line(error)}") from None
    while high - low > 1:
        middle = (low + high) // 2
        try:
            found = run_in(middle * ARENA_STEP)
            high = middle
        except RuntimeError:
            low = middle
    return high * ARENA_STEP, found

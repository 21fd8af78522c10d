"""Run int8 TFLite models as TensorFlow Lite for Microcontrollers would."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.silence import muted
from digits_edge.runtime.errors import BundleError, first_line

from .litert import our_tensor_spec
from .tensor_spec import Pixels, Probabilities, Quantization, TensorSpec

MAX_ARENA: Final = 2**26  # bytes; no microcontroller has more
ARENA_STEP: Final = 16  # bytes, as TensorFlow Lite for Microcontrollers aligns its buffers


@dataclass(frozen=True)
class MicroModel:
    """A TFLite model of ours under TensorFlow Lite for Microcontrollers.

    It computes as a microcontroller does, with the reference kernels of a desktop: its answers count, not its time.

    Attributes:
        form: as of `TfliteModel`.
        arena_bytes: the smallest tensor arena in which it runs, in steps of 16 bytes. That is on this machine: where
            pointers have 32 bits, the part of it that holds structures takes less.
    """

    form: TensorSpec
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
        return cls(our_tensor_spec(source["shape"], _per_tensor(source), _per_tensor(sink)), arena, interpreter)

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.form.predict(self._run, pixels)

    def _run(self, ready: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self._interpreter.set_input(ready, 0)
        self._interpreter.invoke()
        output: npt.NDArray[Any] = self._interpreter.get_output(0)
        return output


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


def run_tflm(data: bytes, pixels: Pixels) -> tuple[Probabilities, int]:
    """Run an int8 TFLite model, in a process of its own: some models end it without a word.

    Returns:
        Probabilities float32[N, C], and the arena in bytes.

    Raises:
        BundleError: TensorFlow Lite for Microcontrollers cannot run it.
    """
    model = MicroModel.load(data, "model.int8.tflite")
    return model.predict_proba(pixels), model.arena_bytes

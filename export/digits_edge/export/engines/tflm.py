"""Run TFLite models with TensorFlow Lite for Microcontrollers, as a microcontroller would."""

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
    """A TFLite model that digits-edge exported, under TensorFlow Lite for Microcontrollers.

    Its answers are those of a microcontroller. Its time is not: a desktop runs the reference kernels. Nor is its arena:
    where pointers have 32 bits, the structures in it take less.
    """

    spec: TensorSpec  # as in `TfliteModel`
    arena_bytes: int  # the smallest tensor arena that is enough on this machine, in steps of 16 bytes
    _interpreter: Any

    @staticmethod
    def available() -> bool:
        """Whether tflite-micro is installed, which has wheels for few systems."""
        return find_spec("tflite_micro") is not None

    @classmethod
    def load(cls, data: bytes, where: str) -> MicroModel:
        """Load a flatbuffer into the smallest arena that is enough; a BundleError with `where` if it cannot run."""
        with muted():  # it reports every arena that is too small
            arena, interpreter = _smallest_arena(data, where)
        source, sink = interpreter.get_input_details(0), interpreter.get_output_details(0)
        return cls(our_tensor_spec(source["shape"], _per_tensor(source), _per_tensor(sink)), arena, interpreter)

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]: softmax of the logits."""
        return self.spec.predict(self._infer, pixels)

    def _infer(self, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self._interpreter.set_input(tensor, 0)
        self._interpreter.invoke()
        output: npt.NDArray[Any] = self._interpreter.get_output(0)
        return output


def _per_tensor(details: dict[str, Any]) -> Quantization:
    """The quantization in a description by TensorFlow Lite for Microcontrollers."""
    found = details["quantization_parameters"]
    return Quantization(*(found[key][0].item() if len(found[key]) else 0 for key in ("scales", "zero_points")))


def _smallest_arena(data: bytes, where: str) -> tuple[int, Any]:
    """Find the smallest arena by bisection: its size in bytes, and an interpreter that has run in it."""
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
    """Class probabilities float32[N, C] by an int8 TFLite model, and the size of its arena in bytes.

    Call it in a process of its own, because some models crash it.
    """
    model = MicroModel.load(data, "model.int8.tflite")
    return model.predict_proba(pixels), model.arena_bytes

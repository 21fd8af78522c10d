"""How pixels become a model's input tensor, and its output probabilities.

Nothing but numpy is imported, so that a process in which a runtime is measured pays for that runtime alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import softmax

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Run = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]  # a model's input tensor -> its output tensor
Engine = Callable[[Pixels], Probabilities]  # uint8[N, H, W(, 3)] -> float32[N, C]
Layout = Literal["HW", "HWC", "CHW"]

PIXEL_RANGES: Final = {"0..1": (0.0, 1.0), "0..255": (0.0, 255.0), "-1..1": (-1.0, 1.0)}
CHUNK: Final = 64  # pictures a model sees at once: bounds the memory of its activations


@dataclass(frozen=True)
class Quantization:
    """real = scale x (q - zero_point); (0, 0) stands for a tensor that is not quantized, as in TFLite itself."""

    scale: float
    zero_point: int


NOT_QUANTIZED: Final = Quantization(0.0, 0)


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes and gives.

    Attributes:
        shape: of a picture, (H, W) or (H, W, 3).
        layout: of a picture in the input tensor: without channels, or where they stand.
        dtype: of the input: `float32`, `int8`, or `uint8`, which takes pixels as they are.
        input: quantization of the input.
        output: quantization of the output.
        pixel_range: what pixel values 0 and 255 stand for, e.g. (0.0, 1.0); of no meaning for uint8.
        any_batch: whether it takes any number of pictures, else one.
        logits: whether it gives logits, else probabilities.
    """

    shape: tuple[int, ...]
    layout: Layout
    dtype: str
    input: Quantization = NOT_QUANTIZED
    output: Quantization = NOT_QUANTIZED
    pixel_range: tuple[float, float] = (0.0, 1.0)
    any_batch: bool = True
    logits: bool = True

    def to_text(self) -> str:
        """For the command line of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> TensorSpec:
        """Read what `to_text` wrote."""
        known = json.loads(text)
        for key in ("input", "output"):
            known[key] = Quantization(**known[key])
        for key in ("shape", "pixel_range"):
            known[key] = tuple(known[key])
        return cls(**known)

    @cached_property
    def table(self) -> npt.NDArray[Any]:
        """What each of the 256 values of a pixel becomes, in `dtype`."""
        values = np.arange(256)
        low, high = self.pixel_range
        real = low + values / 255 * (high - low)
        if self.dtype == "float32":
            return real.astype(np.float32)
        if self.dtype == "uint8":
            return values.astype(np.uint8)
        steps = np.rint(real / self.input.scale) + self.input.zero_point if self.input.scale else values - 128.0
        return np.asarray(np.clip(steps, -128, 127), np.int8)

    def feed(self, pixels: Pixels) -> npt.NDArray[Any]:
        """The input tensor of uint8[N, H, W] or uint8[N, H, W, 3]."""
        ready: npt.NDArray[Any] = pixels if self.dtype == "uint8" else self.table[pixels]
        if self.layout == "HW":
            return ready
        if ready.ndim == 3:
            return ready[..., None] if self.layout == "HWC" else ready[:, None]
        return ready if self.layout == "HWC" else np.ascontiguousarray(ready.transpose(0, 3, 1, 2))

    def probabilities(self, output: npt.NDArray[Any]) -> Probabilities:
        """float32[N, C] of an output tensor."""
        real = output.astype(np.float32)
        if self.output.scale:
            real = (real - self.output.zero_point) * np.float32(self.output.scale)
        return softmax(real) if self.logits else real

    def outputs(self, run: Run, pixels: Pixels) -> npt.NDArray[Any]:
        """The output tensors [N, C] of uint8[N, H, W] or uint8[N, H, W, 3], N at least 1, as the model has them.

        Args:
            run: the model.
            pixels: of any number of pictures; the model sees as many at once as it takes, 64 at most.
        """
        outputs = []
        for start in range(0, len(pixels), CHUNK):
            ready = self.feed(pixels[start : start + CHUNK])
            outputs += [run(ready)] if self.any_batch else [run(ready[row : row + 1]) for row in range(len(ready))]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def predict(self, run: Run, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of the same."""
        return self.probabilities(self.outputs(run, pixels))

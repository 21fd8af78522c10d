"""How pixels become a model's input tensor, and how its output tensor becomes probabilities.

Only numpy is imported, so that a process in which a runtime is measured pays for that runtime alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from digits_edge.common.numerics import softmax

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Inference = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]  # a model's input tensor -> its output tensor
Engine = Callable[[Pixels], Probabilities]  # uint8[N, H, W(, 3)] -> float32[N, C]
Layout = Literal["HW", "HWC", "CHW"]

CHUNK: Final = 64  # pictures per inference, which bounds the memory of the activations;
CHUNK_VALUES: Final = 2**20  # and their values, for large pictures


@dataclass(frozen=True)
class Quantization:
    """real = scale x (q - zero_point). As in TFLite, (0, 0) stands for a tensor that is not quantized."""

    scale: float
    zero_point: int


NOT_QUANTIZED: Final = Quantization(0.0, 0)


@dataclass(frozen=True)
class TensorSpec:
    """A model's input and output tensors."""

    shape: tuple[int, ...]  # of a picture, (H, W) or (H, W, 3)
    layout: Layout  # order of the axes of a picture in the input tensor
    dtype: str  # of the input: `float32`, `int8`, or `uint8`, which takes pixels unscaled
    input: Quantization = NOT_QUANTIZED
    output: Quantization = NOT_QUANTIZED
    pixel_range: tuple[tuple[float, float], ...] = ((0.0, 1.0),)  # the real values that pixels 0 and 255 stand for,
    # once or for each channel; ignored for uint8
    any_batch: bool = True  # whether the model takes any number of pictures at once; otherwise it takes one
    logits: bool = True  # whether the output is logits; otherwise it is probabilities

    def to_text(self) -> str:
        """As JSON, for the command line of another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> TensorSpec:
        """Read what `to_text` wrote."""
        known = json.loads(text)
        tuples = {"shape": tuple(known["shape"]), "pixel_range": tuple(map(tuple, known["pixel_range"]))}
        return cls(**known | tuples | {key: Quantization(**known[key]) for key in ("input", "output")})

    @cached_property
    def chunk(self) -> int:
        """Pictures per inference."""
        return max(1, min(CHUNK, CHUNK_VALUES // math.prod(self.shape)))

    @cached_property
    def pixel_values(self) -> npt.NDArray[Any]:
        """The input value of each of the 256 pixel values, [256] or [256, 3] of `dtype`."""
        values = np.arange(256) if len(self.pixel_range) == 1 else np.arange(256)[:, None]
        low, high = np.array(self.pixel_range).T
        real = low + values / 255 * (high - low)
        if self.dtype == "float32":
            return np.asarray(real, np.float32)
        if self.dtype == "uint8":
            return np.asarray(values, np.uint8)
        steps = np.rint(real / self.input.scale) + self.input.zero_point if self.input.scale else values - 128.0
        return np.asarray(np.clip(steps, -128, 127), np.int8)

    def feed(self, pixels: Pixels) -> npt.NDArray[Any]:
        """The input tensor of uint8[N, H, W] or uint8[N, H, W, 3]."""
        ready: npt.NDArray[Any] = pixels
        if self.dtype != "uint8":
            values = self.pixel_values
            ready = values[pixels] if values.ndim == 1 else values[pixels, np.arange(3)]
        if self.layout == "HW":
            return ready
        if ready.ndim == 3:
            return ready[..., None] if self.layout == "HWC" else ready[:, None]
        return ready if self.layout == "HWC" else np.ascontiguousarray(ready.transpose(0, 3, 1, 2))

    def probabilities(self, output: npt.NDArray[Any]) -> Probabilities:
        """Class probabilities float32[N, C] of an output tensor [N, C]."""
        real = output.astype(np.float32)
        if self.output.scale:
            real = (real - self.output.zero_point) * np.float32(self.output.scale)
        return softmax(real) if self.logits else real

    def outputs(self, infer: Inference, pixels: Pixels) -> npt.NDArray[Any]:
        """The output tensor [N, C] of N > 0 pictures uint8[N, H, W] or uint8[N, H, W, 3], in the model's own type."""
        outputs = []
        for start in range(0, len(pixels), self.chunk):
            ready = self.feed(pixels[start : start + self.chunk])
            outputs += [infer(ready)] if self.any_batch else [infer(ready[row : row + 1]) for row in range(len(ready))]
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def predict(self, infer: Inference, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
        return self.probabilities(self.outputs(infer, pixels))

"""An int8 network as plain numbers, with its arithmetic: the source of the C and web formats.

Values are held as uint8, q + 128. A pixel is then its own value, since the input's zero point is -128, and padding is
filled with the zero point. A layer's sum is brought to the next layer's scale by a fixed-point multiplication that is
rounded once, to nearest and half up. This follows TFLite's int8 specification with TFLITE_SINGLE_ROUNDING, and equals
LiteRT's own kernels except for ties. (TensorFlow Lite for Microcontrollers rounds twice, and differs from both by up to
two steps of a logit.)

Source: ai.google.dev/edge/litert/models/quantization_spec, and B. Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Shape = tuple[int, int, int]  # height, width, channels
Pair = tuple[int, int]  # down, across
Values = npt.NDArray[np.uint8]  # [N, height, width, channels]
Logits = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.int8]]  # uint8[N, H, W(, 3)] -> int8[N, C]

CHUNK: Final = 64  # pictures at once
LARGEST_SHIFT: Final = 62


@dataclass(frozen=True)
class Multiplier:
    """A positive real factor, value x 2^-shift: value from 2^30 to 2^31 - 1, shift from 1 to 62; zero is (0, 1)."""

    value: int
    shift: int

    @classmethod
    def of(cls, factor: float) -> Multiplier:
        """The nearest multiplier to a factor; ValueError for 2^30 or more, which no valid scales give."""
        fraction, exponent = math.frexp(factor)
        value = round(fraction * 2**31)
        if value == 2**31:
            value, exponent = value // 2, exponent + 1
        if not value or exponent < 31 - LARGEST_SHIFT:
            return cls(0, 1)
        if exponent > 30:
            raise ValueError(f"a factor of {factor:g} between two scales")
        return cls(value, 31 - exponent)


@dataclass(frozen=True)
class Requantization:
    """How a layer's sums become values of its output's scale."""

    multipliers: tuple[Multiplier, ...]  # one per channel, or one for all channels
    zero: int  # the value that stands for 0
    low: int = 0  # the least value that the activation leaves
    high: int = 255  # the greatest value that the activation leaves

    def __call__(self, sums: npt.NDArray[np.int64]) -> Values:
        """Values uint8[..., C] of sums int64[..., C]."""
        value = np.array([m.value for m in self.multipliers], np.int64)
        shift = np.array([m.shift for m in self.multipliers], np.int64)
        scaled = (sums * value + (np.int64(1) << (shift - 1))) >> shift
        return np.asarray((scaled + self.zero).clip(self.low, self.high), np.uint8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer(ABC):
    """A function of values that looks at them through a sliding window."""

    name: str
    source: Shape  # of its input
    shape: Shape  # of its output
    kernel: Pair = (1, 1)  # size of the window
    stride: Pair = (1, 1)  # steps of the window
    padding: Pair = (0, 0)  # rows above the first row, and columns before the first column
    fill: int = 0  # value of the padding

    @property
    def macs(self) -> int:
        """Multiplications per picture."""
        return 0

    @abstractmethod
    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""

    @property
    def padded(self) -> tuple[Pair, Pair]:
        """Padding rows above and below the input, and padding columns before and after it."""
        down, across = (
            (before, max(0, (made - 1) * step + window - before - side))
            for before, made, step, window, side in zip(
                self.padding, self.shape[:2], self.stride, self.kernel, self.source[:2], strict=True
            )
        )
        return down, across

    def windows(self, values: Values) -> Values:
        """All windows of an input, uint8[N, height, width, channels, down, across] of uint8[N, *source]."""
        framed = np.pad(values, ((0, 0), *self.padded, (0, 0)), constant_values=self.fill)
        windows = np.lib.stride_tricks.sliding_window_view(framed, self.kernel, axis=(1, 2))
        height, width = self.shape[:2]
        return windows[:, :: self.stride[0], :: self.stride[1]][:, :height, :width]


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Layer):
    """A convolution, or a dense layer as a convolution with a kernel as large as its input.

    Its padding is filled with the zero point of its input.
    """

    weights: npt.NDArray[np.int8]  # [O, kernel down, kernel across, channels of the source]
    bias: npt.NDArray[np.int32]  # [O], less `fill` times the sum of the weights
    requantization: Requantization  # with a multiplier per channel

    @property
    def macs(self) -> int:
        """Multiplications per picture."""
        return self.shape[0] * self.shape[1] * self.weights.size

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        windows = self.windows(values)
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)
        filters = self.weights.reshape(len(self.weights), -1)
        # in float64, whose 53 bits hold these sums exactly, because numpy has no fast matrix product of integers
        sums = np.asarray(patches.astype(np.float64) @ filters.T.astype(np.float64), np.int64)
        return self.requantization(sums + self.bias)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Layer):
    """The largest value of each window; its padding is 0, which is never the largest."""

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        return np.asarray(self.windows(values).max(axis=(4, 5)), np.uint8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Layer):
    """The mean of each channel; its kernel is as large as its input."""

    bias: int  # added to each sum, it takes the zero point of the input away from every value
    requantization: Requantization  # its only multiplier also divides by the number of values

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        return self.requantization(values.astype(np.int64).sum(axis=(1, 2), keepdims=True) + self.bias)


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Layer):
    """A lookup table for single values, such as one that brings pixels to another range."""

    entries: npt.NDArray[np.uint8]  # [256]

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        return np.asarray(self.entries[values])


@dataclass(frozen=True, eq=False, kw_only=True)
class Copy(Layer):
    """A copy of the picture, made where the picture has to be padded."""

    def __call__(self, values: Values) -> Values:
        """Output uint8[N, *shape] of an input uint8[N, *source]."""
        return values


@dataclass(frozen=True, eq=False)
class Int8Network:
    """A sequence of layers, each of which reads the output of the one before; the last makes logits (1, 1, C)."""

    layers: tuple[Layer, ...]

    @property
    def shape(self) -> Shape:
        """Shape of a picture."""
        return self.layers[0].source

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.layers[-1].shape[2]

    @property
    def macs(self) -> int:
        """Multiplications per picture."""
        return sum(layer.macs for layer in self.layers)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
        """Logits int8[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
        answers = []
        for start in range(0, len(pixels), CHUNK):
            values = pixels[start : start + CHUNK].reshape(-1, *self.shape)
            for layer in self.layers:
                values = layer(values)
            answers.append((values.reshape(len(values), -1).astype(np.int16) - 128).astype(np.int8))
        return np.concatenate(answers)

"""An int8 network as plain numbers, with its arithmetic: what the C and web formats are written from.

Values are held as uint8, q + 128: a pixel is its own value, since the input's zero point is -128, and a padded zero is
the zero point. A layer's sum comes to the next layer's scale by a fixed-point multiplication that is rounded once, to
nearest and half up; that is TFLite's int8 specification with TFLITE_SINGLE_ROUNDING, and what LiteRT's own kernels come
to but for ties. (TensorFlow Lite for Microcontrollers rounds twice, and is up to two steps of a logit away from both.)

Source: ai.google.dev/edge/litert/models/quantization_spec, and B. Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", 2018.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Shape = tuple[int, int, int]  # height, width, channels
Pair = tuple[int, int]  # down, across
Values = npt.NDArray[np.uint8]  # [N, height, width, channels]

CHUNK: Final = 64  # pictures at once
LARGEST_SHIFT: Final = 62


@dataclass(frozen=True)
class Multiplier:
    """A positive real factor, as value x 2^-shift: value from 2^30 to 2^31 - 1, shift from 1 to 62; or 0 and 1."""

    value: int
    shift: int

    @classmethod
    def of(cls, factor: float) -> Multiplier:
        """The nearest.

        Raises:
            ValueError: it is 2^30 or more, as no sane scales come to.
        """
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
class Result:
    """What becomes of a layer's sums.

    Attributes:
        multipliers: one for each channel, or one for all.
        zero: the value that stands for 0.
        low: the least value, by the activation.
        high: the greatest.
    """

    multipliers: tuple[Multiplier, ...]
    zero: int
    low: int = 0
    high: int = 255

    def of(self, sums: npt.NDArray[np.int64]) -> Values:
        """uint8[..., C] of sums int64[..., C]."""
        value = np.array([m.value for m in self.multipliers], np.int64)
        shift = np.array([m.shift for m in self.multipliers], np.int64)
        scaled = (sums * value + (np.int64(1) << (shift - 1))) >> shift
        return np.asarray((scaled + self.zero).clip(self.low, self.high), np.uint8)


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """What makes values of values; all layers are windows over rows and columns.

    Attributes:
        name: of the layer.
        source: shape of what it reads.
        shape: of what it makes.
        kernel, stride, padding: down and across; padding before the first row and column.
        fill: the value of what is padded.
    """

    name: str
    source: Shape
    shape: Shape
    kernel: Pair
    stride: Pair
    padding: Pair
    fill: int

    @property
    def macs(self) -> int:
        """Multiplications of one picture."""
        return 0

    @abstractmethod
    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""

    @property
    def padded(self) -> tuple[Pair, Pair]:
        """How many rows, and how many columns, are padded before and after what it reads."""
        down, across = (
            (before, max(0, (made - 1) * step + window - before - side))
            for before, made, step, window, side in zip(
                self.padding, self.shape[:2], self.stride, self.kernel, self.source[:2], strict=True
            )
        )
        return down, across

    def windows(self, values: Values) -> Values:
        """uint8[N, height, width, channels, down, across] of uint8[N, *source]."""
        framed = np.pad(values, ((0, 0), *self.padded, (0, 0)), constant_values=self.fill)
        windows = np.lib.stride_tricks.sliding_window_view(framed, self.kernel, axis=(1, 2))
        height, width = self.shape[:2]
        return windows[:, :: self.stride[0], :: self.stride[1]][:, :height, :width]


@dataclass(frozen=True, eq=False)
class Convolution(Layer):
    """A convolution, or a dense layer, whose kernel is as large as what it reads; it is padded with its source's zero.

    Attributes:
        weights: int8[O, kernel down, kernel across, channels of the source].
        bias: int32[O], from which `fill` times the sum of the weights was taken.
        result: of its sums, a multiplier for each channel.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    result: Result

    @property
    def macs(self) -> int:
        """Multiplications of one picture."""
        return self.shape[0] * self.shape[1] * self.weights.size

    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""
        windows = self.windows(values)
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(*windows.shape[:3], -1)
        filters = self.weights.reshape(len(self.weights), -1)
        # in float64, whose 53 bits hold these sums, since numpy has no fast product of integers
        sums = np.asarray(patches.astype(np.float64) @ filters.T.astype(np.float64), np.int64)
        return self.result.of(sums + self.bias)


@dataclass(frozen=True, eq=False)
class MaxPool(Layer):
    """The largest of each window; it is padded with 0, which is never the largest."""

    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""
        return np.asarray(self.windows(values).max(axis=(4, 5)), np.uint8)


@dataclass(frozen=True, eq=False)
class Mean(Layer):
    """The mean of each channel: its kernel is as large as what it reads.

    Attributes:
        bias: what is added to each sum, its source's zero taken away from every value.
        result: of the sums; its only multiplier divides them by their number, too.
    """

    bias: int
    result: Result

    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""
        return self.result.of(values.astype(np.int64).sum(axis=(1, 2), keepdims=True) + self.bias)


@dataclass(frozen=True, eq=False)
class Table(Layer):
    """Each value by itself, such as a pixel's into another range.

    Attributes:
        entries: uint8[256].
    """

    entries: npt.NDArray[np.uint8]

    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""
        return np.asarray(self.entries[values])


@dataclass(frozen=True, eq=False)
class Copy(Layer):
    """The picture itself, where a place to pad it in is needed."""

    def __call__(self, values: Values) -> Values:
        """uint8[N, *shape] of uint8[N, *source]."""
        return values


@dataclass(frozen=True, eq=False)
class Int8Network:
    """Layers, each of which reads what the one before it makes; the last one makes the logits, of shape (1, 1, C)."""

    layers: tuple[Layer, ...]

    @property
    def shape(self) -> Shape:
        """Of a picture."""
        return self.layers[0].source

    @property
    def classes(self) -> int:
        """How many logits."""
        return self.layers[-1].shape[2]

    @property
    def macs(self) -> int:
        """Multiplications of one picture."""
        return sum(layer.macs for layer in self.layers)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
        """int8[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
        chunks = [pixels[start : start + CHUNK] for start in range(0, len(pixels), CHUNK)]
        return np.concatenate([self._logits(chunk.reshape(-1, *self.shape)) for chunk in chunks])

    def _logits(self, values: Values) -> npt.NDArray[np.int8]:
        for layer in self.layers:
            values = layer(values)
        return (values.reshape(len(values), -1).astype(np.int16) - 128).astype(np.int8)

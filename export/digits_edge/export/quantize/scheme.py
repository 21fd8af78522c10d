"""A quantization scheme: one way to make an int8 model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..convert.keras_model import KerasModelFile

Method = Literal["min-max", "entropy", "percentile"]
Weights = Literal["7-bit", "8-bit"]


@dataclass(frozen=True)
class Scheme:
    """How a float model is quantized."""

    network: KerasModelFile  # a changed copy of the exported one where a remedy changed its weights
    method: Method = "min-max"  # how calibration takes the ranges of activations
    pictures: int = 512  # for calibration
    weights: Weights = "7-bit"  # int8, saturates on no CPU, see `onnx_quantizer`; 8-bit: uint8, finer and slower
    in_float: tuple[str, ...] = ()  # nodes of the graph that stay in float

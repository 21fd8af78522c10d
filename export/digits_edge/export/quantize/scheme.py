"""A quantization scheme: one way to make an int8 model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..convert.keras_model import KerasModelFile

Method = Literal["min-max", "entropy", "percentile"]
Weights = Literal["7-bit", "8-bit"]


@dataclass(frozen=True)
class Scheme:
    """How a float model is quantized.

    Attributes:
        network: The float model; a changed copy of the exported one where a remedy changed its weights.
        method: How calibration takes the ranges of activations.
        pictures: Number of calibration pictures.
        weights: 7-bit weights are int8 and saturate on no CPU, see `onnx_quantizer`; 8-bit weights are uint8, finer and
            slower.
        in_float: Nodes of the graph that stay in float.
    """

    network: KerasModelFile
    method: Method = "min-max"
    pictures: int = 512
    weights: Weights = "7-bit"
    in_float: tuple[str, ...] = ()

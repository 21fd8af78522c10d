"""A quantization scheme: one way to make an int8 model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..convert.keras_model import KerasModelFile

Method = Literal["min-max", "entropy", "percentile"]
Weights = Literal["7-bit", "8-bit"]


@dataclass(frozen=True)
class Scheme:
    """How a float model becomes an int8 one.

    Attributes:
        network: the float model; not the one to export where a remedy changed its weights.
        method: how the ranges of activations are taken from what calibration pictures make of them.
        pictures: how many of those.
        weights: int8 weights of 7 bits saturate on no CPU (see `to_onnx`); 8-bit ones are uint8, finer and slower.
        in_float: nodes of the graph that stay float.
    """

    network: KerasModelFile
    method: Method = "min-max"
    pictures: int = 512
    weights: Weights = "7-bit"
    in_float: tuple[str, ...] = field(default=())

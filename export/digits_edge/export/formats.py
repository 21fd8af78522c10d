"""The formats that an export can have."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """A format of the bundle; its value is what the command line calls it."""

    ONNX = "onnx"
    TFLITE = "tflite"
    C = "c"
    WEB = "web"


MODELS: Final = (Format.ONNX, Format.TFLITE)
TRANSLATIONS: Final = (Format.C, Format.WEB)  # written from the int8 TFLite model

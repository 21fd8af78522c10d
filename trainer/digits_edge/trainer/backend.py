"""Keras with the backend it computes on, imported when it is needed and not before: that takes seconds."""

from __future__ import annotations

import importlib
import os
from typing import Any

from .quiet import muted


def import_keras() -> Any:
    """The keras module, on the backend that `KERAS_BACKEND` or Keras's own settings name."""
    # TensorFlow tells of its CPU kernels and of the GPU it did not find before any log level is heeded.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with muted():
        return importlib.import_module("keras")


def device() -> str:
    """The first device that Keras's backend computes on, e.g. `cpu:0`."""
    with muted():
        return str(import_keras().distribution.list_devices()[0]).lower()

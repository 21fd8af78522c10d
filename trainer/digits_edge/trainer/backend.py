"""Keras with the backend it computes on, imported when it is needed and not before: that takes seconds."""

from __future__ import annotations

import importlib
import os
from typing import Any

from digits_edge.runtime.errors import UsageError, first_line

from .quiet import muted


def import_keras() -> Any:
    """The keras module, on the backend that `KERAS_BACKEND` or Keras's own settings name.

    Raises:
        UsageError: `KERAS_BACKEND` names one that is not there.
    """
    # TensorFlow tells of its CPU kernels and of the GPU it did not find before any log level is heeded.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with muted():
            return importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        backend = os.environ.get("KERAS_BACKEND")
        if backend is None or getattr(error, "name", None) == "keras":
            raise
        raise UsageError(f"KERAS_BACKEND={backend}: Keras cannot use it: {first_line(error)}") from None


def device() -> str:
    """The first device that Keras's backend computes on, e.g. `cpu:0`."""
    with muted():
        return str(import_keras().distribution.list_devices()[0]).lower()

"""Import onnxruntime with its telemetry switched off. The rest of this room imports onnxruntime only from here.

Since version 1.29, onnxruntime's wheels for Linux and macOS start a thread when they are imported. It keeps a database
in the user's home folder and sends events to the vendor. The wheels read an environment variable once, during import;
this package sets it.
If the program has imported onnxruntime earlier, the thread is already running, and only its events can be stopped.
"""

from __future__ import annotations

from typing import Final

from .errors import MissingExtra

try:
    import onnxruntime
except ModuleNotFoundError as error:
    if error.name != "onnxruntime":
        raise
    raise MissingExtra(
        "onnxruntime", "", "a model in ONNX", "where it has no wheel, load the library that make shared builds of C"
    ) from None
from onnxruntime.capi import onnxruntime_pybind11_state as _state

onnxruntime.disable_telemetry_events()

# What onnxruntime raises: classes of its own without a common base, and what pybind11 makes of other C++ exceptions.
ORT_ERRORS: Final[tuple[type[Exception], ...]] = (
    *(kind for kind in vars(_state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    RuntimeError,
    ValueError,
)

__all__ = ["ORT_ERRORS", "onnxruntime"]

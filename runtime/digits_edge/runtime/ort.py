"""onnxruntime without its telemetry; this room imports it from here alone.

From 1.29 on, onnxruntime's wheels for Linux and macOS start a thread at import that keeps a database in the user's home
and sends events to its maker. They ask the environment once, at their import. Where a program imported onnxruntime
before us the thread is there already, and only its events can be stopped.
"""

from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]

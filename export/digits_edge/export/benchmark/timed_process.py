"""Start a process for one model with one runtime, and send it requests: the other end of `timed_runtime`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from digits_edge.runtime.errors import BundleError

from ..engines.tensor_spec import Pixels, Probabilities, TensorSpec
from . import timed_runtime


class TimedProcess:
    """One runtime with one model, started and ready. It ends with this process, however this process ends.

    Raises:
        BundleError: The runtime cannot run the model, or the process failed later; the message says why.
    """

    def __init__(self, runtime: str, model: Path, spec: TensorSpec) -> None:
        # -P: import nothing from the current folder by accident
        words = [sys.executable, "-P", "-m", timed_runtime.__name__, runtime, str(model), spec.to_text()]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._stdin, self._stdout = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        try:
            self.import_seconds = float(self._receive()["import_seconds"])  # of the runtime and numpy
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.perf_counter() - started  # until the first answer, imports included

    def ask(self, request: str) -> dict[str, Any]:
        """Send `time` or `idle` and return the answer, see `timed_runtime`."""
        self._send({"do": request})
        return self._receive()

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
        raw = pixels.tobytes()
        self._send({"do": "predict", "bytes": len(raw)}, raw)
        answer = self._receive()
        probabilities = np.frombuffer(self._stdout.read(answer["bytes"]), np.float32)
        return probabilities.reshape(len(pixels), answer["classes"])

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()

    def _send(self, request: dict[str, Any], payload: bytes = b"") -> None:
        try:
            self._stdin.write(json.dumps(request).encode() + b"\n" + payload)
            self._stdin.flush()
        except BrokenPipeError:
            raise BundleError(self._how_it_ended()) from None

    def _receive(self) -> dict[str, Any]:
        line = self._stdout.readline()
        if not line:
            raise BundleError(self._how_it_ended())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BundleError(str(answer["error"]))
        return answer

    def _how_it_ended(self) -> str:
        code = self._process.wait()
        return f"its process ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"

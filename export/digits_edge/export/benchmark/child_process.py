"""A process of its own for one model with one runtime, which answers at command: the other end of `peers`."""

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
from . import timed_runtime as peers


class Child:
    """One runtime with one model, started and ready; it ends with this process, however that ends.

    Attributes:
        start_seconds: from the start of the process to its first answer.
        import_seconds: the part of it in which the runtime and numpy were imported.
    """

    def __init__(self, runtime: str, model: Path, form: TensorSpec) -> None:
        """Start it.

        Raises:
            BundleError: the runtime cannot run the model, and why.
        """
        # -P: what lies in the current folder is not to be imported by accident
        words = [sys.executable, "-P", "-m", peers.__name__, runtime, str(model), form.to_text()]
        started = time.perf_counter()
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            self.import_seconds = float(self._receive()["import_seconds"])
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.perf_counter() - started

    def ask(self, command: str) -> dict[str, Any]:
        """Its answer to `time` or `idle`, see `peers`.

        Raises:
            BundleError: it failed, and why.
        """
        self._send({"do": command})
        return self._receive()

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3].

        Raises:
            BundleError: it failed, and why.
        """
        raw = pixels.tobytes()
        self._send({"do": "predict", "bytes": len(raw)}, raw)
        answer = self._receive()
        probabilities = np.frombuffer(self._stdout.read(answer["bytes"]), np.float32)
        return probabilities.reshape(len(pixels), answer["classes"])

    def end(self) -> None:
        """Kill it; it has nothing to lose."""
        self._process.kill()
        self._process.communicate()

    @property
    def _stdout(self) -> IO[bytes]:
        return cast(IO[bytes], self._process.stdout)

    def _send(self, command: dict[str, Any], payload: bytes = b"") -> None:
        stdin = cast(IO[bytes], self._process.stdin)
        try:
            stdin.write(json.dumps(command).encode() + b"\n" + payload)
            stdin.flush()
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

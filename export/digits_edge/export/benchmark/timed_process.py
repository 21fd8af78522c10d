"""Start a process for one model with one runtime, and send it requests: the other end of `timed_runtime`."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from digits_edge.runtime.errors import BundleError

from ..engines.tensor_spec import Pixels, Probabilities, TensorSpec
from ..engines.worker import TIME_LIMIT, Child
from . import timed_runtime


class TimedProcess:
    """One runtime with one model, started and ready. It ends with this process, however this process ends.

    Raises:
        BundleError: The runtime cannot run the model, or the process failed later; the message says why.
    """

    def __init__(self, runtime: str, model: Path, spec: TensorSpec, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        started = time.perf_counter()
        arguments = [runtime, str(model), spec.to_text()]
        self._process = Child(timed_runtime.__name__, arguments, stderr=subprocess.DEVNULL)
        self.import_seconds = float(self._ask(b"")[0]["import_seconds"])  # of the runtime and numpy
        self.start_seconds = time.perf_counter() - started  # until the first answer, imports included

    def ask(self, request: str) -> dict[str, Any]:
        """Send `time` or `idle` and return the answer, see `timed_runtime`."""
        return self._ask(json.dumps({"do": request}).encode() + b"\n")[0]

    def predict_proba(self, pixels: Pixels) -> Probabilities:
        """Class probabilities float32[N, C] of uint8[N, H, W] or uint8[N, H, W, 3]."""
        raw = pixels.tobytes()
        answer, payload = self._ask(json.dumps({"do": "predict", "bytes": len(raw)}).encode() + b"\n" + raw)
        return np.frombuffer(payload, np.float32).reshape(answer["shape"])

    def end(self) -> None:
        """Kill the process."""
        self._process.end()

    def _ask(self, request: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a request, and receive the answer and the bytes that follow it."""
        try:
            with self._process.talk(self._time_limit) as (stdin, stdout):
                stdin.write(request)
                stdin.flush()
                line = stdout.readline()
                if not line.endswith(b"\n"):
                    raise EOFError
                answer: dict[str, Any] = json.loads(line)
                payload = stdout.read(size := answer.get("bytes", 0))
                if len(payload) < size:
                    raise EOFError
        except TimeoutError:
            raise BundleError(f"it took more than {self._time_limit:g} s and was stopped: see --time-limit") from None
        except EOFError as death:
            raise BundleError(f"its process died ({death}): out of memory, or a crash in the runtime") from None
        if "error" in answer:
            raise BundleError(str(answer["error"]))
        return answer, payload

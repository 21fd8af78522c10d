"""One runtime with one model in a process of its own, timed at command; `benchmark` starts it and speaks with it.

python -m digits_edge.export.benchmark.timed_runtime RUNTIME MODEL SPEC

Commands come as lines of JSON on stdin, answers go as lines of JSON to stdout; it ends with its stdin, and so with the
process that started it. Nothing is imported before the clock runs, and then the runtime and numpy alone, so that start
and memory are the runtime's own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from ..engines.tensor_spec import Pixels, Probabilities, Run, TensorSpec

    Predict = Callable[[Pixels], Probabilities]

OURS: Final = "digits_edge.runtime"
ONNXRUNTIME: Final = "onnxruntime"
ONNXRUNTIME_DEFAULTS: Final = "onnxruntime, default options"
OPENVINO: Final = "OpenVINO"
LITERT: Final = "LiteRT"
MODULES: Final = {
    OURS: "digits_edge.runtime",
    ONNXRUNTIME: "onnxruntime",
    ONNXRUNTIME_DEFAULTS: "onnxruntime",
    OPENVINO: "openvino",
    LITERT: "ai_edge_litert.interpreter",
}

BATCH: Final = 64  # pictures, where the model takes that many at once
CALLS: Final = 100  # of one picture in a turn, at most ...
LEAST_CALLS: Final = 5  # ... and at least
TURN: Final = 0.05  # seconds after which a turn of single pictures ends
BATCHES: Final = 0.03  # seconds after which no further batch begins
WARM_UP: Final = 3  # calls at the beginning of a turn that are not counted
IDLE: Final = 0.2  # seconds over which the use of the CPU is taken when there is nothing to do


def main() -> None:
    """Load, answer a first picture, and then do as told until stdin ends."""
    runtime, path, text = sys.argv[1:]
    answers = _keep_stdout()
    try:
        started = time.perf_counter()
        module = importlib.import_module(MODULES[runtime])
        imported = time.perf_counter()
        from ..engines.tensor_spec import TensorSpec

        form = TensorSpec.from_text(text)
        predict = OPENERS[runtime](module, Path(path).read_bytes(), form)
        import numpy as np

        predict(np.zeros((1, *form.shape), np.uint8))
        _send(answers, {"import_seconds": imported - started})
        _serve(predict, form, answers)
    except Exception as error:
        _send(answers, {"error": next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]})


def _keep_stdout() -> BinaryIO:
    """Stdout for our answers alone: what libraries print there goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _send(answers: BinaryIO, answer: dict[str, Any], payload: bytes = b"") -> None:
    answers.write(json.dumps(answer).encode() + b"\n" + payload)
    answers.flush()


def _serve(predict: Predict, form: TensorSpec, answers: BinaryIO) -> None:
    import numpy as np

    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, *form.shape), dtype=np.uint8)
    while line := sys.stdin.buffer.readline():
        command = json.loads(line)
        if command["do"] == "time":
            _send(answers, time_turn(predict, pictures))
            _settle()
        elif command["do"] == "idle":
            _send(answers, {"idle_cpu": _idle(predict, pictures)})
        else:  # predict
            raw = sys.stdin.buffer.read(command["bytes"])
            probabilities = predict(np.frombuffer(raw, np.uint8).reshape(-1, *form.shape))
            payload = np.ascontiguousarray(probabilities, np.float32).tobytes()
            _send(answers, {"bytes": len(payload), "classes": probabilities.shape[1]}, payload)


def time_turn(predict: Predict, pictures: Pixels) -> dict[str, Any]:
    """One turn: single pictures for a twentieth of a second, then batches.

    Args:
        predict: what is timed.
        pictures: uint8[BATCH, H, W] or uint8[BATCH, H, W, 3].

    Returns:
        `seconds` of each call, `cpu_seconds` a call, `peak_bytes` of memory so far, `batch_seconds` of each batch.
    """
    for row in range(WARM_UP):
        predict(pictures[row : row + 1])
    seconds: list[float] = []
    cpu, began = time.process_time(), time.perf_counter()
    while len(seconds) < CALLS and (len(seconds) < LEAST_CALLS or time.perf_counter() - began < TURN):
        row = len(seconds) % len(pictures)
        picture = pictures[row : row + 1]
        started = time.perf_counter()
        predict(picture)
        seconds.append(time.perf_counter() - started)
    cpu_seconds = (time.process_time() - cpu) / len(seconds)
    peak = peak_bytes()  # before the batches, whose activations take more
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_bytes": peak,
        "batch_seconds": _batches(predict, pictures),
    }


def _batches(predict: Predict, pictures: Pixels) -> list[float]:
    predict(pictures)  # a runtime may have to make room for another shape
    seconds: list[float] = []
    began = time.perf_counter()
    while not seconds or time.perf_counter() - began < BATCHES:
        started = time.perf_counter()
        predict(pictures)
        seconds.append(time.perf_counter() - started)
    return seconds


def _settle() -> None:
    """Wait until threads that spin after an answer have come to rest, for they would take the next one's cores."""
    for _ in range(50):
        cpu = time.process_time()
        time.sleep(0.01)
        if time.process_time() - cpu < 0.001:
            return


def _idle(predict: Predict, pictures: Pixels) -> float:
    """The CPUs used, 1 for one of them all the time, in the 0.2 s after an answer."""
    predict(pictures[:1])
    cpu, began = time.process_time(), time.perf_counter()
    time.sleep(IDLE)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


def peak_bytes() -> int | None:
    """The most memory that this process has had resident; None where the system does not tell.

    On Linux `ru_maxrss` would not do: a process begins with that of the one that started it.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def _open_ours(module: Any, data: bytes, _form: TensorSpec) -> Predict:
    predict: Predict = module.Classifier(data).predict_proba
    return predict


def _open_onnxruntime(module: Any, data: bytes, form: TensorSpec) -> Predict:
    options = module.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return _of_session(module.InferenceSession(data, options, providers=["CPUExecutionProvider"]), form)


def _open_onnxruntime_defaults(module: Any, data: bytes, form: TensorSpec) -> Predict:
    return _of_session(module.InferenceSession(data), form)


def _of_session(session: Any, form: TensorSpec) -> Predict:
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    return _predicting(form, lambda ready: session.run(outputs, {name: ready})[0])


def _open_openvino(module: Any, data: bytes, form: TensorSpec) -> Predict:
    # float32 as in the file: left alone, it takes bfloat16 where the CPU has that, which is another function (and where
    # there is no AMX a slower one)
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = module.Core()
    request = core.compile_model(core.read_model(data), "CPU", options).create_infer_request()
    return _predicting(form, lambda ready: request.infer({0: ready}, share_inputs=True)[0])


def _open_litert(module: Any, data: bytes, form: TensorSpec) -> Predict:
    interpreter = module.Interpreter(model_content=data, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(ready: Any) -> Any:
        interpreter.set_tensor(source, ready)
        interpreter.invoke()
        return interpreter.get_tensor(sink)

    return _predicting(form, run)


def _predicting(form: TensorSpec, run: Run) -> Predict:
    return lambda pixels: form.predict(run, pixels)


OPENERS: Final[dict[str, Callable[[Any, bytes, TensorSpec], Predict]]] = {
    OURS: _open_ours,
    ONNXRUNTIME: _open_onnxruntime,
    ONNXRUNTIME_DEFAULTS: _open_onnxruntime_defaults,
    OPENVINO: _open_openvino,
    LITERT: _open_litert,
}

if __name__ == "__main__":
    main()

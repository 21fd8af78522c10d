"""One runtime with one model in a process of its own, which `timed_process.TimedProcess` starts and talks to.

python -m digits_edge.export.benchmark.timed_runtime RUNTIME MODEL SPEC

Requests arrive as lines of JSON on stdin and are answered by lines of JSON on stdout. The process ends when its stdin
does, and so with the process that started it. Nothing is imported before the clock starts, and then only the runtime
and numpy, so that start-up time and memory are the runtime's own.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..engines.confinement import keep_stdout, limit_memory, memory_for

if TYPE_CHECKING:
    from ..engines.tensor_spec import Pixels, Probabilities, TensorSpec

    Predict = Callable[[Pixels], Probabilities]

OURS: Final = "digits_edge.runtime"
ONNXRUNTIME: Final = "onnxruntime"
ONNXRUNTIME_DEFAULTS: Final = "onnxruntime, default options"
OPENVINO: Final = "OpenVINO"
LITERT: Final = "LiteRT"

BATCH: Final = 64  # pictures in a batch, for models that take several at once
MAX_CALLS: Final = 100  # of single pictures, or of batches, in one turn
MIN_CALLS: Final = 5  # of single pictures
SINGLES_SECONDS: Final = 0.05  # after which no further single picture is timed
BATCHES_SECONDS: Final = 0.03  # after which no further batch is timed
WARM_UP: Final = 3  # calls at the start of a turn that are not counted
IDLE_SECONDS: Final = 0.2  # over which the CPU use of an idle runtime is measured


def main() -> None:
    """Load the model, run a first picture, and then answer requests until stdin ends."""
    runtime, path, text = sys.argv[1:]
    answers = keep_stdout()
    try:
        started = time.perf_counter()
        name, open_model = RUNTIMES[runtime]
        module = importlib.import_module(name)
        imported = time.perf_counter()
        from ..engines.tensor_spec import TensorSpec

        spec, data = TensorSpec.from_text(text), Path(path).read_bytes()
        limit_memory(memory_for(len(data)))
        predict = open_model(module, data, spec)
        import numpy as np

        predict(np.zeros((1, *spec.shape), np.uint8))
        _send(answers, {"import_seconds": imported - started})
        _serve(predict, spec, answers)
    except Exception as error:
        _send(answers, {"error": next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]})


def _send(answers: BinaryIO, answer: dict[str, Any], payload: bytes = b"") -> None:
    answers.write(json.dumps(answer).encode() + b"\n" + payload)
    answers.flush()


def _serve(predict: Predict, spec: TensorSpec, answers: BinaryIO) -> None:
    import numpy as np

    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, *spec.shape), dtype=np.uint8)
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if request["do"] == "time":
            _send(answers, _time_turn(predict, pictures))
            _settle()
        elif request["do"] == "idle":
            _send(answers, {"idle_cpu": _idle(predict, pictures)})
        else:  # predict
            raw = sys.stdin.buffer.read(request["bytes"])
            probabilities = predict(np.frombuffer(raw, np.uint8).reshape(-1, *spec.shape))
            payload = np.ascontiguousarray(probabilities, np.float32).tobytes()
            _send(answers, {"bytes": len(payload), "shape": probabilities.shape}, payload)


def _time_turn(predict: Predict, pictures: Pixels) -> dict[str, Any]:
    """Time single pictures for 0.05 s, then batches for 0.03 s."""
    singles, batches = pictures[:, None], pictures[None]  # an input in each row
    for single in singles[:WARM_UP]:
        predict(single)
    cpu = time.process_time()
    seconds = _time_calls(predict, singles, MIN_CALLS, SINGLES_SECONDS)
    cpu_seconds = (time.process_time() - cpu) / len(seconds)
    peak = _peak_bytes()  # before the batches, whose activations take more
    predict(pictures)  # not counted: a runtime may have to allocate for the new shape
    batch_seconds = _time_calls(predict, batches, 1, BATCHES_SECONDS)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak, "batch_seconds": batch_seconds}


def _time_calls(predict: Predict, inputs: Pixels, least: int, enough: float) -> list[float]:
    """Seconds of each call on inputs[0], inputs[1] …: `least` calls or more, until `enough` seconds have passed."""
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < MAX_CALLS and (len(seconds) < least or time.perf_counter() - began < enough):
        pixels = inputs[len(seconds) % len(inputs)]
        started = time.perf_counter()
        predict(pixels)
        seconds.append(time.perf_counter() - started)
    return seconds


def _settle() -> None:
    """Wait until threads that spin after an answer have stopped, so that they do not slow the next runtime down."""
    for _ in range(50):
        cpu = time.process_time()
        time.sleep(0.01)
        if time.process_time() - cpu < 0.001:
            return


def _idle(predict: Predict, pictures: Pixels) -> float:
    """CPUs in use during the 0.2 s after an answer; 1 is one CPU all the time."""
    predict(pictures[:1])
    cpu, began = time.process_time(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


def _peak_bytes() -> int | None:
    """Peak resident memory of this process; None where the system does not tell.

    On Linux `ru_maxrss` is wrong for this: a process inherits the peak of the one that started it.
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


def _open_ours(module: Any, data: bytes, _spec: TensorSpec) -> Predict:
    predict: Predict = module.Classifier(data).predict_proba
    return predict


def _open_onnxruntime(module: Any, data: bytes, spec: TensorSpec) -> Predict:
    # one thread, and otherwise its own defaults rather than the options of `digits_edge.runtime`
    options = module.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return _of_session(module.InferenceSession(data, options, providers=["CPUExecutionProvider"]), spec)


def _open_onnxruntime_defaults(module: Any, data: bytes, spec: TensorSpec) -> Predict:
    return _of_session(module.InferenceSession(data), spec)


def _of_session(session: Any, spec: TensorSpec) -> Predict:
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    return partial(spec.predict, lambda tensor: session.run(outputs, {name: tensor})[0])


def _open_openvino(module: Any, data: bytes, spec: TensorSpec) -> Predict:
    # float32, as in the file: by default OpenVINO computes in bfloat16 where the CPU has it, which is another function
    # (and a slower one without AMX)
    options = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    core = module.Core()
    request = core.compile_model(core.read_model(data), "CPU", options).create_infer_request()
    return partial(spec.predict, lambda tensor: request.infer({0: tensor}, share_inputs=True)[0])


def _open_litert(_module: Any, data: bytes, spec: TensorSpec) -> Predict:
    from ..engines.interpreter import inference_of, start_interpreter

    return partial(spec.predict, inference_of(start_interpreter(data)))


# The module to import, and the function that opens a model with it.
RUNTIMES: Final[dict[str, tuple[str, Callable[[Any, bytes, TensorSpec], Predict]]]] = {
    OURS: ("digits_edge.runtime", _open_ours),
    ONNXRUNTIME: ("onnxruntime", _open_onnxruntime),
    ONNXRUNTIME_DEFAULTS: ("onnxruntime", _open_onnxruntime_defaults),
    OPENVINO: ("openvino", _open_openvino),
    LITERT: ("ai_edge_litert.interpreter", _open_litert),
}

if __name__ == "__main__":
    main()

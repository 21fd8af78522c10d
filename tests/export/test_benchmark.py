"""What the models cost here, and what is said of it; never that something is fast."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from digits_edge.common.silence import muted
from digits_edge.export.benchmark import benchmark as benchmarks
from digits_edge.export.benchmark import timed_runtime
from digits_edge.export.benchmark.benchmark import benchmark
from digits_edge.export.benchmark.candidate import Candidate, Ratio
from digits_edge.export.benchmark.recommendation import recommend
from digits_edge.export.benchmark.timed_process import TimedProcess
from digits_edge.export.benchmark.timed_runtime import LITERT, ONNXRUNTIME, ONNXRUNTIME_DEFAULTS, OURS
from digits_edge.export.engines.litert import TfliteModel
from digits_edge.export.engines.model_files import open_model, open_models
from digits_edge.export.engines.tflm import MicroModel
from digits_edge.runtime import BundleError
from digits_edge.runtime.system_info import instruction_sets

RELEASED = Path(__file__).parents[2] / "artifacts/compact"
OPENVINO = [timed_runtime.OPENVINO] if importlib.util.find_spec("openvino") else []
OURS_ONNX = [OURS, ONNXRUNTIME_DEFAULTS, *OPENVINO]


@pytest.fixture(scope="module")
def measured():
    """The released bundle, measured in three rounds."""
    models = open_models(RELEASED)
    calls: list[None] = []
    result = benchmark(models.files, accuracies=models.accuracies(), rounds=3, step=lambda: calls.append(None))
    assert len(calls) == benchmarks.steps(models.files, rounds=3)
    return result


def test_every_file_is_measured_with_every_runtime_that_can_run_it(measured):
    assert [(c.file, c.runtime) for c in measured.candidates] == [
        *(("model.onnx", runtime) for runtime in OURS_ONNX),
        ("model.tflite", LITERT),
        *(("model.int8.onnx", runtime) for runtime in OURS_ONNX),
        ("model.int8.tflite", LITERT),
    ]
    assert measured.failures == ()


def test_figures_are_in_order_and_ratios_are_to_the_first(measured):
    for c in measured.candidates:
        assert 0 < c.p50_us <= c.p95_us <= c.p99_us
        assert 0 < c.import_ms < c.start_ms
        assert c.pictures_per_second > 0
        assert c.cpu_us > 0
        assert c.idle_cpu >= 0
        assert c.bytes == (RELEASED / c.file).stat().st_size
        for ratio in (c.latency, c.throughput, c.cpu):
            assert 0 < ratio.low <= ratio.median <= ratio.high
    first = measured.candidates[0]
    assert first.latency == first.throughput == first.cpu == Ratio(1, 1, 1)
    metrics = json.loads((RELEASED / "manifest.json").read_text())["metrics"]
    assert [c.accuracy for c in measured.candidates] == [metrics[c.file]["accuracy"] for c in measured.candidates]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_the_childs_own_however_much_its_parent_has():
    ballast = np.ones(400_000_000, np.uint8)
    model = open_model((RELEASED / "model.int8.tflite").read_bytes(), "model.int8.tflite")
    (only,) = benchmark([model], accuracies={}, rounds=1).candidates
    assert only.peak_bytes is not None
    assert 10_000_000 < only.peak_bytes < len(ballast)


def test_it_all_goes_into_json(measured):
    again = json.loads(json.dumps(measured.to_json()))
    assert again["threads"] == 1
    assert again["rounds"] == 3
    assert again["verdict"] == measured.verdict
    assert again["cpu"] == measured.cpu
    assert [c["latency"]["median"] for c in again["candidates"]] == [c.latency.median for c in measured.candidates]


def test_a_runtime_that_cannot_run_a_file_is_listed_with_its_reason(monkeypatch, digits_edge):
    runtimes = benchmarks.runtimes
    monkeypatch.setattr(benchmarks, "runtimes", lambda model: (*runtimes(model), LITERT))
    done = digits_edge("benchmark", RELEASED / "model.onnx", "--rounds", 1)
    assert done.code == 0, done.err
    assert "LiteRT cannot run model.onnx: " in done.out
    assert "model.onnx, LiteRT" not in done.out
    assert "Deploy model.onnx with " in done.out


def test_processes_that_die_are_one_line(monkeypatch, digits_edge):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    done = digits_edge("benchmark", RELEASED / "model.onnx", "--rounds", 1)
    assert (done.code, done.out) == (2, "")
    reason = "digits-edge: model.onnx: digits_edge.runtime cannot run it: its process died (exit code 1): out of"
    assert done.err.splitlines()[-1].startswith(reason)


def words(runtime, path):
    spec = open_models(path).files[0].spec
    return [sys.executable, "-m", timed_runtime.__name__, runtime, str(path), spec.to_text()]


@pytest.mark.parametrize("runtime", [OURS, ONNXRUNTIME, ONNXRUNTIME_DEFAULTS, *OPENVINO])
def test_every_runtime_answers_as_the_classifier_does(runtime, digits):
    model = open_models(RELEASED / "model.onnx").files[0]
    process = TimedProcess(runtime, RELEASED / "model.onnx", model.spec)
    try:
        pixels = digits.pixels[::20]
        np.testing.assert_allclose(process.predict_proba(pixels), model.predict_proba(pixels), atol=1e-4)
        assert process.ask("time")["seconds"]
    finally:
        process.end()


def test_a_child_ends_when_its_parent_is_gone():
    command = words(OURS, RELEASED / "model.onnx")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        assert b"import_seconds" in child.stdout.readline()
        child.stdin.close()
        assert child.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("runtime", "file", "others"),
    [
        (LITERT, "model.tflite", {"onnxruntime", "openvino", "onnx", "tensorflow"}),
        (ONNXRUNTIME, "model.onnx", {"ai_edge_litert", "openvino", "onnx", "digits_edge.runtime"}),
    ],
)
def test_a_child_pays_for_its_own_runtime_alone(runtime, file, others):
    code = (
        "import sys; from digits_edge.export.benchmark import timed_runtime; light = 'numpy' not in sys.modules; "
        "timed_runtime.main(); "
        "print(light, *sys.modules, file=sys.stderr)"
    )
    _, _, _, *arguments = words(runtime, RELEASED / file)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], input="", capture_output=True, text=True, check=True
    )
    light, *loaded = done.stderr.splitlines()[-1].split()
    assert light == "True"
    assert "numpy" in loaded
    assert not others & set(loaded)


def test_with_data_every_runtime_is_judged_as_evaluate_judges(digits_npz, digits_edge):
    measured = digits_edge("benchmark", RELEASED, "--data", digits_npz, "--rounds", 1, "--json")
    assert measured.code == 0, measured.err
    evaluated = json.loads(digits_edge("evaluate", RELEASED, "--data", digits_npz, "--json").out)["models"]
    accuracies = {model["file"]: model["accuracy"] for model in evaluated}
    for candidate in json.loads(measured.out)["candidates"]:
        slack = 0 if candidate["runtime"] in (OURS, LITERT) else 0.002
        assert abs(candidate["accuracy"] - accuracies[candidate["file"]]) <= slack + 1e-6
    printed = digits_edge("benchmark", RELEASED / "model.int8.tflite", "--data", digits_npz, "--rounds", 1).out
    assert f"{accuracies['model.int8.tflite']:.2%}" in printed
    assert "measured with that runtime on 2,000 pictures of digits.npz." in printed


def test_what_cannot_be_measured_is_refused_in_one_line(refused, tmp_path):
    assert "expected a bundle" in refused("benchmark", tmp_path)
    assert "no such file" in refused("benchmark", RELEASED, "--data", tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (
            "processor\t: 0\nflags\t\t: fpu sse4_2 avx2 avx512_vnni rdrand\n\nflags\t\t: amx_int8",
            "sse4_2 avx2 avx512_vnni",
        ),
        ("processor : 0\nFeatures : fp asimd evtstrm asimddp i8mm", "asimd asimddp i8mm"),
        ("isa : rv64imafdc", ""),
    ],
)
def test_instruction_sets_are_those_that_matter(monkeypatch, cpuinfo, expected):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: cpuinfo)
    assert " ".join(instruction_sets()) == expected


def ratio(median, spread=0.05):
    return Ratio(median, median * (1 - spread), median * (1 + spread))


def candidate(file, runtime, time, *, spread=0.05, accuracy=0.99, bytes=None, cpu=1.0, throughput=1.0):
    """Made up: `time` is its latency's ratio to the first, which takes 100 µs."""
    sizes = {"model.onnx": 200_000, "model.tflite": 190_000, "model.int8.onnx": 70_000, "model.int8.tflite": 60_000}
    return Candidate(
        file=file,
        runtime=runtime,
        bytes=bytes or sizes[file],
        accuracy=accuracy,
        start_ms=300.0,
        import_ms=200.0,
        p50_us=100 * time,
        p95_us=110 * time,
        p99_us=120 * time,
        pictures_per_second=10_000 * throughput,
        cpu_us=100 * cpu,
        idle_cpu=0.0,
        peak_bytes=None,
        latency=ratio(time, spread),
        throughput=ratio(throughput),
        cpu=ratio(cpu),
    )


FLOAT = candidate("model.onnx", OURS, 1.0)


def test_the_fastest_is_to_be_deployed_and_int8_is_worth_it_where_it_is_faster():
    said = recommend(
        [
            FLOAT,
            candidate("model.onnx", "OpenVINO", 1.2),
            candidate("model.int8.onnx", OURS, 0.5),
            candidate("model.int8.onnx", "OpenVINO", 0.4),
        ]
    )
    assert said.startswith("Deploy model.int8.onnx with OpenVINO: 40 µs per picture.")
    assert "int8 is 2.50 times as fast as float" in said
    assert "(with the same runtime: digits_edge.runtime 2.00, OpenVINO 3.00)" in said
    assert said.endswith("and has 35% of the float file's size.")


@pytest.mark.parametrize("time", [1.5, 1.0, 0.96], ids=["slower", "equal", "faster within the spread"])
def test_int8_that_is_not_faster_is_said_to_be_not_worth_it_and_how_large_it_is(time):
    said = recommend([FLOAT, candidate("model.int8.onnx", OURS, time)])
    assert "int8 is not worth it on this machine" in said
    assert f"{1 / time:.2f} times as fast as float" in said
    assert "it has 35% of the float file's size" in said
    assert "in batches" not in said
    assert said.startswith("Deploy model.onnx" if time == 1.5 else "Deploy model.int8.onnx")


def test_that_int8_is_faster_in_batches_alone_is_said_too():
    said = recommend([FLOAT, candidate("model.int8.onnx", OURS, 1.0, throughput=2.0)])
    assert "int8 is not worth it on this machine" in said
    assert "it has 35% of the float file's size, and in batches 2.00 times as fast." in said


def test_a_tie_goes_to_the_smaller_file_and_then_to_our_runtime():
    tied = [
        FLOAT,
        candidate("model.int8.onnx", "OpenVINO", 0.60),
        candidate("model.int8.onnx", OURS, 0.62),
        candidate("model.tflite", LITERT, 0.61),
    ]
    said = recommend(tied)
    assert said.startswith(
        "Deploy model.int8.onnx with digits_edge.runtime: 62 µs per picture; as fast within the spread: "
    )
    assert "model.int8.onnx with OpenVINO, model.tflite with LiteRT." in said
    assert recommend([*tied, candidate("model.int8.tflite", LITERT, 0.63)]).startswith(
        "Deploy model.int8.tflite with LiteRT"
    )
    exact = [replace(c, latency=ratio(c.latency.median, 0.001)) for c in tied]
    assert recommend(exact).startswith("Deploy model.int8.onnx with OpenVINO: 60 µs per picture.")


def test_an_inaccurate_model_is_left_out_however_fast():
    fast = candidate("model.int8.onnx", OURS, 0.1, accuracy=0.987)
    said = recommend([FLOAT, fast])
    assert said.startswith("Deploy model.onnx with digits_edge.runtime")
    assert "Left out because their accuracy is too far below the best: model.int8.onnx with digits_edge.runtime" in said
    assert "(0.3 points)" in said
    assert "int8 is" not in said
    for good in (0.988, 0.999, None):
        assert recommend([FLOAT, replace(fast, accuracy=good)]).startswith("Deploy model.int8.onnx")


def test_all_cores_are_told_of_but_not_recommended():
    parallel = candidate("model.onnx", ONNXRUNTIME_DEFAULTS, 0.5, cpu=3.0)
    said = recommend([FLOAT, parallel])
    assert said.startswith("Deploy model.onnx with digits_edge.runtime")
    assert (
        "On all cores, model.onnx with onnxruntime, default options takes 0.50 times as long and 3.0 times the CPU"
        in said
    )
    assert "all cores" not in recommend([FLOAT, replace(parallel, latency=ratio(0.97))])
    assert recommend([parallel]).startswith("Deploy model.onnx with onnxruntime, default options")


def test_one_model_alone_is_deployed_without_a_word_of_int8():
    assert recommend([FLOAT]) == "Deploy model.onnx with digits_edge.runtime: 100 µs per picture."


micro = pytest.mark.skipif(not MicroModel.available(), reason="tflite-micro is not installed")


@micro
@pytest.mark.parametrize("file", ["model.int8.tflite", "model.tflite"])
def test_a_microcontrollers_kernels_answer_as_litert_does(digits, file, capfd):
    data = (RELEASED / file).read_bytes()
    model = MicroModel.load(data, file)
    pixels = digits.pixels[::40]
    answers, others = model.predict_proba(pixels), TfliteModel.load(data, file).predict_proba(pixels)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, others, atol=0.1 if "int8" in file else 1e-4)
    assert (answers.argmax(axis=1) == others.argmax(axis=1)).mean() > 0.95
    assert capfd.readouterr() == ("", "")


@micro
def test_the_arena_holds_the_activations_and_is_the_smallest():
    runtime = pytest.importorskip("tflite_micro").runtime
    data = (RELEASED / "model.int8.tflite").read_bytes()
    arena = MicroModel.load(data, "model").arena_bytes
    activations = 17_280  # of the model card
    assert activations < arena < 2 * activations
    with muted():
        assert runtime.Interpreter.from_bytes(data, arena_size=arena)
        with pytest.raises(RuntimeError):
            runtime.Interpreter.from_bytes(data, arena_size=arena - 16)


@micro
def test_what_a_microcontroller_cannot_run_is_one_line():
    with pytest.raises(BundleError, match=r"^bad.tflite: TensorFlow Lite for Microcontrollers cannot run it: [^\n]+$"):
        MicroModel.load(b"no model" * 100, "bad.tflite")

"""The runtime is a guest: light, quiet, still between calls, and at home in threads, pools and forks."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from digits_edge.runtime import Classifier
from digits_edge.runtime.errors import UsageError

ROOT = Path(__file__).parents[2]
WORK = """
from digits_edge.runtime import Classifier
import numpy
classifier = Classifier.load()
classifier.predict(numpy.full((40, 40), 240, numpy.uint8))
assert classifier.self_test().passed
"""
THREADS = "import os; print(len(os.listdir('/proc/self/task')))"
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def child(code: str, **environment: str) -> str:
    """What a fresh Python prints, which must end well and say nothing on stderr."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def modules(statement: str) -> set[str]:
    return set(child(f"import sys\n{statement}\nprint(*sys.modules)").split())


@pytest.fixture(scope="module")
def known() -> tuple[Classifier, np.ndarray, np.ndarray]:
    """The package's model, pixels, and its answers for them one by one."""
    classifier = Classifier.load()
    pixels = classifier.contract.golden.pixels
    return classifier, pixels, np.concatenate([classifier.predict_proba(row[None]) for row in pixels])


# Light


def test_importing_the_runtime_brings_little_that_numpy_and_onnxruntime_do_not():
    added = modules("from digits_edge.runtime import Classifier, onnx_network") - modules("import numpy, onnxruntime")
    slow = {
        "pathlib",
        "json",
        "hashlib",
        "base64",
        "difflib",
        "tempfile",
        "urllib.parse",
        "importlib.resources",
        "ctypes",
    }
    assert not slow & added
    assert {name for name in added if name.startswith("numpy")} == set()
    assert "digits_edge.runtime.session" in added  # the comparison sees what is added


@pytest.mark.timing
def test_that_import_is_a_small_part_of_theirs():
    code = """
import os, time
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
a = time.perf_counter()
import numpy, onnxruntime
b = time.perf_counter()
from digits_edge.runtime import Classifier, onnx_network
c = time.perf_counter()
print(b - a, c - b)
"""
    theirs, ours = np.array([list(map(float, child(code).split())) for _ in range(5)]).min(axis=0)
    assert ours < 0.25 * theirs  # here without cached bytecode; benchmarks/runtime_overhead.py has the figures


# Quiet


def traces(code: str, home: Path) -> tuple[list[str], list[str]]:
    """Files that a fresh Python writes, and what it holds open when it is done, other than its own output."""
    home.mkdir()
    code += """
import os, time
held = []
for number in os.listdir("/proc/self/fd"):
    if int(number) > 2:
        try:
            held.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # the listing's own
print(*held, sep="\\n")
"""
    environment = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
    }
    environment |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=home, timeout=300)
    assert done.stderr == ""
    return [str(path) for path in home.rglob("*") if path.is_file()], done.stdout.split()


@needs_proc
def test_it_writes_no_file_and_holds_none_open_nor_a_socket(tmp_path):
    written, held = traces(WORK, tmp_path / "home")
    assert written == []
    assert [name for name in held if name.startswith(("socket:", str(tmp_path)))] == []


@needs_proc
def test_onnxruntime_alone_leaves_traces_which_that_test_would_see(tmp_path):
    written, held = traces("import onnxruntime", tmp_path / "home")
    if not written and tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29):
        pytest.skip("this onnxruntime has no telemetry yet")
    assert written
    assert [name for name in held if name.startswith(str(tmp_path))]


def test_nothing_is_printed_whatever_is_refused(tmp_path):
    code = f"""
from digits_edge.runtime import Classifier, DigitsEdgeError
data = open({str(ROOT / "artifacts/compact/model.int8.onnx")!r}, "rb").read()
for model in (b"", data[:-1000], data.replace(b"Softmax", b"Sxftmax"), data.replace(b"Linear", b"Linexr")):
    try:
        Classifier(model)
    except DigitsEdgeError:
        continue
    print("not refused")
"""
    assert child(code) == ""


# Still


@needs_proc
def test_it_has_one_thread_and_more_only_when_asked():
    alone = int(child(f"import numpy; {THREADS}"))  # numpy may have some of its own
    assert int(child(WORK + THREADS)) == alone
    assert int(child(WORK.replace("load()", "load(threads=3)") + THREADS)) == alone + 2


IDLE = """
import time
pixels = numpy.zeros((32, 28, 28), numpy.uint8)
for _ in range(50):
    classifier.predict_proba(pixels)
before = time.process_time()
time.sleep(0.3)
print(time.process_time() - before)
"""


@pytest.mark.timing
@pytest.mark.parametrize("threads", [1, 3])
def test_no_cpu_is_used_between_calls(threads):
    assert float(child(WORK.replace("load()", f"load(threads={threads})") + IDLE)) < 0.005


@pytest.mark.timing
def test_that_check_sees_threads_that_spin():
    spinning = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 3
"""
    code = spinning + WORK.replace("load()", "load(session_options=options)") + IDLE
    assert max(float(child(code)) for _ in range(3)) > 0.005


def predictions_in_flat_memory(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/flat_memory.py"), "--predictions", "20000", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@needs_proc
def test_twenty_thousand_predictions_take_no_more_memory_than_two_thousand():
    done = predictions_in_flat_memory()
    assert done.returncode == 0, done.stdout


@needs_proc
def test_that_check_notices_a_leak():
    assert predictions_in_flat_memory("--leak").returncode == 1


# As asked


def test_a_callers_min_score_decides_what_is_accepted(known):
    _, pixels, _ = known
    sure, unsure = (np.array([score, 1 - score, *[0] * 8], np.float32) for score in (0.9, 0.7))
    for min_score, reasons in ((0.6, [None, None]), (0.8, [None, "unsure"]), (0.95, ["unsure", "unsure"])):
        other = Classifier.load(min_score=min_score)
        assert other.contract.min_score == min_score
        assert [other.contract.rejection_reason(answer) for answer in (sure, unsure)] == reasons
        assert other.predict(pixels[0]).reason == other.contract.rejection_reason(
            other.predict(pixels[0]).probabilities
        )


def test_a_callers_session_options_are_used_as_they_are(tmp_path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = Classifier.load(session_options=options)._network._session  # type: ignore[attr-defined]
    assert session is not None
    session.end_profiling()
    assert [path.name.startswith("profile") for path in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize(
    "providers", [["CPUExecutionProvider"], [("CPUExecutionProvider", {})], ("CPUExecutionProvider",)], ids=str
)
def test_providers_are_taken_as_onnxruntime_takes_them(known, providers):
    _, pixels, expected = known
    np.testing.assert_allclose(Classifier.load(providers=providers).predict_proba(pixels), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"threads": 0}, "threads: expected a whole number from 1 to 256, received 0"),
        ({"threads": 257}, "received 257"),
        ({"threads": 1.5}, "received 1.5"),
        ({"threads": True}, "received True"),
        ({"threads": "2"}, "received '2'"),
        ({"providers": ["MoonExecutionProvider"]}, "this onnxruntime has .*CPUExecutionProvider; received 'Moon"),
        ({"providers": []}, "expected a list of names"),
        ({"providers": "CPUExecutionProvider"}, "expected a list of names"),
        ({"providers": [("CPUExecutionProvider", 1)]}, "expected a list of names"),
        ({"providers": ["CPUExecutionProvider"] * 2}, "expected each once"),
        ({"session_options": {}}, "expected an onnxruntime.SessionOptions, received dict"),
        pytest.param(
            {"session_options": onnxruntime.SessionOptions(), "threads": 1},
            "threads or session_options, received both",
            id="both",  # what the options print differs from process to process
        ),
        ({"min_score": 1.1}, "min_score: expected a number from 0 to 1, received 1.1"),
        ({"min_score": float("nan")}, "received nan"),
        ({"min_score": "0.5"}, "received '0.5'"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused_in_words(settings, expected):
    with pytest.raises(UsageError, match=expected):
        Classifier.load(**settings)


# At home


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_get_the_known_answers_at_the_same_time(known, threads):
    _, pixels, expected = known
    shared = Classifier.load(threads=threads)
    barrier, right, failures = threading.Barrier(16), [], []

    def work(offset: int) -> None:
        barrier.wait()
        try:
            for turn in range(60):
                row = (offset + turn) % len(pixels)
                if turn % 3 == 0:
                    got = shared.predict(pixels[row]).probabilities
                elif turn % 3 == 1:
                    got = shared.predict_proba(pixels[row : row + 1])[0]
                else:
                    got = next(shared.predict_many([pixels[row]])).probabilities
                right.append(np.allclose(got, expected[row], atol=1e-6))
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(offset,)) for offset in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert len(right) == 16 * 60
    assert all(right)


@pytest.mark.parametrize(
    "method", [m for m in ("spawn", "fork", "forkserver") if m in multiprocessing.get_all_start_methods()]
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # Python's own, from 3.12 on
def test_a_process_pool_gets_it_with_its_settings(known, method):
    _, pixels, expected = known
    mine = Classifier.load(threads=2, min_score=0.25)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for got in pool.map(Classifier.predict_proba, [mine] * 4, [pixels] * 4):
            np.testing.assert_allclose(got, expected, atol=1e-6)
        assert pool.submit(operator.attrgetter("contract.min_score"), mine).result() == 0.25


def test_a_copy_is_as_good_and_keeps_every_setting(known):
    _, pixels, expected = known
    mine = Classifier.load(threads=2, providers=[("CPUExecutionProvider", {})], min_score=0.25)
    for twin in (pickle.loads(pickle.dumps(mine)), copy.copy(mine), copy.deepcopy(mine)):
        np.testing.assert_allclose(twin.predict_proba(pixels), expected, atol=1e-6)
        assert twin._network.settings == mine._network.settings  # type: ignore[union-attr, attr-defined]
        assert twin.contract.min_score == 0.25


def test_a_callers_session_options_cannot_be_pickled_and_the_message_says_what_can(known):
    mine = Classifier.load(session_options=onnxruntime.SessionOptions())
    with pytest.raises(TypeError, match=r"cannot be pickled.*load it in each process, or give threads= and providers="):
        pickle.dumps(mine)


FORK = """
import os, signal, sys
expected = classifier.predict_proba(classifier.contract.golden.pixels)
child = os.fork()
if child == 0:
    signal.alarm(60)  # a child that hangs is killed, and seen below
    if {predicts}:
        assert numpy.allclose(classifier.predict_proba(classifier.contract.golden.pixels), expected)
    sys.exit(7)  # by all that Python does at its end, the freeing of sessions among it
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert numpy.allclose(classifier.predict_proba(classifier.contract.golden.pixels), expected)
"""


@needs_fork
@pytest.mark.parametrize("predicts", [True, False], ids=["predicts", "only ends"])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_forked_child_answers_and_ends(threads, predicts):
    assert child(WORK.replace("load()", f"load(threads={threads})") + FORK.format(predicts=predicts)) == ""

"""Conversions run in a child process that may die or hang, and nothing else dies or hangs with it."""

from __future__ import annotations

import operator
import os
import signal
import subprocess
import sys
import time

import pytest

from digits_edge.export.convert.keras_model import KerasModelFile, read_facts
from digits_edge.export.engines import worker
from digits_edge.export.engines.worker import Child, Worker
from digits_edge.runtime.errors import ExportError, UsageError


@pytest.fixture(autouse=True)
def workers_of_their_own(monkeypatch):
    monkeypatch.setattr(worker, "Child", Child)


def test_calls_run_in_one_child_on_the_tensorflow_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with Worker(60) as convert:
        child = convert(os.getpid)
        assert child != os.getpid()
        assert convert(os.getenv, "KERAS_BACKEND") == "tensorflow"
        assert convert(operator.add, 2, 3) == 5
        assert convert(os.getpid) == child
    assert os.environ["KERAS_BACKEND"] == "jax"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_child_that_dies_is_one_clear_error(death):
    expected = rf"the child process died in raise_signal \({death.name}.*\): out of memory, or a crash"
    with Worker(60) as convert, pytest.raises(ExportError, match=expected):
        convert(signal.raise_signal, death)


def test_a_child_that_hangs_is_stopped():
    started = time.monotonic()
    expected = r"sleep took more than 0.5 s and was stopped: --time-limit 1 allows more"
    with pytest.raises(ExportError, match=expected), Worker(0.5) as convert:
        convert(time.sleep, 600)
    assert time.monotonic() - started < 60


def runs(process):
    """Whether it is there, and not as a dead one that nobody has asked about yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


ORPHAN = """
import os, sys, time
from digits_edge.export.engines import worker
from digits_edge.export.engines.worker import Child, Worker
with Worker(600) as convert:
    print(convert(os.getpid), flush=True)
    convert(time.sleep, 600)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_a_child_does_not_outlive_a_parent_that_was_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 60
    while runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_errors_of_ours_pass_as_they_are(tmp_path):
    with Worker(60) as convert, pytest.raises(ExportError, match=r"none\.keras: not readable as a Keras model"):
        convert(read_facts, KerasModelFile(tmp_path / "none.keras"))


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_time_limit_must_be_a_time(limit):
    with pytest.raises(UsageError, match="--time-limit: expected seconds, more than 0"):
        Worker(limit)

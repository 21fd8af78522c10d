"""What the tests share: real digits, one trained run, one bundle; each made once."""

from __future__ import annotations

import operator
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from digits_edge.cli.app import run as command_line
from digits_edge.export.convert import keras_model
from digits_edge.export.engines import model_files, worker
from digits_edge.export.formats import TRANSLATIONS
from digits_edge.export.verify import rejection
from digits_edge.export.verify.criteria import Limits
from digits_edge.runtime import Classifier
from digits_edge.runtime.bundle import Bundle
from digits_edge.trainer import Run, TrainOptions, read_dataset, train
from digits_edge.trainer.datasets.dataset import Dataset
from digits_edge.trainer.fitting import outliers
from digits_edge.trainer.recipes import COMPACT, Augmentation

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Of 400 pictures and a model of five epochs; what the gate refuses is tested with limits and damage of its own.
_PATIENT = Limits(max_drop=0.02, max_error_ratio=3, max_recall_drop=0.1, min_agreement=0.95, max_drift=0.05)

# A run of it on few pictures ends well over 90 %.
SHORT = replace(COMPACT, epochs=5, batch_size=64, hands=0.0, augmentation=Augmentation(rotation=5, shift=1))

# A slow machine is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class WarmChild:
    """Stands for the process of one export, and keeps it for the next one, which need not import TensorFlow again."""

    started: ClassVar[list[worker.Child]] = []  # held here, or the garbage collector would end them
    idle: ClassVar[dict[int | None, list[worker.Child]]] = {}  # by the memory that they may take

    def __init__(self, memory: int | None, start: Callable[[], worker.Child]) -> None:
        self._idle = self.idle.setdefault(memory, [])
        if not self._idle:
            self.started.append(start())
            self._idle.append(self.started[-1])
        self._child = self._idle.pop()
        self._answered, self._ended = True, False
        for cache in (keras_model._opened, model_files._opened):  # there may be another file of the same name
            self._call(operator.methodcaller("cache_clear"), cache)
        self._call(os.chdir, Path.cwd())  # where a new process would start

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        with self.talk(60) as (stdin, stdout):
            pickle.dump(pickle.dumps((function, arguments, {})), stdin)
            stdin.flush()
            pickle.load(stdout)

    @contextmanager
    def talk(self, time_limit: float) -> Iterator[Any]:
        self._answered = False
        with self._child.talk(time_limit) as streams:
            yield streams
        self._answered = True

    def end(self) -> None:
        if self._answered and not self._ended:
            self._idle.append(self._child)
        elif not self._ended:  # it hangs, or it died
            self._child.end()
        self._ended = True

    __del__ = end


@pytest.fixture(scope="session", autouse=True)
def short_work() -> Iterator[None]:
    """One process converts for all tests of the session, and few outliers are drawn."""
    start = worker.Worker._start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.Worker, "_start", lambda self: WarmChild(self._memory, partial(start, self)))
        patch.setattr(rejection, "OUTLIERS", 300)
        patch.setattr(outliers, "OUTLIERS", 300)
        yield
    for child in WarmChild.started:
        child.end()


def made_once(name: str, factory: pytest.TempPathFactory, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, shared by all processes of pytest-xdist."""
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with FileLock(shared / f"{name}.lock"):
        if not (shared / name).exists():
            make(shared / name)
    return shared / name


@pytest.fixture(scope="session")
def patient() -> Limits:
    """Of the gate, for a model of five epochs."""
    return _PATIENT


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """2,000 of the embedded digits, 200 a class."""
    sample = read_dataset("sample")
    rows = np.arange(len(sample)) % 500 < 200
    return replace(sample, pixels=sample.pixels[rows], targets=sample.targets[rows])


@pytest.fixture(scope="session")
def digits_npz(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    np.savez(path, x=digits.pixels, y=digits.targets)
    return path


@pytest.fixture(scope="session")
def few_npz(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 of them, for what does not depend on how well a network reads."""
    path = tmp_path_factory.mktemp("few") / "few.npz"
    rows = np.arange(len(digits)) % 200 < 30
    np.savez(path, x=digits.pixels[rows], y=digits.targets[rows])
    return path


@pytest.fixture(scope="session")
def trained(digits_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run that reads well over 90 % of its validation digits; tests must not change it."""

    def make(out: Path) -> None:
        train(TrainOptions(data=str(digits_npz), recipe=SHORT, out=out))

    return Run.open(made_once("short", tmp_path_factory, make))


@pytest.fixture
def own_run(trained: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    return Run.open(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.fixture(scope="session")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The run's int8 bundle of models; tests must not change it."""
    from digits_edge.export import export
    from digits_edge.export.options import ExportOptions

    def make(out: Path) -> None:
        export(ExportOptions(trained, out, int8=True, limits=_PATIENT, timed=False))

    return Bundle.open(made_once("bundle", tmp_path_factory, make))


@pytest.fixture(scope="session")
def translated(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The run's bundle with C and web page; tests must not change it."""
    from digits_edge.export import export
    from digits_edge.export.options import ExportOptions

    def make(out: Path) -> None:
        export(ExportOptions(trained, out, formats=TRANSLATIONS, limits=_PATIENT, timed=False))

    return Bundle.open(made_once("translated", tmp_path_factory, make))


@pytest.fixture
def own_bundle(exported: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return shutil.copytree(exported.path, tmp_path / "bundle")


@pytest.fixture(scope="session")
def classifier(exported: Bundle) -> Classifier:
    return Classifier.load(exported.path)


@pytest.fixture(scope="module")  # while it is open, asyncio does not work in this thread
def browser() -> Iterator[Browser]:
    """A browser without a window; skips where none is installed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser here: expected one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"]  # a container's root has none
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, with the wheel that was built from it beside it; skips without the network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(Path(__file__).parents[1])]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no wheel was built: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return next(out.glob("digits_edge-*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist: Path) -> Path:
    return next(sdist.parent.glob("digits_edge-*.whl"))


class Outcome:
    """What a command line printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def digits_edge(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `digits-edge` with these words, in this process."""

    def call(*words: object) -> Outcome:
        capfd.readouterr()
        code = command_line([str(word) for word in words])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(digits_edge: Callable[..., Outcome]) -> Callable[..., str]:
    """Run `digits-edge` with these words, expect exit code 2 and one line on stderr, and give that line."""

    def call(*words: object) -> str:
        outcome = digits_edge(*words)
        assert outcome.code == 2, outcome.err
        assert outcome.out == ""
        lines = outcome.err.splitlines()
        assert len(lines) == 1, outcome.err
        assert lines[0].startswith("digits-edge: ")
        return lines[0]

    return call

"""A child process for what can crash, hang or take all memory: TensorFlow's converters, and models of any origin."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, Final, ParamSpec, TypeVar, cast

from digits_edge.runtime.errors import DigitsEdgeError, ExportError, UsageError

from . import child

TIME_LIMIT: Final = 600.0  # seconds
# The converters need the TensorFlow backend, whichever backend trained the model or runs in the parent.
ENVIRONMENT: Final = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs functions in one child process.

    Args:
        time_limit: Seconds for each call.
        memory: Bytes that the child may take, where the system can limit it; None for any number.
    """

    def __init__(self, time_limit: float, memory: int | None = None) -> None:
        if not time_limit > 0:
            raise UsageError(f"--time-limit: expected seconds, more than 0, received {time_limit:g}")
        self._time_limit, self._memory = time_limit, memory
        self._child: Child | None = None  # started by the first call
        self._lock = threading.Lock()

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the child; returns or raises what it does.

        Raises:
            ExportError: The child died, took longer than the time limit and was stopped, or an error of another library
                came up, which is its cause if it is a missing package.
        """
        with self._lock:
            value, reason, error = self._ask(function.__name__, pickle.dumps((function, args, kwargs)))
        if isinstance(error, DigitsEdgeError):
            raise error
        if reason is not None:
            raise ExportError(f"{function.__name__} failed with the model: {reason}") from error
        return cast(T, value)

    def _ask(self, name: str, call: bytes) -> Any:
        self._child = self._child or self._start()
        try:
            with self._child.talk(self._time_limit) as (stdin, stdout):
                pickle.dump(call, stdin)
                stdin.flush()
                return pickle.load(stdout)
        except TimeoutError:
            self.end()
            raise ExportError(
                f"{name} took more than {self._time_limit:g} s and was stopped: --time-limit {2 * self._time_limit:g} "
                "allows more"
            ) from None
        except EOFError as death:
            self.end()
            raise ExportError(
                f"the child process died in {name} ({death}): out of memory, or a crash in a library"
            ) from None
        except BaseException:  # a Ctrl-C: what the child will answer is of no use
            self.end()
            raise

    def _start(self) -> Child:
        return Child(child.__name__, [str(self._memory or 0), *filter(_is_elsewhere, sys.path)], ENVIRONMENT)

    def end(self) -> None:
        """End the child; the next call has another one."""
        if self._child:
            self._child.end()
            self._child = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


class Child:
    """A process of this Python that runs a module, and ends with this object.

    Args:
        module: Its name.
        arguments: Its command line.
        environment: What its environment has besides this one's.
        stderr: As for `subprocess.Popen`.
    """

    def __init__(
        self, module: str, arguments: list[str], environment: Mapping[str, str] | None = None, stderr: int | None = None
    ) -> None:
        # -P, also for what it starts: nothing is imported from the current folder by accident
        words = [sys.executable, "-P", "-m", module, *arguments]
        # a killed TensorFlow leaves its generated code in its temporary folder
        temporary = TemporaryDirectory(prefix="digits-edge-", ignore_cleanup_errors=True)
        env = {**os.environ, **(environment or {}), "PYTHONSAFEPATH": "1", "TMPDIR": temporary.name}
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env)
        self.end = weakref.finalize(self, _end, self._process, temporary)

    @contextmanager
    def talk(self, time_limit: float) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """Its stdin and stdout, to send one request and receive its answer in the block.

        Raises:
            EOFError: The process died; the message is the signal or exit code.
            TimeoutError: It took longer than the time limit, in seconds, and was killed.
        """
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            self._process.kill()

        timer = threading.Timer(min(time_limit, threading.TIMEOUT_MAX), stop)
        timer.start()
        try:
            yield cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # which ends in the middle of an answer
            code = self._process.wait()
            if stopped.is_set():
                raise TimeoutError from None
            raise EOFError(signal.Signals(-code).name if code < 0 else f"exit code {code}") from None
        finally:
            timer.cancel()


def _end(process: subprocess.Popen[bytes], temporary: TemporaryDirectory[str]) -> None:
    process.kill()
    process.communicate()
    temporary.cleanup()


def _is_elsewhere(folder: str) -> bool:
    """Whether a folder of the path exists, and is not the current one, from which a child imports nothing."""
    return Path(folder).is_dir() and not Path(folder).samefile(os.curdir)

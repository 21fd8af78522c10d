"""A child process for what needs TensorFlow, whose converters leak memory and can crash the process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLong
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

from digits_edge.runtime.errors import DigitsEdgeError, ExportError, UsageError, first_line

# The converters need the TensorFlow backend, whichever backend trained the model or runs in the parent.
ENVIRONMENT: Final = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs functions in one child process, with a time limit for each call, in seconds."""

    def __init__(self, time_limit: float) -> None:
        if not time_limit > 0:
            raise UsageError(f"--time-limit: expected seconds, more than 0, received {time_limit:g}")
        self._time_limit = time_limit
        self._pool = _start()

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the child; returns or raises what it does.

        Raises:
            ExportError: The child died, took longer than the time limit and was stopped, or an error of another library
                came up.
        """
        try:
            result: T = self._pool.submit(function, *args, **kwargs).result(timeout=self._time_limit)
            return result
        except BrokenProcessPool as death:
            self._restart()
            raise ExportError(
                f"the child process died in {function.__name__} ({_exit_code(death)}): out of memory, or a crash in "
                "TensorFlow"
            ) from None
        except TooLong:
            self._restart()
            raise ExportError(
                f"{function.__name__} took more than {self._time_limit:g} s and was stopped: "
                f"--time-limit {2 * self._time_limit:g} allows more"
            ) from None
        except DigitsEdgeError:
            raise
        except Exception as error:  # of Keras, of a converter, or of the author's own layers
            raise ExportError(
                f"{function.__name__} failed with the model: {type(error).__name__}: {first_line(error)}"
            ) from error

    def _restart(self) -> None:
        """Start another child for the next call."""
        self._pool.shutdown(kill_workers=True)
        self._pool = _start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(kill_workers=True)


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, initializer=_follow, initargs=(os.getpid(),), env=ENVIRONMENT)


def _follow(parent: int) -> None:
    """In the child: end when the parent has ended, however it ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _exit_code(death: Exception) -> str:
    """The exit code of the child, which one line of loky's message names."""
    line = next((line for line in str(death).splitlines() if "exit codes" in line), "")
    return line.partition("{")[2].partition("}")[0] or "unknown exit code"

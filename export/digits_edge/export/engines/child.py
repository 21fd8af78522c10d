"""The child process of a `worker.Worker`: answers its calls until its stdin ends.

python -P -m digits_edge.export.engines.child MEMORY [FOLDER...]

Calls arrive pickled on stdin, and what they return or raise leaves pickled on stdout. MEMORY is how many bytes the
calls may take, 0 for any number. The folders are those of the parent's path that this process has not: they come last,
so that no file in them takes the place of a module of Python or of a library.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from digits_edge.runtime.errors import DigitsEdgeError, first_line

from .confinement import keep_stdout, limit_memory


def main() -> None:
    """Answer calls until stdin ends."""
    memory, *folders = sys.argv[1:]
    sys.path += [folder for folder in folders if folder not in sys.path]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to answer
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    calls, answers = os.fdopen(os.dup(0), "rb"), keep_stdout()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if int(memory):
        limit_memory(int(memory))
    while True:
        try:
            call = pickle.load(calls)
        except EOFError:
            return
        answers.write(_answer(call))
        answers.flush()


def _answer(call: bytes) -> bytes:
    """Make a pickled call, and pickle what it returns, or why it fails and the error or its traceback."""
    try:
        function, args, kwargs = pickle.loads(call)
        return pickle.dumps((function(*args, **kwargs), None, None))
    except Exception as error:  # of Keras, of a converter, or of the author's own layers
        text, kind = first_line(error), type(error).__name__
        ours = isinstance(error, DigitsEdgeError | ModuleNotFoundError)
        cause = error if ours else RuntimeError(traceback.format_exc())  # for --debug
        return pickle.dumps((None, kind if text == kind else f"{kind}: {text}", cause))


def _follow(parent: int) -> None:
    """End when the parent has ended, however it ended, also in the middle of a call."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()

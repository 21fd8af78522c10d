"""The `digits-edge` command."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    _open_closed_streams()
    try:
        from .app import run
    except (ImportError, MemoryError) as error:
        reason = f"cannot start: {error or 'out of memory'}"
        if isinstance(error, ModuleNotFoundError):
            reason = f'the command line needs {error.name}, which is not installed: pip install "digits-edge[cli]"'
        print(f"digits-edge: {reason}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    from digits_edge.common.silence import discard

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what could not be written has been reported, or its reader has gone
            discard(stream)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Connect standard streams that are closed to nothing, lest a file that is opened later take their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115

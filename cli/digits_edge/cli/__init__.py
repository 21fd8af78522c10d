"""The `digits-edge` command."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        sys.exit(
            f'digits-edge: the command line needs {error.name}, which is not installed: pip install "digits-edge[cli]"'
        )

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))

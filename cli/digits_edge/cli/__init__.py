"""The `digits-edge` command."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        import typer  # noqa: F401
    except ImportError:
        sys.exit('digits-edge: the command line needs typer, which is not installed: pip install "digits-edge[cli]"')
    from .app import run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))

"""Put the commands together, and turn their errors into one line and an exit code."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from digits_edge.common.progress import say
from digits_edge.runtime.errors import DigitsEdgeError

from .commands import benchmark, doctor, evaluate, export, inspect, label, predict, read, runs, selftest, teach, train
from .extras import BASE, distribution_of, extra_with, install_command

INTERNAL_ERROR: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130
# What Python, the system's loader of libraries and TensorFlow say then, other than by a MemoryError.
OUT_OF_MEMORY: Final = re.compile(
    "[Cc]annot allocate memory|failed to map segment|can't start new thread|^ResourceExhaustedError|bad_alloc"
)
# The extras that commands need as a whole: named rather than the smallest one with the package that was missed first.
NEEDS: Final = {"export": "export", "evaluate": "export", "benchmark": "export", "inspect": "export"}

_UsageError: Any = typer.BadParameter.__bases__[0]  # click's, which typer does not export

app = typer.Typer(
    name="digits-edge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (train, runs, export, evaluate, predict, read, label, teach, benchmark, inspect, selftest, doctor):
    app.command(name=module.__name__.rpartition(".")[2], epilog=getattr(module, "EPILOG", None))(module.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"digits-edge {version('digits-edge')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Turn labelled pictures into a small, quantized, verified model for a device.

    Start with: digits-edge train, then digits-edge export --int8.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line, and return 0 if all is done, 1 if the gate or a self-test said no, 2 for wrong input.

    A reader of stdout or stderr that has gone is no error.
    """
    debug = "--debug" in arguments
    words = [argument for argument in arguments if argument != "--debug"]
    try:
        Path.cwd()
    except OSError:
        return _tell(2, debug, "the current folder does not exist any more: change to another one")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default" if debug else "ignore")  # libraries' advice to programmers
            return app(words, prog_name="digits-edge", standalone_mode=False) or 0
    except typer.Abort:  # typer has caught the Ctrl-C
        return _tell(INTERRUPTED, debug, "interrupted")
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer's answer while it prints the help
            return 0
        raise
    except _UsageError as error:
        return _tell(2, debug, said) if (said := _usage(error)) else 2
    except DigitsEdgeError as error:
        return _tell(error.exit_code, debug, *str(error).split("\n"))
    except Exception as error:
        if line := _known(error, next(iter(words), "")):
            return _tell(2, debug, line)
        return _tell(INTERNAL_ERROR, debug, f"internal error: {type(error).__name__}: {error}; --debug shows where")


def _tell(code: int, debug: bool, *lines: str) -> int:
    if debug:
        with suppress(OSError):
            traceback.print_exc()
    say(f"digits-edge: {lines[0]}", *lines[1:])
    return code


def _known(error: Exception, command: str) -> str | None:
    """What is missing on this machine: memory, a package, or a place to write to; None for an error of ours."""
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}"):
        return (
            "out of memory: close other programs, or take fewer or smaller pictures or (train) a smaller --batch-size"
        )
    if isinstance(error, ModuleNotFoundError):
        package = distribution_of(error.name or "")
        extra = extra_with(package, NEEDS.get(command, BASE))
        return None if extra is None else f"{package} is not installed: {install_command(extra)}"
    if isinstance(error, OSError):
        return f"{error.filename or 'while writing'}: {error.strerror or error}"
    return None


def _usage(error: Any) -> str:
    """What is wrong with the words of a command, and last what may have been meant; empty where help was printed."""
    said = error.format_message().replace("Value error, ", "").rstrip(".")
    found = re.fullmatch(r"(.*?)(?:\. Did you mean (.+)\?| \(Possible options: (.+)\))?", said, re.DOTALL)
    said, *meant = found.groups() if found else (said,)
    command = error.ctx.command_path if error.ctx else "digits-edge"
    hint = "".join(f"; did you mean {words}?" for words in meant if words)
    return f"{said}: {command} --help shows what is expected{hint}" if said else ""

"""Put the commands together, and turn their errors into one line and an exit code."""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from digits_edge.runtime.errors import DigitsEdgeError

from .commands import benchmark, doctor, evaluate, export, inspect, predict, runs, selftest, train
from .extras import BASE, distribution_of, extra_with, install_command

INTERNAL_ERROR: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130
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
for module in (train, runs, export, evaluate, predict, benchmark, inspect, selftest, doctor):
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
    """Run one command line, and return 0 if all is done, 1 if the gate or a self-test said no, 2 for wrong input."""
    debug = "--debug" in arguments
    words = [argument for argument in arguments if argument != "--debug"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default" if debug else "ignore")  # libraries' advice to programmers
            return app(words, prog_name="digits-edge", standalone_mode=False) or 0
    except typer.Abort:  # typer has caught the Ctrl-C
        return _tell("interrupted", INTERRUPTED, debug)
    except _UsageError as error:
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        command = error.ctx.command_path if error.ctx else "digits-edge"
        return _tell(f"{said}: {command} --help shows what is expected", 2, debug) if said else 2
    except DigitsEdgeError as error:
        return _tell(str(error), error.exit_code, debug)
    except ModuleNotFoundError as error:
        package = distribution_of(error.name or "")
        extra = extra_with(package, NEEDS.get(next(iter(words), ""), BASE))
        if extra is None:
            return _tell(f"internal error: {error}; --debug shows where", INTERNAL_ERROR, debug)
        return _tell(f"{package} is not installed: {install_command(extra)}", 2, debug)
    except OSError as error:  # no space left, no permission
        return _tell(f"{error.filename or 'while writing'}: {error.strerror or error}", 2, debug)
    except Exception as error:
        return _tell(f"internal error: {type(error).__name__}: {error}; --debug shows where", INTERNAL_ERROR, debug)


def _tell(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"digits-edge: {message}", file=sys.stderr)  # noqa: T201
    return code

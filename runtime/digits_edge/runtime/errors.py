"""All errors that digits-edge raises on purpose.

Each message is one line that says what was expected, what was received, and where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

LINE: Final = 400  # characters in a line for people, at most
# Control characters, line breaks and changes of the writing direction.
_CONTROLS = (*range(32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {code: repr(chr(code))[1:-1] for code in _CONTROLS}

T = TypeVar("T", bound=str)


class DigitsEdgeError(Exception):
    """The base class of all errors; `exit_code` is the command line's exit code for it."""

    exit_code = 2

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(DigitsEdgeError):
    """An argument has an invalid value."""


class MissingExtra(DigitsEdgeError):
    """A package is needed that is not installed.

    Args:
        package: The package, e.g. `"pillow"`.
        extra: The extra of digits-edge that installs it, e.g. `"image"`; empty if it is installed by its own name.
        purpose: What the package is needed for, e.g. `"reading picture files"`.
        instead: What can be done without it, if anything.
    """

    def __init__(self, package: str, extra: str, purpose: str, instead: str = "") -> None:
        self._parts = (package, extra, purpose, instead)
        wanted = f'"digits-edge[{extra}]"' if extra else package
        more = f"; {instead}" if instead else ""
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install {wanted}{more}")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str, str]]:
        return MissingExtra, self._parts


class DatasetError(DigitsEdgeError):
    """Labelled pictures cannot be read, trained on or judged by."""


class PictureError(DigitsEdgeError):
    """A picture cannot be read."""


class RunError(DigitsEdgeError):
    """A training run is missing, unfinished or in the way."""


class BundleError(DigitsEdgeError):
    """A bundle or a model file cannot be used."""


class IntegrityError(BundleError):
    """A file's bytes differ from those that were published."""


class ExportError(DigitsEdgeError):
    """A conversion failed."""


class GateFailed(DigitsEdgeError):
    """An exported model is worse than allowed, and nothing was published.

    Attributes:
        gate: What was tried and how it was judged, as plain JSON values.
    """

    exit_code = 1
    __str__ = Exception.__str__  # several lines, each printable

    def __init__(self, message: str, gate: dict[str, Any]) -> None:
        super().__init__(message)
        self.gate = gate


class SelfTestFailed(DigitsEdgeError):
    """This device's answers differ from those of the machine that exported."""

    exit_code = 1


def printable(text: str, most: int = LINE) -> str:
    """One line for people, of at most `most` characters, whatever names are in it.

    Line breaks, other control characters, changes of the writing direction and bytes that are not UTF-8 are shown as
    Python escapes them, and a long line is cut in the middle.
    """
    return _cut(_cut(text, most).encode(errors="backslashreplace").decode().translate(_ESCAPES), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


def check_utf8(name: str, where: object) -> None:
    """Raise a UsageError unless a name from a disk, where it may be any bytes, can be written to our files as UTF-8."""
    if name.encode(errors="ignore").decode() != name:
        raise UsageError(f"{where}: expected a name in UTF-8, received {name!r}; rename it")


def one_of(what: str, value: str, choices: Iterable[T]) -> T:
    """Return `value` if it is one of `choices`; otherwise raise a UsageError about `what` with the nearest one."""
    known = list(choices)
    for choice in known:
        if choice == value:
            return choice
    import difflib  # here, because only a misspelt word needs it

    near = difflib.get_close_matches(value, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{what}: expected {' or '.join(known)}, received {value!r}{hint}")


def first_line(error: Exception) -> str:
    """The first line of another library's exception, at most 200 characters; the class name if it has no message."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def reason_of(error: Exception) -> str:
    """The whole text of an inference engine's exception in one line, without the place in its source code."""
    text = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (/\S+:\d+ .*?\) (?=[A-Z]))?", "", text)[:1000]

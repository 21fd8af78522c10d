"""Everything that digits-edge raises on purpose.

    DigitsEdgeError
    ├── UsageError         an argument has a value that cannot be
    ├── MissingExtra       a package is needed that this install lacks
    ├── DatasetError       labelled pictures that cannot be trained on or judged by
    ├── PictureError       one picture that cannot be read
    ├── RunError           a training run that is missing, unfinished or in the way
    ├── BundleError        a bundle or a model file that cannot be used
    │   └── IntegrityError     … because its bytes are not those that were published
    ├── ExportError        a conversion that failed
    ├── GateFailed         an exported model is worse than allowed: nothing was published
    └── SelfTestFailed     this device gives other answers than the one that made the bundle

A message is one line: what was expected, what was received, and where.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T", bound=str)


class DigitsEdgeError(Exception):
    """The root of the tree; `exit_code` is what the command line returns for it."""

    exit_code = 2


class UsageError(DigitsEdgeError):
    """An argument has a value that cannot be."""


class MissingExtra(DigitsEdgeError):
    """A package is needed that this install lacks.

    Args:
        package: the module that could not be imported, e.g. `"PIL"`.
        extra: the extra of digits-edge that brings it, e.g. `"image"`.
        purpose: what it is needed for, e.g. `"reading picture files"`.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self._parts = (package, extra, purpose)
        super().__init__(f'{purpose} needs {package}, which is not installed: pip install "digits-edge[{extra}]"')

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        return MissingExtra, self._parts


class DatasetError(DigitsEdgeError):
    """Labelled pictures that cannot be trained on or judged by."""


class PictureError(DigitsEdgeError):
    """One picture that cannot be read."""


class RunError(DigitsEdgeError):
    """A training run that is missing, unfinished or in the way."""


class BundleError(DigitsEdgeError):
    """A bundle or a model file that cannot be used."""


class IntegrityError(BundleError):
    """A bundle whose bytes are not those that were published."""


class ExportError(DigitsEdgeError):
    """A conversion that failed."""


class GateFailed(DigitsEdgeError):
    """An exported model is worse than allowed: nothing was published.

    Attributes:
        gate: what was tried and how it was judged, as plain JSON values.
    """

    exit_code = 1

    def __init__(self, message: str, gate: dict[str, Any]) -> None:
        super().__init__(message)
        self.gate = gate


class SelfTestFailed(DigitsEdgeError):
    """This device gives other answers than the one that made the bundle."""

    exit_code = 1


def one_of(what: str, value: str, choices: Iterable[T]) -> T:
    """`value` if it is among `choices`.

    Args:
        what: is chosen, as the message is to call it.
        value: what was received.
        choices: what it can be.

    Raises:
        UsageError: it is none of them; a near match is named.
    """
    known = list(choices)
    for choice in known:
        if choice == value:
            return choice
    import difflib  # here: it is needed for a typing error alone

    near = difflib.get_close_matches(value, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{what}: expected {' or '.join(known)}, received {value!r}{hint}")


def first_line(error: Exception) -> str:
    """What another library's exception says, cut to one line of at most 200 characters; its name if it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]

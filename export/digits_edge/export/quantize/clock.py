"""The time that remedies may take together, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from digits_edge.common.progress import long_progress
from digits_edge.runtime.errors import ExportError, UsageError


class OutOfTime(ExportError):
    """The time budget is used up."""


@dataclass
class Clock:
    """Runs from its creation on."""

    budget: float | None = None  # seconds; None for no limit
    _started: float = field(default_factory=lambda: monotonic())
    advance: Callable[[], None] = lambda: None  # shows that one step more is done

    def __post_init__(self) -> None:
        if self.budget is not None and not self.budget > 0:
            raise UsageError(f"--time-budget: expected seconds, more than 0, received {self.budget:g}")

    def check(self) -> None:
        """Raise OutOfTime once the budget is used up."""
        if self.budget is not None and monotonic() - self._started > self.budget:
            raise OutOfTime(f"the --time-budget of {self.budget:g} s is used up")

    @contextmanager
    def watching(self, title: str, steps: int) -> Iterator[None]:
        """Show how many of so many calls of `step` are done, and the time left."""
        with long_progress(title, steps) as self.advance:
            yield

    def step(self) -> None:
        """Count a step, and check the time."""
        self.advance()
        self.check()

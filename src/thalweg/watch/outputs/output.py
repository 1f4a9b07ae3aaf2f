"""`Output`, the interface: something that is told of what a watcher measures and of the alarms that it raises."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Protocol

from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.subject import Subject


class Output(Protocol):
    """Where measurements and alarms go; called in the thread that trains, seldom and briefly."""

    def begin(self, subject: Subject) -> None:
        """Watching begins."""

    def measured(self, measured: Measured) -> None:
        """There is a measurement."""

    def raised(self, raised: Raised) -> None:
        """An alarm was raised."""

    def close(self) -> None:
        """Watching is over; called once."""


def say(text: str) -> None:
    """Say something on standard error: a warning of Python's would end the training where warnings are errors."""
    with suppress(Exception):
        print(f"thalweg.watch: {text}; the training goes on", file=sys.stderr)

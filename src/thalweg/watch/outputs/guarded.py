"""`Guarded`: an output that cannot end the training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from thalweg.errors import in_short
from thalweg.watch.alarm import Raised
from thalweg.watch.history import Measured
from thalweg.watch.outputs.output import Output, say
from thalweg.watch.subject import Subject


class Guarded(Output):
    """An output that is left out as soon as it raises.

    Attributes:
        name: How it is called in the warning.
        output: What is guarded.
    """

    def __init__(self, name: str, output: Output) -> None:
        self.name, self.output = name, output
        self._works = True

    def begin(self, subject: Subject) -> None:
        """Pass it on."""
        self.call(lambda: self.output.begin(subject))

    def measured(self, measured: Measured) -> None:
        """Pass it on."""
        self.call(lambda: self.output.measured(measured))

    def raised(self, raised: Raised) -> None:
        """Pass it on."""
        self.call(lambda: self.output.raised(raised))

    def close(self) -> None:
        """Pass it on, once."""
        self.call(self.output.close)
        self._works = False

    def call(self, tell: Callable[[], None]) -> None:
        """Do something with the output, unless it has failed."""
        if not self._works:
            return
        try:
            tell()
        except Exception as error:
            self._works = False
            say(f"the output '{self.name}' failed ({in_short(error)}) and is told no more")
            with suppress(Exception):
                self.output.close()

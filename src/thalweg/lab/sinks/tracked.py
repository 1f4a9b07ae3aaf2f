"""What trackio and W&B have in common: a run is an object with `log(numbers, step=)`, which ends with its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thalweg.lab.sinks.sink import alarms, numbers, sentence

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec


class Tracked:
    """A sink that makes one tracked run per run. One that was cut begins again as another, beside the half one.

    Attributes:
        begin: Makes a tracked run.
        end: Ends one, with the run's status, or `"cut"`.
    """

    def __init__(self, begin: Callable[[RunSpec, str], Any], end: Callable[[Any, str], None]) -> None:
        self.begin, self.end = begin, end
        self._runs: dict[str, Any] = {}

    def started(self, spec: RunSpec, label: str) -> None:
        """Begin a tracked run."""
        self._runs[spec.key] = self.begin(spec, label)

    def epoch(self, spec: RunSpec, label: str, epoch: Epoch) -> None:
        """Log the epoch's numbers, at the epoch as the step."""
        self._runs[spec.key].log(numbers(epoch), step=epoch.epoch)

    def ended(self, run: Run, label: str) -> None:
        """Log the first alarm of each kind as text, and end the tracked run."""
        tracked = self._runs.pop(run.spec.key, None)
        if tracked is not None:
            firsts = {f"alarm/{one.alarm}": sentence(one) for one in reversed(alarms(run))}
            if firsts:
                tracked.log(firsts)
            self.end(tracked, run.status)

    def close(self) -> None:
        """End those whose runs were cut."""
        while self._runs:
            self.end(self._runs.popitem()[1], "cut")

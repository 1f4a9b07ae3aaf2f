"""Progress over claims on standard error: one bar for everything, weighted by the declared seconds, and what is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thalweg.report import words
from thalweg.report.progress import columns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class ClaimsProgress:
    """A watcher and a sink: trainings tell it of their epochs, direct computations of their seconds."""

    def __init__(self, console: Console, bars: Progress, claims: int, work: float) -> None:
        self.console, self.bars, self.claims = console, bars, claims
        self.total = bars.add_task("all claims", total=max(work, 1e-9), note="")
        self.current = bars.add_task("", total=1.0, note="", visible=False)
        self.tasks: dict[str, TaskID] = {}
        self.seconds = 0.0  # of one run
        self.counted, self.done = 0.0, 0.0  # of what is current; before it

    def begin(self, claim: Any, one: Any, known: float) -> ClaimsProgress:
        """A training or a computation begins."""
        label = f"claim {claim.number}: {one.name}"
        self.seconds, self.counted = one.seconds, 0.0
        self.bars.update(
            self.current, description=words.plain(label), total=max(one.work, 1e-9), completed=0.0, visible=True
        )
        if not self.console.is_terminal and known < one.work:  # a log has no bars
            self.console.print(label, markup=False, highlight=False)
        self.advance(min(known, one.work))
        return self

    def advance(self, seconds: float) -> None:
        """So many seconds are done."""
        self.counted += seconds
        self.bars.advance(self.current, seconds)
        self.bars.advance(self.total, seconds)

    def end(self, one: Any) -> None:
        """All of it is done, whatever was counted: trials stop early, and ranges grow."""
        self.done += one.work
        self.bars.update(self.total, completed=self.done)
        self.bars.update(self.current, visible=False)

    def started(self, spec: Any, label: str) -> None:
        """A run has begun."""
        self._forget(spec.key)
        self.tasks[spec.key] = self.bars.add_task(f"  {words.plain(label)[:28]}", total=spec.epochs, note="")

    def epoch(self, spec: Any, label: str, epoch: Any) -> None:
        """A run has ended an epoch."""
        if spec.key in self.tasks:
            self.bars.update(self.tasks[spec.key], completed=epoch.epoch, note=words.number(epoch.metric))
        self.advance(self.seconds / spec.epochs)

    def ended(self, run: Any, label: str) -> None:
        """A run has ended, perhaps before its last epoch."""
        self._forget(run.spec.key)
        self.advance(self.seconds * (1 - len(run.epochs) / run.spec.epochs))

    def close(self) -> None:
        """Nothing stays open."""

    def _forget(self, key: str) -> None:
        if key in self.tasks:
            self.bars.remove_task(self.tasks.pop(key))


@contextmanager
def claims_progress(claims: int, work: float) -> Iterator[ClaimsProgress]:
    """Show how far the claims have come while the block runs.

    Args:
        claims: How many there are.
        work: Their declared seconds on one core.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = Progress(*columns(), console=console, transient=True, speed_estimate_period=600)
    if not console.is_terminal:
        yield ClaimsProgress(console, shown, claims, work)
        return
    with shown:
        yield ClaimsProgress(console, shown, claims, work)

"""Progress bars on standard error, with the time that is left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TrainingProgress:
    """One bar for everything and one for each run that is under way."""

    def __init__(self, progress: Progress, runs: int, epochs: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.runs = runs
        self.ended_runs = 0
        self.total = progress.add_task(self._headline(), total=runs * epochs, note="")
        self.tasks: dict[str, TaskID] = {}

    def started(self, name: str) -> None:
        """A run has begun."""
        self.tasks[name] = self.progress.add_task(f"  {name}", total=self.epochs, note="")

    def epoch(self, name: str, number: int, metric: float) -> None:
        """A run has ended an epoch."""
        self.progress.update(self.tasks[name], completed=number, note=f"{metric:.4f}")
        self.progress.advance(self.total)

    def ended(self, name: str, epochs: int) -> None:
        """A run has ended, perhaps before its last epoch."""
        self.progress.remove_task(self.tasks.pop(name))
        self.ended_runs += 1
        self.progress.update(self.total, advance=self.epochs - epochs, description=self._headline())
        if not self.progress.console.is_terminal:  # a log has no bars, but should show that something happens
            self.progress.console.print(f"{self._headline()}: {name}", markup=False, highlight=False)

    def _headline(self) -> str:
        return f"runs {self.ended_runs}/{self.runs}"


@contextmanager
def training_progress(runs: int, epochs: int, known: int) -> Iterator[TrainingProgress]:
    """Show the progress of a study while the block runs.

    Args:
        runs: How many runs are to be trained.
        epochs: Of each run.
        known: How many more are in the store already.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if known:
        print(f"{known} of {known + runs} runs are in the store already", file=sys.stderr)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=14),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=runs == 0) as progress:
        yield TrainingProgress(progress, runs, epochs)

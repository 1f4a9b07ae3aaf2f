"""Progress on standard error: bars with the time that is left, and the table as it is so far."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison, Outlook
from thalweg.report import words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.progress import ProgressColumn, TaskID

WIDTH = 26  # columns of a run's name beside its bar


class TrainingProgress:
    """A sink that shows one bar for everything, one for each run that is under way, and the table so far."""

    def __init__(self, outlook: Outlook, console: Console) -> None:
        self.outlook = outlook
        self.console = console
        from rich.progress import Progress

        self.bars = Progress(*columns(), console=console, auto_refresh=False)
        self.ended_runs = 0
        self.trials = 0
        self.total = self.bars.add_task(self._headline(), total=outlook.epochs - outlook.known, note="")
        self.tasks: dict[str, TaskID] = {}
        self.table: RenderableType = _table_so_far(outlook.so_far())
        self.live: Live | None = None

    def started(self, spec: Any, label: str) -> None:
        """A run has begun, perhaps anew."""
        self._forget(spec.key)
        self.tasks[spec.key] = self.bars.add_task(_short(_named(spec, label)), total=spec.epochs, note="")

    def epoch(self, spec: Any, label: str, epoch: Any) -> None:
        """A run has ended an epoch."""
        self.bars.update(self.tasks[spec.key], completed=epoch.epoch, note=words.number(epoch.metric))
        self.bars.advance(self.total)

    def ended(self, run: Any, label: str) -> None:
        """A run has ended, perhaps before its last epoch."""
        self._forget(run.spec.key)
        self.ended_runs += 1
        self.trials += run.spec.part == "tuning"
        left = 0 if run.spec.part == "tuning" else run.spec.epochs - len(run.epochs)
        self.bars.update(self.total, advance=left, description=self._headline())
        if not self.console.is_terminal:  # a log has no bars, but should show that something happens
            self.console.print(f"{self._headline()}: {_named(run.spec, label)}", markup=False, highlight=False)
        elif self.live is not None:
            self.table = _table_so_far(self.outlook.so_far())
            self.live.update(self.shown())

    def close(self) -> None:
        """Nothing stays open."""

    def shown(self) -> RenderableType:
        """Table and bars."""
        from rich.console import Group

        return Group(self.table, self.bars)

    def _forget(self, key: str) -> None:
        if key in self.tasks:
            self.bars.remove_task(self.tasks.pop(key))

    def _headline(self) -> str:
        if self.outlook.runs is not None:
            return f"runs {self.ended_runs}/{self.outlook.runs - self.outlook.runs_known}"
        return f"{words.counted(self.ended_runs, 'run')}, {words.counted(self.trials, 'trial')}"


def _named(spec: Any, label: str) -> str:
    return label if spec.part == "tuning" else f"{label}, seed {spec.seed}"


def _short(label: str) -> str:
    return f"  {label}" if len(label) < WIDTH else f"  {label[: WIDTH - 14]}…{label[-12:]}"


def columns() -> Sequence[ProgressColumn]:
    """What a bar shows: what it is about, how far it has come, a note, the time and what is left of it."""
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=14),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )


def _table_so_far(comparison: Comparison) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    for name in ("so far", "lr", "seeds", f"final {words.plain(comparison.metric)}"):
        table.add_column(Text(name))
    for row in (row for row in comparison.rows if row.seeds):
        label = f"{words.plain(row.optimizer)}{', tuned' if row.kind == 'tuned' else ''}"
        rate = words.setting(row.settings.get("lr", words.MISSING))
        cells = (label, rate, str(len(row.seeds)), words.number(row.final.mean))
        table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells))
    return table


@contextmanager
def training_progress(outlook: Outlook) -> Iterator[TrainingProgress]:
    """Show the progress of a study while the block runs.

    Args:
        outlook: What there is to do, and what is known already.
    """
    from rich.console import Console
    from rich.live import Live

    if outlook.runs_known:
        of = "" if outlook.runs is None else f"of {outlook.runs} "
        print(f"{outlook.runs_known} {of}runs are in the store already", file=sys.stderr)
    console = Console(stderr=True)
    progress = TrainingProgress(outlook, console)
    if not console.is_terminal:
        yield progress
        return
    with Live(progress.shown(), console=console, transient=True, refresh_per_second=4) as live:
        progress.live = live
        yield progress

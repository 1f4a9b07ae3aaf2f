"""The alarms of a comparison in words: one for every kind and row, whatever number of layers and seeds has it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.lab.table import Alarm, Comparison
from thalweg.report import words
from thalweg.report.rows import Shown, shown

if TYPE_CHECKING:
    from rich.console import RenderableType

NO_MORE = "a run that is in the store is not trained again only to be watched"


@dataclass(frozen=True)
class Said:
    """All alarms of one kind in one row.

    Attributes:
        one: The row.
        alarms: The earliest first; each is about another part.
    """

    one: Shown
    alarms: tuple[Alarm, ...]

    @property
    def first(self) -> Alarm:
        """The earliest, and of those the one that most seeds have."""
        return self.alarms[0]

    @property
    def title(self) -> str:
        """What kind it is."""
        return words.plain(self.first.title)

    @property
    def seeds(self) -> str:
        """In how many of the watched seeds it was raised, in any part."""
        count = len({seed for alarm in self.alarms for seed in alarm.seeds})
        return f"{count} of {words.counted(self.first.watched, 'seed')}"

    @property
    def when(self) -> str:
        """When it was raised first."""
        return f"first at step {self.first.first_step} (epoch {self.first.first_epoch})"

    @property
    def words(self) -> str:
        """What was seen first, and where else."""
        others = len(self.alarms) - 1
        also = f" So in {words.counted(others, 'other part')}." if others else ""
        return words.plain(self.first.words) + also

    @property
    def advice(self) -> str:
        """What to try; nothing where nothing is known."""
        return f"Try: {words.plain(self.first.advice)}" if self.first.advice else ""

    @property
    def steps(self) -> tuple[int, ...]:
        """The first step of every seed that has it, in any part."""
        firsts: dict[int, int] = {}
        for alarm in self.alarms:
            for seed, step in zip(alarm.seeds, alarm.steps, strict=True):
                firsts[seed] = min(step, firsts.get(seed, step))
        return tuple(firsts.values())


def said(comparison: Comparison) -> tuple[Said, ...]:
    """The alarms of every row, in the order of the table and of the steps."""
    return tuple(
        Said(one, tuple(alarm for alarm in one.row.alarms if alarm.alarm == kind))
        for one in shown(comparison)
        for kind in dict.fromkeys(alarm.alarm for alarm in one.row.alarms)
    )


def is_watched(comparison: Comparison) -> bool:
    """Whether any run of the table was watched."""
    return any(row.watched for row in comparison.rows)


def summary(comparison: Comparison) -> str:
    """How many runs were watched and which optimizers gave no reason for an alarm, in a sentence or two."""
    rows = shown(comparison)
    runs = sum(one.row.watched.seeds for one in rows if one.row.watched)
    measured = sorted({one.row.watched.every for one in rows if one.row.watched})
    every = "step" if measured == [1] else f"{', '.join(map(str, measured))} steps"
    quiet = [one.name for one in rows if one.row.watched and not one.row.alarms]
    partly = [one for one in rows if not one.row.watched or one.row.watched.seeds < len(one.row.seeds)]
    text = f"{words.counted(runs, 'run')} watched, measured every {every}."
    if quiet:
        text += " No alarm." if len(quiet) == len(rows) else f" No alarm: {'; '.join(quiet)}."
    if partly:
        text += f" Not watched: {'; '.join(map(_unwatched, partly))}; {NO_MORE}."
    return text


def _unwatched(one: Shown) -> str:
    left = len(one.row.seeds) - (one.row.watched.seeds if one.row.watched else 0)
    return one.name if left == len(one.row.seeds) else f"{one.name} ({words.counted(left, 'seed')})"


def section(comparison: Comparison, width: int) -> list[RenderableType]:
    """The alarms for a terminal; nothing where no run was watched.

    Args:
        comparison: The comparison.
        width: No line gets longer than this many columns.
    """
    from rich.text import Text

    if not is_watched(comparison):
        return []
    found = said(comparison)
    parts: list[RenderableType] = [Text(), Text("Alarms", style="bold underline")]
    for one in found:
        head = f"{one.one.name}: {one.title}, {one.seeds}, {one.when}"
        parts.append(Text(textwrap.fill(head, width, subsequent_indent="  ")))
        below = f"{one.words} {one.advice}".strip()
        parts.append(Text(textwrap.fill(below, width, initial_indent="  ", subsequent_indent="  "), style="dim"))
    return [*parts, Text(summary(comparison), style="dim")]

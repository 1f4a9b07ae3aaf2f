"""The claims as a table that reads well in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from thalweg.claims.table import DECIDED, ClaimResult, Planned
from thalweg.report import words
from thalweg.report.claims_words import counted_verdicts, headline, key_number, verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {"holds": "green", "does not hold": "red", "depends": "yellow", "holds in part": "yellow"}


def render(found: Sequence[ClaimResult], width: int = 80) -> RenderableType:
    """One row per claim: number, claim, verdict, key number with its interval.

    Args:
        found: The results.
        width: No line gets longer than this many columns.
    """
    from rich import box
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", expand=False)
    table.add_column("", justify="right")
    for name, ratio in (("claim", 5), ("verdict", 3), ("key number [95 % interval]", 6)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for one in found:
        style = _STYLES.get(one.verdict, "dim")
        cells = (words.plain(one.short), Text(verdict(one), style=style), words.plain(key_number(one)))
        table.add_row(str(one.number), *(c if isinstance(c, Text) else Text(c) for c in cells))
    decided = sum(one.verdict in DECIDED for one in found)
    said = Text(f"{headline(len(found), decided)} {counted_verdicts(found)}".strip())
    return Constrain(Group(table, Text(), said), width)


def render_plan(rows: Sequence[Planned], runs: int, seconds: float, jobs: int, width: int = 80) -> RenderableType:
    """What would be run, and for how long.

    Args:
        rows: One per claim, as if it were the only one.
        runs: Of all of them, each once.
        seconds: Of one core, likewise.
        jobs: Runs at a time.
        width: No line gets longer than this many columns.
    """
    from rich import box
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("claim")
    for name in ("studies", "runs", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in rows:
        cells = (one.short, f"{one.studies}", f"{one.runs}", words.duration(one.seconds / jobs))
        table.add_row(str(one.number), *(Text(words.plain(cell)) for cell in cells))
    total = f"{runs} runs in all, about {words.duration(seconds / jobs)} minutes with {jobs} at a time."
    once = "A run that several claims need is made once. What the store has is not made again."
    return Constrain(Group(table, Text(), Text(total), Text(once, style="dim")), width)

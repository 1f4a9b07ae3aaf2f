"""Several problems in one order: the table, and how stable the order is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.lab.table import Profile, Ranking
from thalweg.report import words
from thalweg.report.columns import Column, folded, grid, plain_cell

if TYPE_CHECKING:
    from rich.console import RenderableType


def note(ranking: Ranking) -> str:
    """What the columns are."""
    widest = max((profile.factors[-1] for profile in ranking.profiles), default=1.0)
    return (
        f"cost: {words.plain(ranking.cost)}; score: the mean share of problems on which an optimizer's cost is within "
        f"a factor of the best optimizer's, over factors from 1 to {widest:g}; best: the share on which it is the best"
    )


def stability(ranking: Ranking) -> list[str]:
    """What changes in the order when one optimizer or one problem is left out.

    Args:
        ranking: The ranking.

    Returns:
        One sentence, and one more for each change.
    """
    if not ranking.left_out:
        return ["Nothing was left out in turn, so nothing is known of how stable this order is."]
    if not ranking.changes:
        return [f"Stable: the order of the rest stayed the same in each of {ranking.left_out} leave-one-out checks."]
    head = (
        f"Not stable: {len(ranking.changes)} of {ranking.left_out} leave-one-out checks changed the order of the rest."
    )
    changes = [
        f"Without the {kind} {words.plain(name)}: {', '.join(map(words.plain, order))}."
        for (kind, name), order in ranking.changes.items()
    ]
    return [head, *changes]


def score_interval(profile: Profile) -> str:
    """The interval of a score, a dash where there is none."""
    if profile.low is None or profile.high is None:
        return words.MISSING
    return f"{words.number(profile.low)} to {words.number(profile.high)}"


def best_on(profile: Profile) -> str:
    """The share of problems on which an optimizer is the best: its profile at a factor of 1."""
    return words.percent(profile.shares[0]) if profile.shares else words.MISSING


def render_ranking(ranking: Ranking, width: int = 80) -> RenderableType:
    """The order over several problems, as a table for a terminal.

    Args:
        ranking: The ranking.
        width: No line gets longer than this many columns.

    Returns:
        Something for `rich.console.Console.print`.
    """
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    columns = (
        Column("optimizer", 26, lambda one: plain_cell(folded(words.plain(one.optimizer), 26)), left=True),
        Column("score", 6, lambda one: plain_cell(words.number(one.score))),
        Column("95 % interval", 16, lambda one: plain_cell(score_interval(one)), rank=2),
        Column("best", 5, lambda one: plain_cell(best_on(one)), rank=1),
    )
    head = Text(f"{words.counted(len(ranking.problems), 'problem')} in one order", style="bold")
    head.append(f"\n{words.plain(', '.join(ranking.problems))}", style="not bold dim")
    table = grid(columns, ranking.profiles, width)
    sentences = Text("\n".join(stability(ranking)))
    return Constrain(Group(head, Text(), table, Text(note(ranking), style="dim"), Text(), sentences), width)

"""The comparison as tables that read well in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from thalweg.lab.table import Comparison
from thalweg.report import alarms, budget, phrases, words
from thalweg.report.columns import Column, folded, grid, plain_cell
from thalweg.report.rows import (
    Shown,
    by_result,
    footnotes,
    has_answer,
    is_tuned,
    metric_is_loss,
    ranked,
    shown,
    warning,
)
from thalweg.report.standing import render_ranking
from thalweg.report.verdict import verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["render", "render_ranking"]
_CLOCK = "times: seconds, minutes:seconds or hours:minutes:seconds"


def render(comparison: Comparison, width: int = 80) -> RenderableType:
    """One line on what was trained, the tables, and what they allow to be said.

    Args:
        comparison: The comparison.
        width: No line gets longer than this many columns.

    Returns:
        Something for `rich.console.Console.print`.
    """
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    amount = words.trained(comparison) if is_tuned(comparison) else words.amount(comparison)
    head = Text(words.title(comparison), style="bold").append(f"\n{amount}", style="not bold dim")
    parts: list[RenderableType] = [head]
    if not is_tuned(comparison):
        note = "time: of one run; opt. share: the part of it spent in the optimizer"
        parts += [Text(), _epochs(comparison, width), Text(note, style="dim")]
    if has_answer(comparison):
        parts += _answer(comparison, width) + _cost(comparison, width)
    if is_tuned(comparison):
        parts += _tuning(comparison, width)
    parts += alarms.section(comparison, width)
    if footnotes(comparison):
        parts += [Text(), Text("\n".join(footnotes(comparison)), style="dim")]
    parts += [Text(), Text("\n".join([*verdict(comparison), *map(words.plain, comparison.caveats)]))]
    return Constrain(Group(*parts), width)


def _section(title: str, table: RenderableType, note: str) -> list[RenderableType]:
    from rich.text import Text

    return [Text(), Text(title, style="bold underline"), table, Text(note, style="dim")]


def _epochs(comparison: Comparison, width: int) -> RenderableType:
    """The metric and the loss after the first, the middle and the last epoch, or those of them that fit."""
    room = max(1, (width - 24) // 17)
    columns = [_name_column(comparison, 12 if width < 60 else 17)]
    for epoch in words.shown_epochs(comparison.epochs)[-room:]:
        title = f"epoch {epoch}" if epoch < 100 else f"ep. {epoch}"
        columns.append(Column(f"{title}\n{_short(comparison.metric)}", 8, _after(epoch, "metric")))
        if not metric_is_loss(comparison):
            columns.append(Column("loss", 7, _after(epoch, "loss")))
    columns.append(Column("time", 5, lambda one: plain_cell(words.duration(one.row.time_seconds))))
    columns.append(Column("opt.\nshare", 5, lambda one: plain_cell(words.percent(one.row.time_optimizer_share))))
    return grid(columns, shown(comparison), width)


def _after(epoch: int, name: str) -> Callable[[Shown], Text]:
    def cell(one: Shown) -> Text:
        summary = words.at_epoch(one.row, epoch)
        return plain_cell(words.number(getattr(summary, f"{name}_mean")), words.spread(getattr(summary, f"{name}_sd")))

    return cell


def _answer(comparison: Comparison, width: int) -> list[RenderableType]:
    metric = words.plain(comparison.metric)
    columns = (
        _name_column(comparison, 20),
        Column(f"final\n{_short(metric, 20)}", 20, _final),
        Column("difference\nto the best", 20, partial(_difference, comparison), rank=2),
        Column("better than\nthe next", 11, lambda one: plain_cell(phrases.chance(one.row.chance)), rank=1),
    )
    note = (
        f"{metric} on test data after the last epoch, {'more' if comparison.maximize else 'less'} is better: mean over "
        "the seeds, below it the 95 % interval; better than the next: the chance that it truly is"
    )
    return _section("Which is best", grid(columns, by_result(comparison), width), note)


def _final(one: Shown) -> Text:
    return plain_cell(phrases.result(one.row.final.mean), phrases.interval(one.row.final))


def _difference(comparison: Comparison, one: Shown) -> Text:
    gap = one.row.difference
    if gap is None:
        return plain_cell("the best" if ranked(comparison, one) else words.MISSING)
    return plain_cell(phrases.signed(gap.mean), phrases.signed_interval(gap))


def _cost(comparison: Comparison, width: int) -> list[RenderableType]:
    """Target, steps, time and memory; of a comparison without tuning only what its first table does not show."""
    columns, note = [], ""
    if comparison.target is not None:
        goal = words.setting(comparison.target)
        columns += [
            Column(f"seeds\nat {goal}", max(8, len(goal) + 3), lambda one: plain_cell(phrases.met(one.row))),
            Column("steps\nto it", 8, lambda one: plain_cell(phrases.steps_to(one.row.reached)), rank=1),
            Column("time\nto it", 7, _time_to, rank=3),
        ]
        note = (
            f"seeds at {goal}: how many reached the target, {words.plain(comparison.metric)} {goal}, and the median "
            "steps and time until then; "
        )
    if any(row.steps for row in comparison.rows):
        columns.append(Column("steps\nof a run", 8, lambda one: plain_cell(phrases.count(one.row.steps)), rank=5))
    if is_tuned(comparison):
        columns += [
            Column("time of\na run", 7, lambda one: plain_cell(phrases.brief(one.row.time_seconds))),
            Column("opt.\nshare", 5, lambda one: plain_cell(words.percent(one.row.time_optimizer_share)), rank=2),
        ]
        note += f"{_CLOCK}; opt. share: the part of a run spent in the optimizer; "
    if any(row.state_bytes is not None for row in comparison.rows):
        columns.append(Column("state", 8, lambda one: plain_cell(phrases.memory(one.row.state_bytes)), rank=4))
        note += "state: the memory that the optimizer keeps; "
    if not columns:
        return []
    table = grid([_name_column(comparison, 20), *columns], by_result(comparison), width)
    return _section("How fast, and at what cost", table, note.removesuffix("; "))


def _time_to(one: Shown) -> Text:
    return plain_cell(phrases.brief(one.row.reached.time_seconds if one.row.reached else None))


def _tuning(comparison: Comparison, width: int) -> list[RenderableType]:
    """What tuning cost, then what it found: one line per hyperparameter."""
    cost, result = budget.spent(comparison), budget.found(comparison)
    spent = (
        Column("optimizer", 20, lambda one: plain_cell(folded(one.optimizer, 20)), left=True),
        Column("trials", 6, lambda one: plain_cell(one.trials)),
        Column("stopped", 7, lambda one: plain_cell(one.stopped), rank=3),
        Column("diverged", 8, lambda one: plain_cell(one.diverged), rank=4),
        *(
            [Column("failed", 6, lambda one: plain_cell(one.failed), rank=5)]
            if any(o.failed != "0" for o in cost)
            else []
        ),
        Column("extra", 5, lambda one: plain_cell(one.extra), rank=2),
        Column("steps", 8, lambda one: plain_cell(one.steps)),
        Column("budget", 8, lambda one: plain_cell(one.budget), rank=1),
        Column("time", 7, lambda one: plain_cell(one.time)),
    )
    found = (
        Column("optimizer", 17, lambda one: plain_cell(folded(one.optimizer, 17)), left=True),
        Column(
            "searched", 24, lambda one: plain_cell(folded(f"{one.name} {one.searched}", 24), one.at_first), left=True
        ),
        Column("best", 11, _best),
        Column("within 1 %", 25, lambda one: plain_cell(folded(one.within, 25)), rank=1),
    )
    drawn = f"trials: {budget.samplers(comparison)}; {budget.SPENT_NOTE}; {_CLOCK}"
    return [
        *_section("What tuning cost", grid(spent, cost, width), drawn),
        *_section("What tuning found", grid(found, result, width), budget.FOUND_NOTE),
    ]


def _best(one: budget.Found) -> Text:
    cell = plain_cell(one.best)
    return cell.append(f"\n{one.edge}", style="red") if one.edge else cell


def _name_column(comparison: Comparison, width: int) -> Column:
    def cell(one: Shown) -> Text:
        row = one.row
        lr = f"lr {words.setting(row.settings['lr'])}" if "lr" in row.settings else ""
        second = phrases.rate(row) if is_tuned(comparison) else lr
        name = plain_cell(folded(one.optimizer, width), folded(second, width))
        if warning(comparison, row):
            name.append(f"\n{folded(warning(comparison, row), width)}", style="red")
        return name

    return Column("optimizer", width, cell, left=True)


def _short(metric: str, width: int = 8) -> str:
    """A metric's name where there is little room for it."""
    from rich.cells import cell_len, chop_cells

    name = words.plain(metric)
    return name if cell_len(name) <= width else f"{chop_cells(name, width - 1)[0]}…"

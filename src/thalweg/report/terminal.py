"""The comparison as a table that reads well in a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thalweg.lab.table import Comparison, Row
from thalweg.report import words
from thalweg.report.verdict import verdict

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def render(comparison: Comparison, width: int = 80) -> RenderableType:
    """One line on what was trained, the table, and what it allows to be said.

    Args:
        comparison: The comparison.
        width: No line gets longer than this many columns.

    Returns:
        Something for `rich.console.Console.print`.
    """
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    table = _table(comparison, _epochs_that_fit(comparison.epochs, width))
    sentences = Text("\n".join(verdict(comparison)))
    head = Text(words.title(comparison), style="bold").append(f"\n{words.amount(comparison)}", style="not bold dim")
    note = Text("time: of one run; opt. share: the part of it spent in the optimizer", style="dim")
    return Constrain(Group(head, Text(), table, note, Text(), sentences), width)


def _epochs_that_fit(epochs: int, width: int) -> tuple[int, ...]:
    """The first, middle and last epoch where the terminal has room, else the last two of these or the last."""
    room = (width - 24) // 17
    return words.shown_epochs(epochs)[-max(1, room) :]


def _table(comparison: Comparison, shown: tuple[int, ...]) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0, header_style="bold")
    table.add_column("\noptimizer", overflow="fold", min_width=12)
    for epoch in shown:
        title = f"epoch {epoch}" if epoch < 100 else f"ep. {epoch}"
        table.add_column(
            _text(f"{title}\n{words.plain(comparison.metric)}"), justify="right", max_width=8, no_wrap=True
        )
        table.add_column("\nloss", justify="right", max_width=8, no_wrap=True)
    table.add_column("\ntime", justify="right", no_wrap=True)
    table.add_column("opt.\nshare", justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(*_cells(row, shown))
    return table


def _cells(row: Row, shown: tuple[int, ...]) -> list[Text]:
    cells = [_name(row)]
    for summary in (words.at_epoch(row, epoch) for epoch in shown):
        cells.append(_measured(summary.metric_mean, summary.metric_sd))
        cells.append(_measured(summary.loss_mean, summary.loss_sd))
    return [*cells, _text(words.duration(row.time_seconds)), _text(words.percent(row.time_optimizer_share))]


def _name(row: Row) -> Text:
    name = _text(words.plain(row.optimizer))
    if "lr" in row.settings:
        name.append(f"\nlr {words.setting(row.settings['lr'])}", style="dim")
    if words.trouble(row):
        name.append(f"\n{words.trouble(row)}", style="red")
    return name


def _measured(mean: float | None, sd: float | None) -> Text:
    return _text(words.number(mean)).append(f"\n{words.spread(sd)}" if sd is not None else "", style="dim")


def _text(content: str) -> Text:
    """Text that is shown as it is: labels come from users, and rich would read brackets as markup."""
    from rich.text import Text

    return Text(content)

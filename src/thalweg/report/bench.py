"""What was measured as a table for a terminal, as a chart, and the progress while it is measured."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from thalweg.bench.table import Row, Table
from thalweg.report.style import BAD, GOOD
from thalweg.report.words import MISSING

if TYPE_CHECKING:
    import altair
    from rich.console import RenderableType

_WIDTHS = {"work": 26, "against": 16, "ours, ms": 8, "peer, ms": 8, "ratio": 6, "target": 7, "met": 3}
_INK, _PALE = "#333333", "#999999"
_BAR, _PANEL, _NAMES = 17, 380, 330  # pixels: height of a bar, width of a panel and of the names left of it
_VERDICTS = {True: "reaches its target", False: "misses its target", None: "no target"}


def figure(value: float | None) -> str:
    """A number with three digits, so that a ratio just below its target does not read like it.

    Example:
        >>> [figure(value) for value in (0.0731, 0.897, 5.317, 52.31, 1234.5, None)]
        ['0.073', '0.897', '5.32', '52.3', '1234', '–']
    """
    if value is None:
        return MISSING
    digits = next((digits for limit, digits in ((1, 3), (10, 2), (100, 1)) if value < limit), 0)
    return f"{value:.{digits}f}"


def times(value: float | None) -> str:
    """A ratio, with its sign.

    Example:
        >>> times(5.317), times(None)
        ('5.32x', '–')
    """
    return MISSING if value is None else f"{figure(value)}x"


def target(row: Row) -> str:
    """What a row should reach.

    Example:
        >>> target(Row("start", "Adam", "import torch", 1.0, 9.0, 0.11, 0.15, 15, at_most=True))
        '≤ 0.15x'
    """
    return "" if row.target is None else f"{'≤' if row.at_most else '≥'} {row.target:g}x"


def against(row: Row) -> str:
    """A row's peer, with the setting that was its best.

    Example:
        >>> against(Row("small", "sgd", "torch's best", 1.0, 9.0, 9.0, 3.0, 15, best="foreach"))
        'torch foreach'
    """
    return f"torch {row.best}" if row.best else row.against


def machine(table: Table) -> str:
    """What it was measured on, in one line."""
    facts = dict(table.machine)
    parts = [facts.pop("processor"), f"{facts.pop('cores')} cores", f"{facts.pop('threads')} threads"]
    return ", ".join([*parts, *(f"{name} {value}" for name, value in facts.items()), table.date])


def summary(table: Table) -> str:
    """How many targets are reached, and how the figures were taken."""
    asked = [row for row in table.rows if row.met is not None]
    pairs = sorted({row.pairs for row in table.rows})
    counted = " or ".join(map(str, pairs))
    return (
        f"{sum(bool(row.met) for row in asked)} of {len(asked)} targets are reached. Times are medians, ratios "
        f"medians of the ratios of {counted} alternating {'pair' if pairs == [1] else 'pairs'}."
    )


def render(table: Table) -> RenderableType:
    """The machine, a table for each group, and what the figures are; no line is longer than 80 columns.

    Args:
        table: What was measured.

    Returns:
        Something for `rich.console.Console.print`.
    """
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.text import Text

    parts: list[RenderableType] = [Text(machine(table), style="dim")]
    for group, title in table.titles.items():
        parts += [Text(), Text(f"{group}: {title}", style="bold"), _group(table.of(group))]
    return Constrain(Group(*parts, Text(), Text(summary(table))), 80)


def _group(rows: tuple[Row, ...]) -> RenderableType:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), collapse_padding=True, header_style="dim")
    for name, width in _WIDTHS.items():
        words = name in ("work", "against")
        grid.add_column(name, width=width, overflow="fold", justify="left" if words else "right")
    for row in rows:
        met = {True: "yes", False: "no", None: ""}[row.met]
        cells = (row.work, against(row), figure(row.ours_ms), figure(row.peer_ms), times(row.ratio), target(row), met)
        grid.add_row(*map(Text, cells))
    return grid


def chart(table: Table) -> altair.VConcatChart:
    """A panel for each group: a bar from 1 to each ratio on a logarithmic axis, and a tick at its target.

    Args:
        table: What was measured; rows that have no peer are left out.

    Returns:
        The chart.
    """
    import altair

    drawn = {group: [row for row in table.of(group) if row.ratio] for group in table.titles}
    panels = [_panel(table.titles[group], rows) for group, rows in drawn.items() if rows]
    title = altair.Title(
        "Thalweg's optimizers on this machine",
        subtitle=[machine(table), "Bars start at 1, where both are equal; a black tick is the target."],
        anchor="start",
        offset=16,
    )
    stacked = altair.VConcatChart(vconcat=panels, spacing=26).resolve_scale(x="independent")
    return _styled(stacked.properties(title=title))


def _panel(title: str, rows: list[Row]) -> altair.LayerChart:
    import altair

    one_peer = len({row.against for row in rows}) == 1 and not any(row.best for row in rows)
    points = [_point(row, not one_peer) for row in rows]
    low, high = _domain(points)
    base = altair.Chart(altair.InlineData(values=points)).encode(
        y=altair.Y("name:N", sort=None, title=None, axis=altair.Axis(labelLimit=_NAMES, minExtent=_NAMES))
    )
    ticks = altair.Axis(values=_ticks(low, high), format="~g", title=None)
    scale = altair.Scale(type="log", domain=[low, high], nice=False)
    colours = altair.Scale(domain=list(_VERDICTS.values()), range=[GOOD, BAD, _PALE])
    bars = base.mark_bar(height=_BAR - 6).encode(
        x=altair.X("ratio:Q", scale=scale, axis=ticks),
        x2="one:Q",
        color=altair.Color("verdict:N", scale=colours, legend=altair.Legend(title=None, orient="bottom")),
    )
    limit = base.mark_tick(color="#000000", thickness=2, size=_BAR - 2).encode(x=altair.X("target:Q", scale=scale))
    text = base.mark_text(align="left", baseline="middle", color=_INK, fontSize=11).encode(
        x=altair.value(_PANEL + 8), text="text:N"
    )
    equal = altair.Chart(altair.InlineData(values=[{"one": 1}])).mark_rule(color=_PALE)
    layers = [bars, equal.encode(x=altair.X("one:Q", scale=scale)), limit, text]
    heading = altair.Title(title, anchor="start", fontSize=12, frame="group")
    return altair.LayerChart(layer=layers, width=_PANEL, height=_BAR * len(rows), title=heading)


def _point(row: Row, with_peer: bool) -> dict[str, Any]:
    asked = f"  ({target(row)})" if row.target is not None else ""
    return {
        "name": f"{row.work} / {against(row)}" if with_peer else row.work,
        "ratio": row.ratio,
        "one": 1,
        "target": row.target,
        "verdict": _VERDICTS[row.met],
        "text": f"{times(row.ratio)}{asked}",
    }


def _domain(points: list[dict[str, Any]]) -> tuple[float, float]:
    """The ends of a panel's axis: round a little beyond its ratios and targets, and 1."""
    numbers = [1.0, *(p["ratio"] for p in points), *(p["target"] for p in points if p["target"])]
    low, high = min(numbers), max(numbers)
    margin = max(1.02, (high / low) ** 0.04)
    return low / margin, high * margin


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers on a logarithmic axis, with 1 among them: the coarsest step that gives at least three.

    Example:
        >>> _ticks(0.45, 12), _ticks(0.88, 1.05)
        ([0.5, 1.0, 2.0, 5.0, 10.0], [0.9, 0.95, 1.0, 1.05])
    """
    coarse = [step * 10.0**decade for decade in range(-3, 5) for step in (1, 2, 5)]
    inside: list[float] = []
    for candidates in (coarse, *([k * step for k in range(1, 400)] for step in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01))):
        inside = [round(c, 4) for c in candidates if low <= c <= high]
        if len(inside) >= 3:
            break
    return inside


def _styled(drawn: altair.VConcatChart) -> altair.VConcatChart:
    look: dict[str, Any] = {"labelColor": _INK, "domainColor": _PALE, "tickColor": _PALE, "labelFontSize": 11}
    return (
        drawn.configure(background="#ffffff", padding=12, font="sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e4e4e4", **look)
        .configure_axisY(ticks=False, domain=False, labelPadding=6)
        .configure_legend(labelColor=_INK, labelFontSize=12)
        .configure_title(color=_INK, subtitleColor="#666666")
    )


@contextmanager
def measuring(jobs: int) -> Iterator[Callable[[str], None]]:
    """Show on standard error what is being measured; nothing is drawn while it is, for that would be measured too.

    Args:
        jobs: How many measurements there are.

    Yields:
        To be called with a measurement's name when it begins.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(bar_width=14), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    console = Console(stderr=True)
    begun = 0
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=jobs)

        def begin(label: str) -> None:
            nonlocal begun
            progress.update(task, completed=begun, description=label, refresh=True)
            begun += 1
            if not console.is_terminal:  # a log has no bars, but should show that something happens
                print(f"{begun}/{jobs} {label}", file=sys.stderr, flush=True)

        yield begin

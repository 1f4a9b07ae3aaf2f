"""Every chart of a comparison, by name: for files each as one picture, for the page as panels that can stack."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.lab.table import Comparison
from thalweg.report import words
from thalweg.report.curves import loss_panel, metric_panel
from thalweg.report.finals import difference_panels, final_panels
from thalweg.report.rows import has_answer, is_tuned, metric_is_loss
from thalweg.report.sensitivity import LEGEND, rate_panels
from thalweg.report.style import save_png, styled, to_svg

if TYPE_CHECKING:
    import altair

__all__ = ["Figure", "curves", "figures", "panels", "save_png", "to_svg"]


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        name: What its file is called, without an ending.
        title: What it shows.
        note: How to read it, in a sentence or two.
        about: What was trained, in lines.
        drawn: Its panels, not yet styled.
        columns: How many of them stand beside one another in a picture.
    """

    name: str
    title: str
    note: str
    about: tuple[str, ...]
    drawn: tuple[altair.LayerChart, ...]
    columns: int

    @property
    def panels(self) -> tuple[altair.LayerChart, ...]:
        """The panels, styled, for a page that stacks them on a narrow screen."""
        return tuple(styled(panel) for panel in self.drawn)

    @property
    def whole(self) -> altair.ConcatChart:
        """All panels in one picture, under one title; those of the curves share their legend."""
        import altair

        wide = 45 * min(self.columns, len(self.drawn)) + 10
        below = [*self.about, *textwrap.wrap(self.note, wide)]
        head = altair.Title(self.title, subtitle=below, anchor="start", offset=22)
        whole = altair.ConcatChart(concat=list(self.drawn), columns=self.columns, spacing=36, title=head)
        if self.name == "curves":
            return styled(whole)
        return styled(whole.resolve_scale(color="independent", strokeDash="independent"))


def figures(comparison: Comparison) -> tuple[Figure, ...]:
    """The charts that a comparison has something for, in the order of the page.

    Args:
        comparison: The comparison.

    Returns:
        Where each row ended, differences, learning rates, curves.
    """
    kinds = "Hollow: default settings; filled: tuned. " if is_tuned(comparison) else ""
    sure = any(row.final.low is not None for row in comparison.rows)
    bars = f"{kinds}{'Bars are 95 % intervals over the seeds.' if sure else 'One seed allows no interval.'}"
    metric = words.plain(comparison.metric)
    drawn = []
    if has_answer(comparison):
        title = f"Final test {metric}, the best optimizer on top"
        drawn.append(_figure(comparison, "finals", title, bars, final_panels(comparison), 2))
        title, gap = "Difference to the best row", f"{bars} The difference is paired by seed; the best row is at 0."
        drawn.append(_figure(comparison, "differences", title, gap, difference_panels(comparison), 2))
    rates = rate_panels(comparison)
    if rates:
        drawn.append(_figure(comparison, "learning-rates", "Learning rate against result", LEGEND, rates, 3))
    return (*drawn, _curves(comparison))


def curves(comparison: Comparison) -> altair.ConcatChart:
    """Metric and loss by epoch side by side, with a title.

    Args:
        comparison: The comparison.

    Returns:
        The chart; values that are missing (diverged) leave a gap.
    """
    return _curves(comparison).whole


def panels(comparison: Comparison) -> tuple[altair.LayerChart, ...]:
    """The metric's panel and the loss's panel, each a chart of its own with its own legend.

    Args:
        comparison: The comparison.

    Returns:
        Two charts; one where the metric is the loss.
    """
    return _curves(comparison).panels


def _curves(comparison: Comparison) -> Figure:
    note = (
        "Dashed: default settings; solid: tuned."
        if is_tuned(comparison)
        else "Lines: means over the seeds; bands: ± one standard deviation."
    )
    drawn = (loss_panel(comparison),)
    if not metric_is_loss(comparison):
        drawn = (metric_panel(comparison), *drawn)
    return _figure(comparison, "curves", "Test results after every epoch", note, drawn, 2)


def _figure(
    comparison: Comparison, name: str, title: str, note: str, drawn: tuple[altair.LayerChart, ...], columns: int
) -> Figure:
    return Figure(name, title, note, (words.title(comparison), words.trained(comparison)), drawn, columns)

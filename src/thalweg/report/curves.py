"""The comparison by epoch: test metric and test loss, one line per row, dashed by default and solid when tuned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison, EpochSummary
from thalweg.report import words
from thalweg.report.rows import Shown, is_tuned, shown
from thalweg.report.style import DASHES, PADDING, scale_of, title_above

if TYPE_CHECKING:
    import altair

_BY_DEFAULT = ([4, 3], [1, 3])
_WIDTH, _HEIGHT = 320, 240


def metric_panel(comparison: Comparison) -> altair.LayerChart:
    """The metric after every epoch, not yet styled; values that are missing (diverged) leave a gap."""
    points = _points(comparison, lambda summary: (summary.metric_mean, summary.metric_sd))
    return _panel(comparison, points, f"test {words.plain(comparison.metric)}", logarithmic=False)


def loss_panel(comparison: Comparison) -> altair.LayerChart:
    """The loss after every epoch, not yet styled, on a logarithmic scale where it is above zero."""
    points = _points(comparison, lambda summary: (summary.loss_mean, summary.loss_sd))
    if not points or min(point["mean"] for point in points) <= 0:
        return _panel(comparison, points, "test loss", logarithmic=False)
    # On a log scale a band must end above zero; at the lowest it ends half a lowest mean below.
    floor = min(point["mean"] for point in points) / 2
    points = [{**point, "low": max(point["low"], floor)} for point in points]
    return _panel(comparison, points, "test loss, log scale", logarithmic=True)


def _points(
    comparison: Comparison, measured: Callable[[EpochSummary], tuple[float | None, float | None]]
) -> list[dict[str, Any]]:
    points = []
    for one in shown(comparison):
        for summary in one.row.epochs:
            mean, sd = measured(summary)
            if mean is not None:
                ends = {"low": mean - (sd or 0.0), "high": mean + (sd or 0.0)}
                points.append({"optimizer": one.short_name, "epoch": summary.epoch, "mean": mean, **ends})
    return points


def _panel(comparison: Comparison, points: list[dict[str, Any]], title: str, logarithmic: bool) -> altair.LayerChart:
    import altair

    scale, ticks = scale_of([point[end] for point in points for end in ("low", "high")], logarithmic)
    colour, dash = _identity(shown(comparison))
    axis = altair.Axis(title=title, **title_above(), **ticks)
    bounds: dict[str, Any] = {} if points else {"domain": [0, 1]}  # an axis without data has no ends of its own
    scaled = altair.Scale(nice=False, padding=PADDING, **scale, **bounds)
    mean = altair.Y("mean:Q", scale=scaled, axis=axis)
    base = altair.Chart(altair.InlineData(values=points)).encode(x=_epoch_axis(comparison.epochs), color=colour)
    band = base.mark_area(opacity=0.18).encode(y=altair.Y("low:Q", scale=scaled, axis=axis), y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=mean, strokeDash=dash)
    layers = [band, line]
    if is_tuned(comparison):  # twelve bands over one another say nothing
        layers = [line]
    elif comparison.epochs <= 20:
        layers.append(base.mark_point(filled=True, opacity=1, size=22).encode(y=mean))
    return altair.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT)


def _identity(rows: tuple[Shown, ...]) -> tuple[altair.Color, altair.StrokeDash]:
    """Colour by optimizer; dashes tell apart the two rows of one, and those that share a colour."""
    import altair

    both = any(one.tuned for one in rows)
    names = [one.short_name for one in rows]
    dashes = [
        (DASHES if one.tuned or not both else _BY_DEFAULT)[one.turn % (2 if both else len(DASHES))] for one in rows
    ]
    legend = altair.Legend(
        title=None,
        orient="bottom",
        columns=(2 if max(map(len, names)) < 26 else 1) if both else max(1, min(3, 54 // max([1, *map(len, names)]))),
        labelLimit=_WIDTH,
        symbolType="stroke",
        symbolStrokeWidth=2 if both else 3,
        symbolOpacity=1,
        symbolSize=300 if both else 100,
    )
    legend = legend if rows else None  # one without entries has no size
    colours = [one.colour for one in rows]
    return (
        altair.Color("optimizer:N", legend=legend).scale(domain=names, range=colours),
        altair.StrokeDash("optimizer:N", legend=legend).scale(domain=names, range=dashes),
    )


def _epoch_axis(epochs: int) -> altair.X:
    import altair

    look: dict[str, Any] = {"title": "epoch", "format": "d", "grid": False, "labelFlush": False}
    every = altair.Axis(values=list(range(1, epochs + 1)), **look)
    axis = every if epochs <= 12 else altair.Axis(tickMinStep=1, **look)
    margin = min(0.5, 0.03 * epochs)
    return altair.X("epoch:Q", axis=axis, scale=altair.Scale(domain=[1 - margin, epochs + margin], nice=False))

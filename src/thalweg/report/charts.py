"""The comparison as curves: validation metric and validation loss against the epoch, one line per optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from thalweg.lab.table import Comparison, EpochSummary
from thalweg.report import words

if TYPE_CHECKING:
    import altair

# Okabe and Ito's colours, told apart by colour-blind readers too; without yellow, which is too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
_INK = "#333333"
_WIDTH, _HEIGHT, _PADDING = 320, 240, 10
_Chart = TypeVar("_Chart", "altair.HConcatChart", "altair.LayerChart")


def curves(comparison: Comparison) -> altair.HConcatChart:
    """Both panels side by side, with one legend and a title.

    Args:
        comparison: The comparison.

    Returns:
        The chart; values that are missing (diverged) leave a gap.
    """
    import altair

    title = altair.Title(words.title(comparison), subtitle=words.amount(comparison), anchor="start", offset=22)
    both = altair.hconcat(_metric_panel(comparison), _loss_panel(comparison), spacing=44)
    return _styled(both.properties(title=title))


def panels(comparison: Comparison) -> tuple[altair.LayerChart, altair.LayerChart]:
    """The metric's panel and the loss's panel, each a chart of its own with its own legend.

    Args:
        comparison: The comparison.

    Returns:
        Two charts, for a page that stacks them on a narrow screen.
    """
    return _styled(_metric_panel(comparison)), _styled(_loss_panel(comparison))


def save_png(chart: altair.TopLevelMixin, path: Path) -> None:
    """Writes a chart as a PNG file with two pixels per point; needs no browser and no network.

    Args:
        chart: The chart.
        path: The file to write.
    """
    import vl_convert

    path.write_bytes(vl_convert.vegalite_to_png(chart.to_dict(), scale=2))


def to_svg(chart: altair.TopLevelMixin) -> str:
    """Draws a chart as an SVG document; needs no browser and no network.

    Args:
        chart: The chart.

    Returns:
        The document's text.
    """
    import vl_convert

    return vl_convert.vegalite_to_svg(chart.to_dict())


def _metric_panel(comparison: Comparison) -> altair.LayerChart:
    points = _points(comparison, lambda summary: (summary.metric_mean, summary.metric_sd))
    return _panel(comparison, points, f"validation {words.plain(comparison.metric)}", {"zero": False}, {"tickCount": 6})


def _loss_panel(comparison: Comparison) -> altair.LayerChart:
    points = _points(comparison, lambda summary: (summary.loss_mean, summary.loss_sd))
    if not points or min(point["mean"] for point in points) <= 0:
        return _panel(comparison, points, "validation loss", {"zero": False}, {"tickCount": 6})
    # On a log scale a band must end above zero; at the lowest it ends half a lowest mean below.
    floor = min(point["mean"] for point in points) / 2
    points = [{**point, "low": max(point["low"], floor)} for point in points]
    ticks = _log_ticks(min(point["low"] for point in points), max(point["high"] for point in points))
    axis: dict[str, Any] = {"format": "~g", **({"values": ticks} if len(ticks) > 1 else {"tickCount": 6})}
    return _panel(comparison, points, "validation loss, log scale", {"type": "log"}, axis)


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends: powers of ten, and numbers between these until there are enough."""
    margin = (high / low) ** (_PADDING / (_HEIGHT - 2 * _PADDING))
    low, high = low / margin, high * margin
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 2, 5), range(1, 10)):
        candidates = (float(f"{step}e{decade}") for decade in decades[:: 1 + len(decades) // 12] for step in steps)
        ticks = [tick for tick in candidates if low <= tick <= high]
        if len(ticks) >= 3:
            break
    return ticks


def _points(
    comparison: Comparison, measured: Callable[[EpochSummary], tuple[float | None, float | None]]
) -> list[dict[str, Any]]:
    points = []
    for label, row in zip(words.unique_labels(comparison.rows), comparison.rows, strict=True):
        for summary in row.epochs:
            mean, sd = measured(summary)
            if mean is not None:
                ends = {"low": mean - (sd or 0.0), "high": mean + (sd or 0.0)}
                points.append({"optimizer": label, "epoch": summary.epoch, "mean": mean, **ends})
    return points


def _panel(
    comparison: Comparison, points: list[dict[str, Any]], title: str, scale: dict[str, Any], ticks: dict[str, Any]
) -> altair.LayerChart:
    import altair

    colour, dash = _identity(words.unique_labels(comparison.rows))
    # The axis's title stands above the axis, level in both panels and readable without turning one's head.
    place: dict[str, Any] = {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleBaseline": "bottom",
        "titleX": 0,
        "titleY": -12,
    }
    axis = altair.Axis(title=title, **place, **ticks)
    scaled = altair.Scale(nice=False, padding=_PADDING, **scale)
    mean = altair.Y("mean:Q", scale=scaled, axis=axis)
    base = altair.Chart(altair.InlineData(values=points)).encode(x=_epoch_axis(comparison.epochs), color=colour)
    band = base.mark_area(opacity=0.18).encode(y=altair.Y("low:Q", scale=scaled, axis=axis), y2="high:Q")
    layers = [band, base.mark_line(strokeWidth=2).encode(y=mean, strokeDash=dash)]
    if comparison.epochs <= 20:
        layers.append(base.mark_point(filled=True, opacity=1, size=22).encode(y=mean))
    return altair.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT)


def _identity(labels: list[str]) -> tuple[altair.Color, altair.StrokeDash]:
    """An optimizer's colour and dashes, fixed by its place; dashes tell apart those that share a colour."""
    import altair

    places = range(len(labels))
    colours = [PALETTE[place % len(PALETTE)] for place in places]
    dashes = [_DASHES[place // len(PALETTE) % len(_DASHES)] for place in places]
    columns = max(1, min(3, 54 // max([1, *map(len, labels)])))
    legend = altair.Legend(
        title=None,
        orient="bottom",
        columns=columns,
        labelLimit=_WIDTH,
        symbolType="stroke",
        symbolStrokeWidth=3,
        symbolOpacity=1,
    )
    return (
        altair.Color("optimizer:N", legend=legend).scale(domain=labels, range=colours),
        altair.StrokeDash("optimizer:N", legend=legend).scale(domain=labels, range=dashes),
    )


def _epoch_axis(epochs: int) -> altair.X:
    import altair

    look: dict[str, Any] = {"title": "epoch", "format": "d", "grid": False, "labelFlush": False}
    every = altair.Axis(values=list(range(1, epochs + 1)), **look)
    axis = every if epochs <= 12 else altair.Axis(tickMinStep=1, **look)
    margin = min(0.5, 0.03 * epochs)
    return altair.X("epoch:Q", axis=axis, scale=altair.Scale(domain=[1 - margin, epochs + margin], nice=False))


def _styled(chart: _Chart) -> _Chart:
    ink: dict[str, Any] = {"labelColor": _INK, "titleColor": _INK}
    return (
        chart.configure(background="#ffffff", padding=12, font="sans-serif", aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            gridColor="#e4e4e4",
            domainColor="#999999",
            tickColor="#999999",
            titleFontWeight="normal",
            titleFontSize=13,
            labelFontSize=12,
            **ink,
        )
        .configure_legend(labelColor=_INK, labelFontSize=12)
        .configure_title(color=_INK, subtitleColor="#666666")
    )

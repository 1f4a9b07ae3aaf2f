"""Where every row ended, with its interval: the final metric, and its difference to the best row's."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison, Estimate
from thalweg.report import words
from thalweg.report.rows import by_result, is_tuned, ranked
from thalweg.report.style import INK, PAPER, WIDE, scale_of

if TYPE_CHECKING:
    import altair

_WIDTH, _ROW = 300, 30
_ENLARGE = 4  # a second panel pays where the better half fills less than this part of the first
_KINDS = ("default settings", "tuned")


def final_panels(comparison: Comparison) -> tuple[altair.LayerChart, ...]:
    """The final metric of every row: all of them, and where they are far apart the better half enlarged."""
    points = _points(comparison, lambda one: one.row.final)
    return _panels(comparison, points, f"final test {words.plain(comparison.metric)}", zero=False)


def difference_panels(comparison: Comparison) -> tuple[altair.LayerChart, ...]:
    """How far every ranked row is from the best one: all of them, and perhaps the better half enlarged."""
    points = _points(
        comparison, lambda one: (one.row.difference or Estimate(0.0)) if ranked(comparison, one) else Estimate(None)
    )
    return _panels(comparison, points, f"{words.plain(comparison.metric)} minus the best row's", zero=True)


def _points(comparison: Comparison, estimate: Any) -> list[dict[str, Any]]:
    points = []
    for one in by_result(comparison):
        found = estimate(one)
        if found.mean is not None:
            ends = {"low": found.mean if found.low is None else found.low}
            ends["high"] = found.mean if found.high is None else found.high
            kind = _KINDS[one.tuned]
            points.append(
                {"optimizer": one.short_optimizer, "colour": one.colour, "kind": kind, "mean": found.mean, **ends}
            )
    return points


def _panels(comparison: Comparison, points: list[dict[str, Any]], title: str, zero: bool) -> tuple[Any, ...]:
    both = is_tuned(comparison)
    if _far_apart(points) and not comparison.maximize and not zero:
        return (_panel(points, f"{title}, log scale", both, zero, logarithmic=True),)
    whole, better = _panel(points, title, both, zero), _better_half(points, comparison.maximize)
    if not _span(better) or _ENLARGE * _span(better) > _span(points):
        return (whole,)
    return whole, _panel(better, f"{title}, enlarged", both, zero)


def _far_apart(points: list[dict[str, Any]]) -> bool:
    """Whether a logarithmic scale shows more: everything above zero, over more than a factor."""
    means, lows = ([point[name] for point in points] for name in ("mean", "low"))
    return bool(points) and min(lows) > 0 and max(means) > WIDE * min(means)


def _better_half(points: list[dict[str, Any]], maximize: bool) -> list[dict[str, Any]]:
    means = [point["mean"] for point in points]
    middle = statistics.median(means) if means else 0.0
    return [point for point in points if (point["mean"] >= middle if maximize else point["mean"] <= middle)]


def _span(points: list[dict[str, Any]]) -> float:
    ends = [point[end] for point in points for end in ("low", "high")]
    return max(ends) - min(ends) if ends else 0.0


def _panel(
    points: list[dict[str, Any]], title: str, both: bool, zero: bool, logarithmic: bool = False
) -> altair.LayerChart:
    import altair

    names = list(dict.fromkeys(point["optimizer"] for point in points))
    colours = list({point["optimizer"]: point["colour"] for point in points}.values())
    kind, ticks = scale_of([point[end] for point in points for end in ("low", "high")], logarithmic)
    scale = altair.Scale(nice=False, padding=12, **kind)
    few: dict[str, Any] = ticks if logarithmic else {"tickCount": 5}
    axis = altair.Axis(title=title, **few)
    base = altair.Chart(altair.InlineData(values=points)).encode(
        y=altair.Y("optimizer:N", sort=None, scale=altair.Scale(domain=names), axis=_names_axis()),
        color=altair.Color("optimizer:N", legend=None).scale(domain=names, range=colours),
    )
    if both:
        offsets = altair.Scale(domain=list(_KINDS), range=[_ROW / 2 - 6, _ROW / 2 + 6])
        base = base.encode(yOffset=altair.YOffset("kind:N", scale=offsets))
    ends = base.mark_rule(strokeWidth=2).encode(x=altair.X("low:Q", scale=scale, axis=axis), x2="high:Q")
    mean = base.encode(x=altair.X("mean:Q", scale=scale, axis=axis))
    hollow = mean.mark_point(size=50, strokeWidth=2, fill=PAPER, opacity=1)
    filled = mean.mark_point(size=60, filled=True, opacity=1)
    layers = [ends, filled]
    if both:
        by_default = altair.datum.kind == _KINDS[0]
        layers = [ends, hollow.transform_filter(by_default), filled.transform_filter(~by_default)]
    if zero:
        line = altair.Chart(altair.InlineData(values=[{"best": 0}])).mark_rule(color=INK)
        layers.insert(0, line.encode(x=altair.X("best:Q", scale=scale, axis=axis)))
    return altair.LayerChart(layer=layers, width=_WIDTH, height=_ROW * max(1, len(names)))


def _names_axis() -> altair.Axis:
    import altair

    return altair.Axis(title=None, labelLimit=220, ticks=False, domain=False, labelPadding=8, grid=True)

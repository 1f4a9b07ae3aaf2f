"""How much the learning rate matters: every trial of every tuned row, one small panel per optimizer."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison, Row, Trial
from thalweg.report import words
from thalweg.report.rows import Shown, shown
from thalweg.report.style import INK, PADDING, PAPER, QUIET, WIDE, log_ticks, scale_of, title_above

if TYPE_CHECKING:
    import altair

_WIDTH, _HEIGHT = 210, 150
FENCE = 3.0  # quartile distances; Tukey calls what lies beyond far out
LEGEND = (
    "Filled circles: trials trained to the end, joined by a line; hollow: stopped early, at the metric they had then; "
    "crosses at the worst end: diverged, failed, or off the axis. Upright lines: the chosen rate; dashed: the default."
)


def rate_panels(comparison: Comparison) -> tuple[altair.LayerChart, ...]:
    """One panel per optimizer whose learning rate was tuned, all with the same axes."""
    tuned = [one for one in shown(comparison) if _trials(one.row)]
    ends = _common(comparison, tuned)
    defaults = {one.place: one.row.settings.get("lr") for one in shown(comparison) if not one.tuned}
    return tuple(_panel(comparison, one, defaults.get(one.place), *ends) for one in tuned)


def _trials(row: Row) -> list[Trial]:
    """The trials that have a learning rate which a logarithmic axis can show."""
    return [trial for trial in (row.tuning.trials if row.tuning else ()) if trial.hyper.get("lr", 0) > 0]


def _common(comparison: Comparison, tuned: list[Shown]) -> tuple[list[float], list[float]]:
    """All rates and all metrics, for axes that are the same in every panel."""
    trials = [trial for one in tuned for trial in _trials(one.row)]
    rates = [trial.hyper["lr"] for trial in trials]
    rates += [lr for one in shown(comparison) if isinstance(lr := one.row.settings.get("lr"), float | int) and lr > 0]
    metrics = [trial.metric for trial in trials if trial.metric is not None and math.isfinite(trial.metric)]
    return rates, _without_far_ones(metrics, comparison.maximize)


def _without_far_ones(metrics: list[float], maximize: bool) -> list[float]:
    """Without those so bad that no other could be told apart: beyond Tukey's fence, of logarithms where these exist."""
    if len(metrics) < 4:
        return metrics
    above = min(metrics) > 0 and not maximize
    quarters = statistics.quantiles([math.log(m) if above else m for m in metrics], n=4)
    reach = FENCE * (quarters[2] - quarters[0])
    low, high = quarters[0] - reach, quarters[2] + reach
    if maximize:
        return [metric for metric in metrics if metric >= low]
    return [metric for metric in metrics if (math.log(metric) if above else metric) <= high]


def _points(row: Row, worst: float, maximize: bool) -> list[dict[str, Any]]:
    points = []
    for trial in _trials(row):
        metric = trial.metric
        off = metric is None or not math.isfinite(metric) or (metric < worst if maximize else metric > worst)
        state = {"metric": worst, "state": "off"} if off else {"metric": metric, "state": trial.status}
        points.append({"lr": trial.hyper["lr"], **state})
    return points


def _panel(
    comparison: Comparison, one: Shown, default: Any, rates: list[float], metrics: list[float]
) -> altair.LayerChart:
    import altair

    wide = not comparison.maximize and min(metrics, default=0) > 0 and max(metrics) > WIDE * min(metrics)
    scale, ticks = scale_of(metrics, wide)
    worst = (min if comparison.maximize else max)(metrics, default=0.0)
    x = altair.X(
        "lr:Q",
        scale=altair.Scale(type="log", domain=_ends(rates), nice=False),
        axis=altair.Axis(title="learning rate", values=_decades(rates), format="~e", grid=False, labelFlush=False),
    )
    bounds: dict[str, Any] = {"domain": _bounds(metrics, wide)}
    title = f"validation {words.plain(comparison.metric)}"
    y = altair.Y(
        "metric:Q",
        scale=altair.Scale(nice=False, padding=PADDING, **scale, **bounds),
        axis=altair.Axis(title=title, **title_above(), **{**ticks, **({} if wide else {"tickCount": 4})}),
    )
    base = altair.Chart(altair.InlineData(values=_points(one.row, worst, comparison.maximize)))
    colour, state = one.colour, altair.datum.state
    ended = base.transform_filter(state == "finished").encode(x=x, y=y)
    lost = (state != "finished") & (state != "stopped")
    layers = [
        *_rates(one, default, x),
        ended.mark_line(color=colour, strokeWidth=2),
        ended.mark_point(color=colour, filled=True, size=40, opacity=1),
        base.transform_filter(state == "stopped")
        .mark_point(stroke=colour, fill=PAPER, size=36, opacity=1)
        .encode(x=x, y=y),
        base.transform_filter(lost)
        .mark_point(shape="cross", angle=45, color=INK, filled=True, size=50)
        .encode(x=x, y=y),
    ]
    heading = altair.Title(one.short_optimizer, anchor="start", fontSize=13, limit=_WIDTH, offset=22, frame="group")
    return altair.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT, title=heading)


def _rates(one: Shown, default: Any, x: altair.X) -> list[altair.Chart]:
    """Upright lines at the default and at the chosen learning rate."""
    import altair

    best = one.row.tuning.best.get("lr") if one.row.tuning else None
    drawn = [(default, [3, 3], QUIET), (best, [1, 0], QUIET)]
    return [
        altair.Chart(altair.InlineData(values=[{"lr": lr}])).mark_rule(color=grey, strokeDash=dash).encode(x=x)
        for lr, dash, grey in drawn
        if isinstance(lr, float | int) and lr > 0
    ]


def _ends(rates: list[float]) -> list[float]:
    return [min(rates) / 1.5, max(rates) * 1.5]


def _bounds(metrics: list[float], wide: bool) -> list[float]:
    low, high = min(metrics, default=0.0), max(metrics, default=1.0)
    if wide:
        return [low, high]
    margin = (high - low or abs(high) or 1.0) * 0.05
    return [low - margin, high + margin]


def _decades(rates: list[float]) -> list[float]:
    """Powers of ten on the axis, six at most."""
    ticks = log_ticks(min(rates), max(rates), _WIDTH)
    return ticks[:: 1 + len(ticks) // 6]

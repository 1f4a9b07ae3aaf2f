"""How much the learning rate matters: every trial of every tuned row, one small panel per optimizer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from thalweg.lab.table import Comparison, Row, Trial
from thalweg.report import words
from thalweg.report.rows import Shown, shown
from thalweg.report.style import INK, PADDING, PAPER, QUIET, WIDE, colour_of, log_ticks, scale_of, title_above

if TYPE_CHECKING:
    import altair

_WIDTH, _HEIGHT = 210, 150
LEGEND = (
    "Filled circles: trials trained to the end, joined by a line; hollow: stopped early, at the metric they had then; "
    "crosses: diverged or failed, set at the worst end. Upright lines: the chosen rate, and dashed the default one."
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


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _common(comparison: Comparison, tuned: list[Shown]) -> tuple[list[float], list[float]]:
    """All rates and all metrics, for axes that are the same in every panel."""
    trials = [trial for one in tuned for trial in _trials(one.row)]
    rates = [trial.hyper["lr"] for trial in trials]
    rates += [lr for one in shown(comparison) if isinstance(lr := one.row.settings.get("lr"), float | int) and lr > 0]
    return rates, [trial.metric for trial in trials if trial.metric is not None and math.isfinite(trial.metric)]


def _points(row: Row, worst: float) -> list[dict[str, Any]]:
    return [
        {
            "lr": trial.hyper["lr"],
            "metric": trial.metric if _known(trial.metric) else worst,
            "state": trial.status if _known(trial.metric) else "diverged",
        }
        for trial in _trials(row)
    ]


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
    base = altair.Chart(altair.InlineData(values=_points(one.row, worst)))
    colour, state = colour_of(one.place), altair.datum.state
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

"""The charts of a claim: every contrast with its interval, and the picture that shows why."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from thalweg.claims.table import NONE, OPPOSES, SUPPORTS, UNCLEAR, ClaimResult, Contrast, Line, Panel
from thalweg.colours import ADADELTA, ADAGRAD, ADAM, MOMENTUM, NESTEROV, RMSPROP, colour_of
from thalweg.report import words
from thalweg.report.style import BAD, DASHES, GOOD, INK, PAPER, QUIET, log_ticks, styled, title_above

if TYPE_CHECKING:
    import altair

WIDTH, HEIGHT, ROW = 360, 250, 30
MOST_DOTS = 60  # units of a contrast that are drawn one by one
SHADES = {SUPPORTS: GOOD, OPPOSES: BAD, NONE: QUIET, UNCLEAR: QUIET}
NAMELESS = tuple(colour.light for colour in (RMSPROP, MOMENTUM, ADAGRAD, NESTEROV, ADAM, ADADELTA))  # of no rule


def panels(found: ClaimResult) -> tuple[tuple[str, altair.LayerChart], ...]:
    """Every chart of a claim with a title for those who hear it: first the picture's, then the contrasts'."""
    drawn = [(panel.title, _panel(panel)) for panel in (found.picture.panels if found.picture else ())]
    for part in found.parts:
        drawn += [(f"{part.text} {title}", chart) for title, chart in _contrasts(part.contrasts)]
    return tuple((words.plain(title), chart) for title, chart in drawn)


def whole(found: ClaimResult) -> altair.ConcatChart:
    """All charts of a claim in one picture, for the documentation."""
    import altair

    every = [chart for _, chart in panels(found)]
    return styled(
        altair.ConcatChart(concat=every, columns=2, spacing=40).resolve_scale(
            color="independent", strokeDash="independent"
        )
    )


# --- contrasts ---


def _contrasts(contrasts: Sequence[Contrast]) -> list[tuple[str, altair.LayerChart]]:
    """One chart for all contrasts of one measure and scale."""
    kinds = dict.fromkeys((one.measure, one.scale, one.threshold) for one in contrasts)
    groups = [[c for c in contrasts if (c.measure, c.scale, c.threshold) == kind] for kind in kinds]
    return [(_axis_title(group[0]), _forest(group)) for group in groups if any(_ends(c) for c in group)]


def _axis_title(one: Contrast) -> str:
    measure = words.plain(one.measure)
    if one.scale == "factor":
        return f"factor: {measure}  (right: as claimed)"
    if one.scale.startswith("amount"):
        return f"{measure}  ({'left' if one.scale.endswith('below') else 'right'} of the line: as claimed)"
    return f"difference: {measure}  (right: as claimed)"


def _ends(one: Contrast) -> list[float]:
    found = (one.estimate.low, one.estimate.mean, one.estimate.high)
    return [value for value in found if value is not None and math.isfinite(value)]


def _forest(group: Sequence[Contrast]) -> altair.LayerChart:
    """A row per setting: units as dots, mean and interval above them, the threshold as a line, its margin as a band."""
    import altair

    logarithmic = group[0].scale == "factor"
    names = words.told_apart([words.plain(one.setting) for one in group])
    rows = [_row(name, one) for name, one in zip(names, group, strict=True) if _ends(one)]
    margin, threshold = _margin(group[0]), group[0].threshold
    every = [v for row in rows for v in (row["low"], row["high"], *row["dots"])] + [*margin, threshold]
    scale, axis = _scale(every, logarithmic)
    x = {"scale": scale, "axis": altair.Axis(title=_axis_title(group[0]), **axis)}
    side = altair.Axis(title=None, labelLimit=210, ticks=False, domain=False, labelPadding=8, grid=True)
    y = altair.Y("setting:N", sort=None, scale=altair.Scale(domain=names), axis=side)
    outcomes = list(SHADES)
    shade = altair.Color("outcome:N", legend=None).scale(domain=outcomes, range=[SHADES[o] for o in outcomes])
    dots = [{"setting": row["setting"], "value": v, "outcome": row["outcome"]} for row in rows for v in row["dots"]]
    base = altair.Chart(altair.InlineData(values=[{k: v for k, v in r.items() if k != "dots"} for r in rows]))
    band = altair.Chart(altair.InlineData(values=[{"from": margin[0], "to": margin[1]}])).mark_rect(
        color=QUIET, opacity=0.25
    )
    line = altair.Chart(altair.InlineData(values=[{"at": threshold}])).mark_rule(color=INK)
    units = altair.Chart(altair.InlineData(values=dots)).mark_circle(size=14, opacity=0.35)
    mean = base.encode(x=altair.X("mean:Q", **x), y=y, color=shade)
    hollow = mean.transform_filter(altair.datum.outcome == UNCLEAR)
    layers = [
        *([band.encode(x=altair.X("from:Q", **x), x2="to:Q")] if margin[1] > margin[0] else []),
        line.encode(x=altair.X("at:Q", **x)),
        *([units.encode(x=altair.X("value:Q", **x), y=y, color=shade)] if dots else []),
        base.mark_rule(strokeWidth=2.5).encode(x=altair.X("low:Q", **x), x2="high:Q", y=y, color=shade),
        mean.mark_point(size=70, filled=True, opacity=1),
        hollow.mark_point(size=60, strokeWidth=2, fill=PAPER, opacity=1),
    ]
    return altair.LayerChart(layer=layers, width=WIDTH - 80, height=ROW * len(names))


def _row(name: str, one: Contrast) -> dict[str, Any]:
    mean, low, high = one.estimate.mean, one.estimate.low, one.estimate.high
    dots = [v for v in one.values if math.isfinite(v)] if len(one.values) <= MOST_DOTS else []
    ends = {"low": mean if low is None else low, "high": mean if high is None else high}
    return {"setting": name, "mean": mean, **ends, "outcome": one.outcome, "dots": dots}


def _margin(one: Contrast) -> tuple[float, float]:
    if one.scale == "factor":
        return one.threshold / one.none, one.threshold * one.none
    return one.threshold - one.none, one.threshold + one.none


def _scale(values: Sequence[float], logarithmic: bool) -> tuple[altair.Scale, dict[str, Any]]:
    import altair

    low, high = min(values), max(values)
    if logarithmic and low > 0:
        if high < 1.05 * low:
            low, high = low / 1.05, high * 1.05
        return (
            altair.Scale(type="log", domain=[low, high], nice=False, padding=10),
            {"values": log_ticks(low, high), "format": "~g" if high < 1e6 else "~e"},
        )
    reach = (high - low) or abs(high) or 1.0
    domain = [low - 0.04 * reach, high + 0.04 * reach]
    return altair.Scale(domain=domain, nice=False, zero=False), {"tickCount": 5}


# --- the picture ---


def _panel(panel: Panel) -> altair.LayerChart:
    import altair

    named = [line for line in panel.lines if line.rule != "contour"]
    ground = [line for line in panel.lines if line.rule == "contour"]
    labels = words.told_apart([words.plain(line.label) for line in named])
    rows = [row for label, line in zip(labels, named, strict=True) for row in _points(label, line, panel)]
    legend = altair.Legend(
        title=None, orient="bottom", columns=2, symbolType="stroke", symbolStrokeWidth=3, labelLimit=190
    )
    key = legend if len(labels) > 1 else None
    colour = altair.Color("line:N", legend=key).scale(domain=labels, range=_colours(named))
    dash = altair.StrokeDash("line:N", legend=key).scale(domain=labels, range=_dashes(named))
    x, y = (_axis(panel, side, [row[side] for row in rows if row[side] is not None]) for side in "xy")
    base = altair.Chart(altair.InlineData(values=rows)).encode(color=colour)
    layers = _ground(ground, panel, x, y) + _intervals(base, rows, x, y)
    drawn = base.mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, strokeDash=dash, order="place:Q")
    dots = base.transform_filter("datum.dot").mark_circle(size=22, opacity=0.9, clip=True).encode(x=x, y=y)
    some = [dots] if any(row["dot"] for row in rows) else []
    title = altair.Title(textwrap.wrap(words.plain(panel.title), 52), anchor="start", fontSize=13, offset=20)
    return altair.LayerChart(layer=[*layers, drawn, *some], width=WIDTH, height=HEIGHT, title=title)


def _points(label: str, line: Line, panel: Panel) -> list[dict[str, Any]]:
    low, high = line.low or (None,) * len(line.x), line.high or (None,) * len(line.x)
    every = zip(line.x, line.y, low, high, strict=True)
    kept = []
    for place, (x, y, a, b) in enumerate(every):
        shown = y is not None and not (panel.log_y and y <= 0) and not (panel.log_x and x <= 0)
        a = None if a is None or (panel.log_y and a <= 0) else a
        row = {
            "line": label,
            "place": place,
            "x": x,
            "y": y if shown else None,
            "dot": line.points,
            "low": a,
            "high": b,
        }
        if not (panel.log_x and x <= 0):
            kept.append(row)
    return kept


def _axis(panel: Panel, side: str, values: Sequence[float]) -> Any:
    import altair

    logarithmic = panel.log_x if side == "x" else panel.log_y
    scale: dict[str, Any] = {"zero": False, "nice": False}
    ticks: dict[str, Any] = {"tickCount": 6}
    if panel.window:
        scale["domain"] = list(panel.window[side == "y"])
    elif logarithmic and values:
        low, high = min(values), max(values)
        scale["type"] = "log"
        ticks = (
            {"values": log_ticks(low, high), "format": "~g" if low >= 1e-4 and high < 1e6 else "~e"}
            if high > low
            else {}
        )
        scale["padding"] = 8
    if side == "x":
        return altair.X("x:Q", scale=altair.Scale(**scale), axis=altair.Axis(title=panel.x, grid=False, **ticks))
    above: dict[str, Any] = title_above()
    return altair.Y("y:Q", scale=altair.Scale(**scale), axis=altair.Axis(title=panel.y, **above, **ticks))


def _ground(ground: Sequence[Line], panel: Panel, x: Any, y: Any) -> list[Any]:
    import altair

    rows = [
        {"piece": k, "place": place, "x": a, "y": b}
        for k, line in enumerate(ground)
        for place, (a, b) in enumerate(zip(line.x, line.y, strict=True))
    ]
    chart = altair.Chart(altair.InlineData(values=rows)).mark_line(strokeWidth=1, color=QUIET, opacity=0.6, clip=True)
    return [chart.encode(x=x, y=y, detail="piece:N", order="place:Q")] if rows else []


def _intervals(base: Any, rows: Sequence[dict[str, Any]], x: Any, y: Any) -> list[Any]:
    """Bands below lines, bars at single points."""
    some = [row for row in rows if row["low"] is not None and row["high"] is not None]
    known = base.transform_filter("isValid(datum.low) && isValid(datum.high)")
    low = y.copy()
    low.shorthand = "low:Q"
    layers = []
    if any(not row["dot"] for row in some):
        bands = known.transform_filter("!datum.dot").mark_area(opacity=0.18, clip=True)
        layers.append(bands.encode(x=x, y=low, y2="high:Q"))
    if any(row["dot"] for row in some):
        layers.append(known.transform_filter("datum.dot").mark_rule(strokeWidth=1.5).encode(x=x, y=low, y2="high:Q"))
    return layers


def _colours(lines: Sequence[Line]) -> list[str]:
    nameless = [line for line in lines if not line.rule]
    return [
        colour_of(line.rule).light if line.rule else NAMELESS[nameless.index(line) % len(NAMELESS)] for line in lines
    ]


def _dashes(lines: Sequence[Line]) -> list[list[int]]:
    """Dashed where asked; else lines of one colour take different dashes."""
    colours = _colours(lines)
    dashes = []
    for place, line in enumerate(lines):
        same = sum(c == colours[place] and not one.dashed for c, one in zip(colours[:place], lines, strict=False))
        dashes.append(DASHES[1] if line.dashed else DASHES[0 if not same else (2 + same - 1) % len(DASHES)])
    return dashes

"""Performance profiles: the share of problems on which an optimizer is within a factor of the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thalweg.colours import colour_of, turns_of
from thalweg.lab.table import Ranking
from thalweg.report import words
from thalweg.report.style import DASHES, styled, title_above

if TYPE_CHECKING:
    import altair


def profiles(ranking: Ranking) -> altair.LayerChart:
    """One step line per optimizer, from a factor of 1 rightwards; higher is better.

    Args:
        ranking: The ranking.

    Returns:
        The chart.
    """
    import altair

    names = words.told_apart([words.plain(profile.optimizer) for profile in ranking.profiles])
    values = [
        {"optimizer": name, "factor": factor, "share": share}
        for name, profile in zip(names, ranking.profiles, strict=True)
        for factor, share in zip(profile.factors, profile.shares, strict=True)
    ]
    title = f"factor of the best optimizer's {words.plain(ranking.cost)}"
    top = altair.Title("Share of problems within a factor of the best", anchor="start", offset=10)
    legend = altair.Legend(title=None, orient="bottom", columns=2, symbolType="stroke", symbolStrokeWidth=3)
    legend = legend if names else None  # one without entries has no size
    rules = [profile.rule for profile in ranking.profiles]
    colours = [colour_of(rule).light for rule in rules]
    dashes = [DASHES[turn % len(DASHES)] for turn in turns_of(rules)]
    shares = altair.Axis(format="%", tickCount=5, title=None, **title_above())
    bounds: dict[str, Any] = {} if values else {"domain": [1, 2]}  # an axis without data has no ends of its own
    chart = altair.Chart(altair.InlineData(values=values)).mark_line(interpolate="step-after", strokeWidth=2)
    drawn = chart.encode(
        x=altair.X(
            "factor:Q",
            scale=altair.Scale(zero=False, nice=False, **bounds),
            axis=altair.Axis(title=title, grid=False, tickCount=7, labelFlush=False),
        ),
        y=altair.Y("share:Q", scale=altair.Scale(domain=[0, 1]), axis=shares),
        color=altair.Color("optimizer:N", legend=legend).scale(domain=names, range=colours),
        strokeDash=altair.StrokeDash("optimizer:N", legend=legend).scale(domain=names, range=dashes),
    )
    return styled(altair.LayerChart(layer=[drawn], width=420, height=260, title=top))

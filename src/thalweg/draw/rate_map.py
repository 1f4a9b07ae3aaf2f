"""The map of learning rates: how each rule ends at each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw import page
from thalweg.draw.contours import INK, QUIET
from thalweg.draw.labels import name_of
from thalweg.draw.rate_grid import RATES, SIDE, SPREAD, Row, lowest_of, row
from thalweg.draw.scene import Contender, Scene
from thalweg.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALE, LOST = "viridis", "#dcdcdc"
TALL, LABELS, BEST, KEY = 0.44, 2.15, 2.3, 1.5  # of a row; left and right of the rows; below them, in inches
RANGE = 1e10  # what is this much lower than the highest score has the darkest colour


def rate_map(scene: Scene) -> Figure:
    """How each rule ends at each learning rate: a row for every contender, dark where it ends low.

    Args:
        scene: What to show; of its descents only who runs, from where and for how many steps.

    Raises:
        InputError: If no contender has a learning rate.
    """
    contenders = [d.contender for d in scene.descents if "lr" in d.contender.setting.rule.hyper]
    without = [d.contender.label for d in scene.descents if "lr" not in d.contender.setting.rule.hyper]
    if not contenders:
        raise InputError("expected a rule with a learning rate to map, got none: name one, such as sgd")
    lowest = lowest_of(scene)
    rows = [row(each.setting, scene, lowest) for each in contenders]
    foot = page.foot_height(scene, elsewhere=True) + KEY
    figure = page.figure(foot + len(rows) * TALL + 1.15)
    labels = max(
        LABELS, *(0.1 * len(name_of(c)) + 0.1 for c in contenders), *(0.07 * len(_other(c)) for c in contenders)
    )
    wide = page.WIDTH - 2 * page.MARGIN - labels - BEST
    axes = page.place(figure, page.MARGIN + labels, foot, wide, len(rows) * TALL)
    heading = "best rate: its steps" if lowest is None else "best rate: its height"
    drawn = _cells(axes, rows, lowest is not None)
    for place, (each, found) in enumerate(zip(contenders, rows, strict=True)):
        _row(figure, axes, each, found, lowest, foot + (len(rows) - place - 0.5) * TALL, place)
    page.write(figure, page.WIDTH - page.MARGIN - BEST + 0.15, foot + len(rows) * TALL + 0.1, heading, 9, QUIET)
    _key(figure, drawn, foot, lowest, scene.steps, without)
    page.head(figure, scene, _said(scene))
    page.foot(figure, scene, elsewhere=True)
    return figure


def _said(scene: Scene) -> str:
    x, y = scene.start
    around = f"from {SIDE} × {SIDE} starts around ({x:g}, {y:g}), a square of {200 * SPREAD:.0f} % of the window"
    return f"{len(RATES)} constant rates, {page.counted(scene)}, {around}{page.noise(scene)}"


def _cells(axes: Any, rows: list[Row], logarithmic: bool) -> Any:
    """Draw the scores of all rows; lost ones hatched."""
    from matplotlib.colors import LogNorm, Normalize

    scores = np.ma.masked_where([each.lost for each in rows], [each.scores for each in rows])
    edges = np.sqrt(RATES[1:] * RATES[:-1])
    edges = np.array([edges[0] ** 2 / edges[1], *edges, edges[-1] ** 2 / edges[-2]])
    low, high = (float(scores.min()), float(scores.max())) if scores.count() else (1.0, 10.0)
    norm = LogNorm(max(low, high / RANGE), high if high > low else low * 10) if logarithmic else Normalize(0, high)
    axes.set_facecolor(LOST)
    lines = np.arange(len(rows) + 1) - 0.5
    lost = np.array([each.lost for each in rows], dtype=float)
    for place in range(len(rows)):
        axes.contourf(
            RATES,
            lines[place : place + 2],
            np.repeat(lost[place : place + 1], 2, axis=0),
            levels=[0.5, 1.5],
            colors="none",
            hatches=["////"],
        )
    drawn = axes.pcolormesh(edges, lines, scores, cmap=SCALE, norm=norm, rasterized=True)
    axes.set(xscale="log", xlim=(edges[0], edges[-1]), ylim=(len(rows) - 0.5, -0.5), yticks=[], xlabel="learning rate")
    axes.hlines(lines[1:-1], *edges[[0, -1]], colors="white", linewidths=3)
    axes.spines[["left", "top", "right", "bottom"]].set_visible(False)
    return drawn


def _row(figure: Any, axes: Any, contender: Contender, found: Row, lowest: float | None, y: float, place: int) -> None:
    """Write who a row is of, and mark its best rate and the one of the setting."""
    settings = _other(contender)
    page.write(figure, page.MARGIN, y + (0.07 if settings else 0), name_of(contender), 10.5, weight="bold", va="center")
    page.write(figure, page.MARGIN, y - 0.11, settings, 8.5, QUIET, va="center")
    rate = contender.setting.hyper["lr"]
    if not callable(rate):
        axes.plot([rate, rate], [place - 0.4, place + 0.4], color="white", linewidth=1.6, linestyle=(0, (1.5, 1)))
    if found.best is None:
        best = "none: a run is lost at every rate" if found.lost.all() else "none: no run leaves"
    else:
        edge = "≥ " if found.best == len(RATES) - 1 else "≤ " if found.best == 0 else ""
        best = f"{edge}{RATES[found.best]:.2g}: {found.scores[found.best]:.{2 if lowest is not None else 3}g}"
        axes.plot(RATES[found.best], place, "o", markersize=8, color="none", markeredgecolor="white", markeredgewidth=3)
        axes.plot(RATES[found.best], place, "o", markersize=8, color="none", markeredgecolor=INK, markeredgewidth=1.3)
    page.write(figure, page.WIDTH - page.MARGIN - BEST + 0.15, y, best, 10, va="center")


def _other(contender: Contender) -> str:
    """The settings but for the learning rate, of which a row shows every one."""
    return replace(contender, given=contender.given - {"lr"}).settings_without_rate


def _key(figure: Any, drawn: Any, foot: float, lowest: float | None, steps: int, without: list[str]) -> None:
    """What the colours and marks mean."""
    y = foot - 0.72
    axes = page.place(figure, page.MARGIN, y, 2.6, 0.15)
    bar = figure.colorbar(drawn, cax=axes, orientation="horizontal", extend="min" if lowest is not None else "neither")
    bar.ax.tick_params(labelsize=8, length=2, pad=2)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    if lowest is None:
        said = f"steps until a run leaves the window downhill, mean, {steps} for one that stays"
        gone = "hatched: a run leaves it uphill or has no value"
    else:
        said = f"height above the minimum {lowest:.4g}, geometric mean"
        gone = "hatched: a run left the window or has no value"
    page.write(figure, page.MARGIN + 2.8, y + 0.02, f"{said}; {gone}", 9)
    missing = f" Without a learning rate, and so not here: {', '.join(without)}." if without else ""
    page.write(
        figure, page.MARGIN, y - 0.45, f"Circle: the best rate. Dotted: the rate of the setting.{missing}", 9, QUIET
    )

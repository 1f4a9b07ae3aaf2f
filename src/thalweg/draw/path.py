"""The usual picture: trajectories over contours on the left, loss against step on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw import page
from thalweg.draw.contours import MANY, QUIET, ground, inside, trajectories
from thalweg.draw.labels import entry_of, lines_of, name_of, round_step, spread
from thalweg.draw.scene import LARGEST, Descent, Scene, values_along
from thalweg.draw.ticks import along_steps, written_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NARROW, WIDE = 2.3, page.WIDTH - 6.95 - page.MARGIN  # the loss with labels beside it, and without
BODY = 5.0  # height of the axes, in inches
DEEPEST = 1e-8  # of the first height above the minimum: what is lower counts as arrived
UNEVEN = 1e3  # values that span more than this factor are drawn on a symmetric logarithmic scale
TEXT_LINE, LONGEST = 0.165, 20  # of a label, in inches, and the letters of a name for which there is room


def path(scene: Scene) -> Figure:
    """Trajectories over contours, and beside them the loss.

    Args:
        scene: What to show.
    """
    every = round_step(scene.steps)
    heights = [(1 + len(lines_of(d))) * TEXT_LINE + 0.09 for d in scene.descents]
    fits = all(len(name_of(d.contender)) <= LONGEST for d in scene.descents)
    direct = fits and spread([0.0] * len(heights), heights, -0.2, BODY + 0.2) is not None
    entries = [] if direct else [entry_of(d) for d in scene.descents]
    below = page.foot_height(scene) + (0.2 + page.rows_of(entries) * page.LINE if entries else 0)
    fig = page.figure(below + 0.62 + BODY + 1.0)
    bottom = below + 0.62
    left = page.place(fig, 0.75, bottom, 5.3, BODY)
    right = page.place(fig, 6.95, bottom, NARROW if direct else WIDE, BODY)
    ground(left, scene.surface, scene.window)
    trajectories(left, scene, every)
    left.set_anchor("W")
    losses(right, scene)
    if direct:
        label(fig, right, scene, heights)
    else:
        page.legend(fig, page.foot_height(scene) + 0.2, scene.descents, entries)
    dots = [] if len(scene.descents) > MANY else ["a dot every step" if every == 1 else f"a dot every {every} steps"]
    page.head(fig, scene, page.described(scene), scene.remark, *dots)
    page.foot(fig, scene)
    return fig


def losses(axes: Any, scene: Scene) -> None:
    """Draw the surface's value against the step: its height above the minimum on a logarithmic scale, where known."""
    lowest = lowest_of(scene)
    low, high = limits(scene, lowest)
    many = len(scene.descents) > MANY
    for rank, descent in enumerate(scene.descents):
        axes.plot(
            loss(descent.values - (lowest or 0.0), low, high, floor=lowest is not None),
            color=descent.colour,
            ls=descent.dash,
            lw=1.1 if many else 1.8,
            zorder=3 + 0.01 * rank,
        )
    along_steps(axes, scene.steps)
    _scale(axes, scene, low, high)
    axes.set(ylim=(low, high), xlabel="step")
    axes.set_title("value" if lowest is None else "height above the minimum", fontsize=10, loc="left", color=QUIET)


def _scale(axes: Any, scene: Scene, low: float, high: float) -> None:
    """Choose the scale of the values: a linear one, unless they are very uneven."""
    if low > 0 and high > 100 * low:
        axes.set_yscale("log")
    elif max(abs(low), abs(high)) > UNEVEN * middle(scene):
        axes.set_yscale("symlog", linthresh=middle(scene))
    else:
        written_out(axes.yaxis, low, high)


def loss(values: np.ndarray, low: float, high: float, floor: bool) -> np.ndarray:
    """Values as they are drawn: upwards and away where they are no longer finite, and not far outside the axes.

    Args:
        values: The values.
        low: Where the axes begin.
        high: Where they end.
        floor: Whether what is lower is drawn at the lower end.

    Example:
        >>> loss(np.array([1.0, -30.0, np.nan, 2.0]), 0.0, 2.0, floor=True).tolist()
        [1.0, 0.0, 20.0]
    """
    finite = np.isfinite(values)
    drawn = np.where(finite, values, np.inf)[: len(values) if finite.all() else int(np.argmin(finite)) + 1]
    return np.clip(drawn, low if floor else low - 9 * (high - low), high + 9 * (high - low))


def lowest_of(scene: Scene) -> float | None:
    """The surface's minimum, where it declares one and the start lies above it."""
    if not scene.surface.minima:
        return None
    lowest = float(values_along(scene.surface, np.array(scene.surface.minima)).min())
    return lowest if float(values_along(scene.surface, np.array(scene.start))) > lowest else None


def limits(scene: Scene, lowest: float | None) -> tuple[float, float]:
    """Between which values the losses are shown: those that runs have inside the window."""
    values = np.concatenate([values_along(scene.surface, inside(d.points, scene.window)) for d in scene.descents])
    values = values[np.abs(values) <= LARGEST]
    if lowest is None and 0 < values.min() < values.max() / UNEVEN:
        return float(values.min()) / 1.5, float(values.max()) * 1.5
    if lowest is None:
        margin = 0.03 * float(np.ptp(values)) or 0.05 * abs(float(values[0])) or 1.0
        return float(values.min()) - margin, float(values.max()) + margin
    above = values - lowest
    first = above[0]
    shown = np.maximum(above, DEEPEST * first)
    return float(shown.min()) / 1.5, float(shown.max()) * 1.5


def middle(scene: Scene) -> float:
    """The usual size of a value."""
    return float(np.median([abs(v) for d in scene.descents for v in d.values if np.isfinite(v)])) or 1.0


def label(fig: Any, axes: Any, scene: Scene, heights: list[float]) -> None:
    """Write beside the loss which line is whose, with what it was set to and what became of it."""
    from matplotlib.lines import Line2D

    box = axes.get_position()
    wide, tall = fig.get_size_inches()
    low, high = box.y0 * tall, box.y1 * tall
    ends = [end_of(axes, descent, scene) for descent in scene.descents]
    places = spread([low + (high - low) * end for end in ends], heights, low - 0.2, high + 0.2) or []
    x = box.x1 * wide
    for descent, end, place, size in zip(scene.descents, ends, places, heights, strict=True):
        top, height = place + size / 2 - 0.09, low + (high - low) * end
        line = [(x + 0.32, top), (x + 0.52, top)]
        if 0 < end < 1:  # else the line has left the axes elsewhere
            line = [(x + 0.03, height), (x + 0.1, height), *line]
        xs, ys = np.array(line).T / np.array([[wide], [tall]])
        fig.add_artist(Line2D(xs, ys, color=descent.colour, ls=descent.dash, lw=1.8, transform=fig.transFigure))
        page.write(fig, x + 0.6, top, name_of(descent.contender), 10.5, weight="bold", va="center_baseline")
        for row, text in enumerate(lines_of(descent), start=1):
            page.write(fig, x + 0.6, top - row * TEXT_LINE, text, 8.5, QUIET, va="center_baseline")


def end_of(axes: Any, descent: Descent, scene: Scene) -> float:
    """At which part of the axes' height a line ends on the right.

    Below 0 or above 1 where it has left them, more so the sooner it did.
    """
    low, high = axes.get_ylim()
    heights = np.where(np.isfinite(descent.values), descent.values, np.inf) - (lowest_of(scene) or 0.0)
    outside = (heights < low) | (heights > high)
    if outside[-1]:
        left = len(outside) - np.flatnonzero(~outside)[-1] if not outside.all() else len(outside)
        beyond = 1e-3 * left / len(outside)
        return 1 + beyond if heights[-1] > high else -beyond
    start, end, here = axes.yaxis.get_transform().transform(np.array([low, high, heights[-1]]))
    return float((here - start) / (end - start))

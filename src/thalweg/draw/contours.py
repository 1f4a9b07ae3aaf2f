"""A surface from above: contours under the trajectories, minima and start, all in greys that leave colours to lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from thalweg.draw.scene import LARGEST, Descent, Scene, values_along, within
from thalweg.draw.ticks import written_out
from thalweg.draw.trail import trail
from thalweg.formula.surface import Point, Surface

INK, QUIET = "#333333", "#777777"
LOW, HIGH = "#c9d6e2", "#fbfcfd"  # of the ground: valleys are darker
MANY = 16  # more trajectories than these are thin and bear no dots
SKEWED = 0.2  # a surface whose median height is below this part of its highest one is mostly low
MOST_UNEVEN = 2.5  # a window longer than this in one direction is not drawn to scale


def heights(surface: Surface, window: tuple[Point, Point], points: int = 241) -> tuple[np.ndarray, ...]:
    """A grid over the window: x, y and the surface's value; NaN where it is not finite, or too large to be drawn."""
    x, y = np.meshgrid(*(np.linspace(low, high, points) for low, high in window))
    values = values_along(surface, np.stack([x, y], -1))
    return x, y, np.where(np.abs(values) < LARGEST, values, np.nan)


def levels(values: np.ndarray, lowest: float | None = None, count: int = 14) -> np.ndarray:
    """Heights of contour lines: at equal distances, or nearer to each other the lower they are.

    Equal distances show how steep the ground is. Where most of it is low beside a few high walls they would show the
    walls only; there each line has the square of its rank's share of the ground below it.

    Args:
        values: The surface's values over the window.
        lowest: Its minimum, where that is known.
        count: How many are wanted; of level ground there are fewer.

    Example:
        >>> levels(np.linspace(0, 8, 101), count=3).tolist(), levels(np.linspace(0, 1, 101) ** 4, count=3).tolist()
        ([0.0, 4.0, 8.0], [0.0, 0.00390625, 1.0])
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.array([0.0, 1.0])
    low = float(finite.min() if lowest is None else min(lowest, finite.min()))
    high = float(finite.max())
    if mostly_low(finite, low, high):
        found = np.quantile(finite, np.linspace(0, 1, count) ** 2)
        found[0] = low
    else:
        found = np.linspace(low, high, count)
    distinct = found[np.append(True, np.diff(found) > 1e-9 * np.abs(found[1:]))]
    return distinct if len(distinct) > 1 else np.array([low, low + 1.0])


def mostly_low(finite: np.ndarray, low: float, high: float) -> bool:
    """Whether most of a surface lies near its foot, so that equal distances would show nothing but its walls."""
    return bool(np.median(finite) - low < SKEWED * (high - low))


def ground(axes: Any, surface: Surface, window: tuple[Point, Point]) -> None:
    """Draw the surface from above, with a star at each minimum."""
    from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap

    x, y, values = heights(surface, window)
    lowest = float(values_along(surface, np.array(surface.minima)).min()) if surface.minima else None
    edges = levels(values, lowest)
    largest = max(np.abs(values).max(initial=0.0, where=np.isfinite(values)), np.abs(edges).max())
    values, edges = values / largest, edges / largest  # no number of them is shown, and 1e-300 is too small to be drawn
    colours = LinearSegmentedColormap.from_list("ground", [LOW, HIGH])
    norm = BoundaryNorm(edges, colours.N) if len(edges) > 2 else None
    axes.contourf(x, y, values, levels=edges, cmap=colours, norm=norm, extend="both")
    axes.contour(x, y, values, levels=edges, colors="#9fb0c0", linewidths=0.5, linestyles="solid")
    for minimum in surface.minima:
        axes.plot(*minimum, "*", ms=16, mfc="white", mec="none", zorder=2.5)
        axes.plot(*minimum, "*", ms=16, mfc="none", mec=INK, mew=1, zorder=6)  # its outline shows through the lines
    frame(axes, window)


def frame(axes: Any, window: tuple[Point, Point]) -> None:
    """Show exactly the window, to scale unless it is very uneven."""
    (x_low, x_high), (y_low, y_high) = window
    axes.set(xlim=window[0], ylim=window[1])
    if 1 / MOST_UNEVEN <= (x_high - x_low) / (y_high - y_low) <= MOST_UNEVEN:
        axes.set_aspect("equal")
    for axis, ends in zip((axes.xaxis, axes.yaxis), window, strict=True):
        written_out(axis, *ends)
    axes.set_xlabel("x")
    axes.set_ylabel("y", rotation=0)


def inside(points: np.ndarray, window: tuple[Point, Point]) -> np.ndarray:
    """Those of the points that lie in a window."""
    return points[within(points, window)]


def way(descent: Descent, window: tuple[Point, Point]) -> np.ndarray:
    """The part of a run that is drawn, cut at the window: as far as it comes back into it, and out of it at last."""
    last = np.flatnonzero(within(descent.points, window))[-1]
    return trail(descent.points[: last + 2], window).points


def trajectories(axes: Any, scene: Scene, every: int) -> None:
    """Draw every run over the ground: a line, a dot every so many steps, and where it ends."""
    from matplotlib import patheffects

    many = len(scene.descents) > MANY
    halo = [patheffects.Stroke(linewidth=3.4, foreground="white", alpha=0.8), patheffects.Normal()]
    for rank, descent in enumerate(scene.descents):
        line, colour = way(descent, scene.window), descent.colour
        axes.plot(
            *line.T,
            lw=1.1 if many else 1.8,
            ls=descent.dash,
            color=colour,
            zorder=3 + 0.01 * rank,
            path_effects=None if many else halo,
        )
        if not many:
            axes.plot(*inside(descent.points[::every], scene.window).T, "o", ms=3, color=colour, zorder=4)
        end = line[np.isfinite(line).all(axis=1)][-1]
        axes.plot(*end, "o", ms=4 if many else 7.5, color=colour, zorder=5, mec="white", mew=0.9, clip_on=False)
    axes.plot(*scene.start, "o", ms=9, mfc="white", mec=INK, mew=1.6, zorder=6)

"""x and y against the step, at several learning rates: a panel for each coordinate and rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw import page
from thalweg.draw.contours import MANY, QUIET
from thalweg.draw.labels import name_of
from thalweg.draw.scene import Scene
from thalweg.draw.ticks import along_steps, written_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW, GAP, ASIDE = 2.5, 0.45, 0.3  # height of a panel, the room below and beside it, in inches
BEYOND = 20.0  # panels: a coordinate further away is drawn there


@dataclass(frozen=True, eq=False)
class Column:
    """The same descents at one learning rate.

    Attributes:
        title: Which rate that is.
        scene: The descents.
        entries: What the legend calls each run, beside its label.
    """

    title: str
    scene: Scene
    entries: tuple[str, ...]


def steps(columns: Sequence[Column]) -> Figure:
    """Both coordinates against the step, in a grid of panels.

    Args:
        columns: From the left; all of one surface, from one start. The legend is that of the one in the middle.
    """
    middle = columns[len(columns) // 2]
    scene = middle.scene
    labels = [name_of(d.contender) for d in scene.descents]
    entries = [f"{label}  {entry}".rstrip() for label, entry in zip(labels, middle.entries, strict=True)]
    bottom = page.foot_height(scene) + 0.25 + page.rows_of(entries) * page.LINE + 0.6
    fig = page.figure(bottom + 2 * ROW + GAP + 1.3)
    width = (page.WIDTH - 0.75 - page.MARGIN - ASIDE * (len(columns) - 1)) / len(columns)
    for place, column in enumerate(columns):
        left = 0.75 + place * (width + ASIDE)
        for axis in (0, 1):
            panel = page.place(fig, left, bottom + (1 - axis) * (ROW + GAP), width, ROW)
            coordinate(panel, column.scene, axis)
            panel.set_ylabel("xy"[axis] if place == 0 else "", rotation=0, labelpad=10)
            panel.set_xlabel("step" if axis else "")
            panel.tick_params(labelleft=place == 0)
        page.write(fig, left, bottom + 2 * ROW + GAP + 0.12, column.title, 11, weight="bold")
    page.legend(fig, page.foot_height(scene) + 0.2, scene.descents, entries)
    page.head(fig, scene, page.described(scene), scene.remark)
    page.foot(fig, scene)
    return fig


def coordinate(axes: Any, scene: Scene, axis: int) -> None:
    """Draw one coordinate of every run against the step, within the window; a dotted line where a minimum is."""
    low, high = scene.window[axis]
    for minimum in scene.surface.minima:
        axes.axhline(minimum[axis], color=QUIET, lw=1, ls=(0, (1, 2)), zorder=2)
    for rank, descent in enumerate(scene.descents):
        values = until_gone(descent.points[:, axis], low, high)
        width = 1.1 if len(scene.descents) > MANY else 1.7
        axes.plot(values, color=descent.colour, ls=descent.dash, lw=width, zorder=3 + 0.01 * rank)
    along_steps(axes, scene.steps)
    axes.set_ylim(low, high)
    written_out(axes.yaxis, low, high)


def until_gone(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """A coordinate as far as it comes back between two ends, and one step more, out of them at last.

    Example:
        >>> until_gone(np.array([0.0, 3.0, -1.0, 4.0, 5.0, np.nan]), -1, 1)
        array([ 0.,  3., -1.,  4.])
    """
    last = np.flatnonzero((values >= low) & (values <= high))[-1]
    drawn = values[: last + 2]
    drawn = drawn[: -1 if np.isnan(drawn[-1]) else None]
    return np.clip(drawn, low - BEYOND * (high - low), high + BEYOND * (high - low))

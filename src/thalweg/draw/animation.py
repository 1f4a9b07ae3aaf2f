"""Animations: trajectories that grow step by step, from above with their losses, or on the surface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.draw.contours import INK, ground
from thalweg.draw.film import HELD, Film, Moving, spread_over
from thalweg.draw.gif import write_gif
from thalweg.draw.key import HEAD, head, key, key_height, sheet
from thalweg.draw.labels import round_step
from thalweg.draw.page import place
from thalweg.draw.path import losses
from thalweg.draw.relief import staged
from thalweg.draw.save import MOVING, being_written, style
from thalweg.draw.scene import Descent, Scene, within
from thalweg.draw.strand import Strand
from thalweg.draw.trail import trail
from thalweg.draw.video import write_mp4
from thalweg.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 4.2  # of the window seen from above, in inches
MOST_FRAMES = 2000


def animate(scene: Scene, path: Path, view: str, frames: int) -> None:
    """Write an animation.

    Args:
        scene: What to show.
        path: Where to; its ending says how: `.gif` or `.mp4`.
        view: `"path"` for the window seen from above and the losses beside it, `"relief"` for the surface in three
            dimensions.
        frames: How many, spread evenly over the steps; fewer if there are not so many steps.

    Raises:
        InputError: If the ending or the view is unknown, or frames are none or too many.
        ModuleNotFoundError: If what the format needs is not installed.
    """
    ending = path.suffix.lower()
    if ending not in MOVING:
        raise InputError(f"expected an animation that ends in .gif or .mp4, got '{path.name}': give one of these")
    if view not in VIEWS:
        raise InputError(f"expected a view that moves, one of {', '.join(VIEWS)}, got '{view}': give one of these")
    check_frames(frames)
    with style(), being_written(path) as temporary:
        figure, moving = VIEWS[view](scene)
        film = Film(figure, moving, spread_over(scene.steps, frames))
        if ending == ".gif":
            colours = [descent.colour for descent in scene.descents]
            write_gif(temporary, film.frames(), [film.delay] * (len(film.shown) - 1) + [HELD], colours)
        else:
            write_mp4(temporary, film.frames(), film.delay, HELD)


def check_frames(frames: int) -> None:
    """Refuse a number of frames that makes no animation.

    Raises:
        InputError: If there are none or too many.
    """
    if not 1 <= frames <= MOST_FRAMES:
        raise InputError(f"expected 1 to {MOST_FRAMES:,} frames, got {frames:,}: choose another number")


def from_above(scene: Scene) -> tuple[Figure, list[Moving]]:
    """The window from above beside the losses, with what of it grows with the steps."""
    foot = key_height(scene) + 0.55
    figure = sheet(foot + SIDE + HEAD)
    left, right = place(figure, 0.75, foot, SIDE + 0.3, SIDE), place(figure, 5.95, foot, 3.2, SIDE)
    ground(left, scene.surface, scene.window)
    left.plot(*scene.start, "o", markersize=9, color="white", markeredgecolor=INK, markeredgewidth=1.6, zorder=6)
    losses(right, scene)
    moving: list[Moving] = []
    for descent, loss in zip(scene.descents, right.get_lines(), strict=True):
        moving += _trajectory(left, descent, scene)
        moving += _curve(right, loss)
    return figure, [*moving, *key(figure, scene), head(figure, scene)]


def _trajectory(axes: Any, descent: Descent, scene: Scene) -> list[Moving]:
    """A descent's line, a dot every so many steps, and where it is."""
    from matplotlib.patheffects import Normal, Stroke

    way, colour = trail(descent.points, scene.window), descent.colour
    every = np.arange(0, len(descent.points), round_step(scene.steps))
    every = every[within(descent.points[every], scene.window)]
    (x, y), (dot_x, dot_y) = way.points.T, descent.points[every].T
    halo = [Stroke(linewidth=3.4, foreground="white", alpha=0.8), Normal()]
    (line,) = axes.plot(x, y, color=colour, linestyle=descent.dash, linewidth=1.8, path_effects=halo)
    (dots,) = axes.plot(dot_x, dot_y, "o", markersize=3, color=colour)
    (tip,) = axes.plot(x[-1:], y[-1:], "o", markersize=8, color=colour, markeredgecolor="white", clip_on=False)
    return [
        Strand(line, x, y, way.taken),
        Strand(dots, dot_x, dot_y, every),
        Strand(tip, x, y, way.taken, tip=True),
    ]


def _curve(axes: Any, line: Any) -> list[Moving]:
    """A descent's loss, and its last value."""
    steps, heights = np.arange(len(line.get_ydata())), np.asarray(line.get_ydata())
    (tip,) = axes.plot(steps[-1:], heights[-1:], "o", markersize=6, color=line.get_color(), markeredgecolor="white")
    return [Strand(line, steps, heights, steps), Strand(tip, steps, heights, steps, tip=True)]


VIEWS = {"path": from_above, "relief": staged}

"""The surface in three dimensions: trajectories on it, and on its contours on the floor below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from thalweg.draw.contours import INK, levels
from thalweg.draw.film import Moving
from thalweg.draw.key import HEAD, WIDTH, head, key, key_height, sheet
from thalweg.draw.page import place
from thalweg.draw.scene import Descent, Scene, within
from thalweg.draw.strand import Strand
from thalweg.draw.terrain import GAP, TALL, Terrain, hidden, terrain
from thalweg.draw.ticks import written_out
from thalweg.draw.trail import Trail, trail
from thalweg.formula.surface import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import Axes3D

HEIGHT = 5.6  # of the landscape, in inches
ELEVATION = 34.0
AZIMUTHS = (-60.0, -120.0, -35.0, -145.0, 30.0, 60.0, 120.0, 150.0)  # to choose from, the usual one first
CAMERA_POINTS = 60  # of a trajectory, by which the azimuth is chosen
USUAL = 4  # letters of a height that stand beside its mark
FAINT = 0.3  # how much of a line shows through the hill that hides it
SUN = (-0.5, -0.25, 0.83)  # where the light comes from


def relief(scene: Scene) -> Figure:
    """The surface in three dimensions with every descent on it.

    Args:
        scene: What to show.

    Raises:
        InputError: If the surface is not finite anywhere in the window.
    """
    return staged(scene)[0]


def staged(scene: Scene) -> tuple[Figure, list[Moving]]:
    """The picture with what of it grows with the steps.

    Raises:
        InputError: As `relief` does.
    """
    ground = terrain(scene.surface, scene.window)
    trails = [trail(descent.points, scene.window) for descent in scene.descents]
    azimuth = _azimuth(ground, trails)
    foot = key_height(scene)
    figure = sheet(HEIGHT + foot + HEAD)
    axes = _landscape(figure, ground, azimuth, foot)
    _marks(axes, ground, scene.start, azimuth)
    moving: list[Moving] = []
    for descent, way in zip(scene.descents, trails, strict=True):
        moving += _strands(axes, ground, descent, way, azimuth)
    return figure, [*sorted(moving, key=lambda each: each.artist.zorder), *key(figure, scene), head(figure, scene)]


def _azimuth(ground: Terrain, trails: list[Trail]) -> float:
    """The side from which most of the trajectories is in sight."""
    points = np.concatenate([way.points[:: max(len(way.points) // CAMERA_POINTS, 1)] for way in trails])
    points = points[np.isfinite(points).all(axis=1)]
    heights = ground.height_at(points)
    return min(AZIMUTHS, key=lambda azimuth: round(hidden(ground, points, heights, azimuth, ELEVATION).mean(), 1))


def _landscape(figure: Figure, ground: Terrain, azimuth: float, foot: float) -> Axes3D:
    """Axes with the surface and, on the floor, its contours."""
    axes: Any = place(figure, 0, foot + 0.1, WIDTH, HEIGHT + 0.6, projection="3d", computed_zorder=False)
    axes.set_proj_type("ortho")
    axes.view_init(elev=ELEVATION, azim=azimuth)
    axes.set_box_aspect((1, 1, TALL * (1 + GAP)), zoom=1.02)
    _surface(axes, ground)
    _floor(axes, ground)
    axes.set_xlim(*ground.window[0], view_margin=0)
    axes.set_ylim(*ground.window[1], view_margin=0)
    axes.set_zlim(-GAP, 1, view_margin=0)
    above = "f − min f" if ground.low else "f"
    axes.set(xlabel="x", ylabel="y", zlabel=f"{above}, drawn as log(1 + {above})" if ground.logarithmic else "f")
    written_out(axes.xaxis, *ground.window[0])
    written_out(axes.yaxis, *ground.window[1])
    heights, texts = ground.ticks()
    axes.set_zticks(heights, texts)
    axes.tick_params(labelsize=8)
    wide = max([0, *(len(text) - USUAL for text in texts if "$" not in text)])
    axes.tick_params(axis="z", pad=3 + 2 * wide)
    axes.zaxis.labelpad = 6 if ground.logarithmic else -2 + 4 * wide
    axes.grid(False)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_visible(False)
    return axes


def _floor(axes: Axes3D, ground: Terrain) -> None:
    """The surface's contours below it, in a frame."""
    (left, right), (front, back) = ground.window
    mesh, edges = np.meshgrid(ground.x, ground.y), ground.height(levels(ground.values, ground.low))
    axes.contour(*mesh, ground.heights, edges, zdir="z", offset=-GAP, colors="#9aa7b4", linewidths=0.7, zorder=1)
    frame = [left, right, right, left, left], [front, front, back, back, front]
    axes.plot(*frame, [-GAP] * 5, color="#999999", linewidth=0.8, zorder=1)


def _surface(axes: Axes3D, ground: Terrain) -> None:
    """The landscape, a small tile for every cell of its grid, in the light of a sun."""
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    corners = np.stack([*np.meshgrid(ground.x, ground.y), ground.heights], axis=-1)
    tiles = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2).reshape(-1, 4, 3)
    whole = np.isfinite(tiles).all(axis=(1, 2))
    drawn = Poly3DCollection(tiles[whole], facecolors=_lit(ground)[whole], edgecolors="none", zorder=3)
    drawn.set_antialiased(False)  # or there were seams between the tiles
    drawn.set_rasterized(True)
    axes.add_collection3d(drawn)


def _lit(ground: Terrain) -> np.ndarray:
    """The colour of every tile: valleys darker than hills, slopes that look away from the sun darker than others."""
    heights = ground.heights
    middle = (heights[:-1, :-1] + heights[1:, 1:]) / 2
    along_y, along_x = (
        np.diff(h, axis=i) * TALL * (len(ground.x) - 1) for i, h in enumerate((heights[:, 1:], heights[1:]))
    )
    slope = np.stack([-along_x, -along_y, np.ones_like(along_x)], axis=-1)
    light = (slope @ SUN) / np.linalg.norm(slope, axis=-1) / np.linalg.norm(SUN)
    grey = np.clip((0.80 + 0.18 * middle) * (0.68 + 0.36 * np.clip(light, 0, 1)), 0, 1)
    tint = np.array([0.97, 0.985, 1.0, 1.0])  # alpha is the last
    return (np.append(np.repeat(grey[..., None], 3, axis=-1), np.ones((*grey.shape, 1)), axis=-1) * tint).reshape(-1, 4)


def _strands(axes: Axes3D, ground: Terrain, descent: Descent, way: Trail, azimuth: float) -> list[Strand]:
    """The lines of a descent: on the floor, on the surface where hills hide it, and where they do not, with its end."""
    from matplotlib.lines import Line2D

    heights = ground.height_at(way.points)
    floor = np.full(len(heights), -GAP)
    found = []
    for base, where, style in (
        (floor, ~hidden(ground, way.points, floor, azimuth, ELEVATION), {"linewidth": 1.2, "zorder": 2}),
        (heights, np.full(len(heights), True), {"linewidth": 1.6, "alpha": FAINT, "zorder": 4}),
        (heights, ~hidden(ground, way.points, heights, azimuth, ELEVATION), {"linewidth": 2.0, "zorder": 5}),
    ):
        x, y = _projected(axes, way.points, np.where(where, base, np.nan))
        line = Line2D(x, y, color=descent.colour, linestyle=cast(Any, descent.dash), transform=axes.transData, **style)
        found.append(Strand(line, x, y, way.taken))
    x, y = _projected(axes, way.points, heights)
    dot = Line2D(x[-1:], y[-1:], marker="o", color=descent.colour, markeredgecolor="white", zorder=6)
    found.append(Strand(dot, x, y, way.taken, tip=True))
    for strand in found:
        axes.add_artist(strand.line)
    return found


def _marks(axes: Axes3D, ground: Terrain, start: Point, azimuth: float) -> None:
    """A ring where all begin and a star at each minimum, on the surface and on the floor."""
    from matplotlib.lines import Line2D

    inside = [point for point in ground.surface.minima if within(np.array(point), ground.window)]
    for places, marker, size in ((inside, "*", 13), ([start], "o", 7)):
        points = np.array(places, dtype=float).reshape(-1, 2)
        for heights, zorder in ((np.full(len(points), -GAP), 1.5), (ground.height_at(points), 4.5)):
            seen = ~hidden(ground, points, heights, azimuth, ELEVATION)
            x, y = _projected(axes, points, np.where(seen, heights, np.nan))
            look = {"marker": marker, "markersize": size, "color": "white", "markeredgecolor": INK, "linestyle": ""}
            axes.add_artist(Line2D(x, y, transform=axes.transData, zorder=zorder, **look))


def _projected(axes: Axes3D, points: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points of the landscape lie on the picture's plane."""
    from mpl_toolkits.mplot3d.proj3d import proj_transform

    x, y, _ = proj_transform(points[:, 0], points[:, 1], heights, axes.get_proj())
    return np.asarray(x), np.asarray(y)

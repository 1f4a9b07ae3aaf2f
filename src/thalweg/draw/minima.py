"""The local minima of a surface in a window: from every dent of a grid a careful descent to its bottom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from thalweg.compile import numpy as reference
from thalweg.compile.gradient import trace_gradient
from thalweg.draw.scene import values_along, within
from thalweg.formula.surface import Point, Surface
from thalweg.frameworks.numpy import descend
from thalweg.rules import RULES
from thalweg.rules.setting import setting

CELLS = 160  # of the grid, along each axis
ASIDE = 0.37  # of a cell: a corner such as that of sqrt(x**2) is likely at a round number, where no slope is
STEPS = 2000  # of the descent, by iRprop-, which finds the size of its steps by itself
FINEST = 1e-11  # of a cell: the shortest step
APART = 5e-3  # of the window: minima nearer to one another count as one
RING, SIDES = 1e-4, 64  # of the window: at a minimum the ground rises to all sides at this distance
RISES = 0.1  # how much, as a part of what the slope there would give: at a corner there is no slope of 0


def minima_of(surface: Surface, window: tuple[Point, Point]) -> np.ndarray:
    """Where the surface has minima inside a window, `(n, 2)`, the lowest first: declared ones and those found.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> himmelblau, saddle = SURFACES["himmelblau"], SURFACES["saddle"]
        >>> len(minima_of(himmelblau, himmelblau.window)), len(minima_of(saddle, saddle.window))
        (4, 0)
    """
    low, high = np.array(window, dtype=float).T
    found = _bottoms(replace(surface, noise=0.0), window, (high - low) / CELLS)
    declared = np.array(surface.minima, dtype=float).reshape(-1, 2)
    points = np.concatenate([declared, found])
    points = points[within(points, window)]
    kept: list[np.ndarray] = []
    for point in points:
        if all(np.abs((point - other) / (high - low)).max() > APART for other in kept):
            kept.append(point)
    places = np.array(kept).reshape(-1, 2)
    return places[np.argsort(values_along(surface, places), kind="stable")]


def _bottoms(surface: Surface, window: tuple[Point, Point], cell: np.ndarray) -> np.ndarray:
    """Where descents from the dents of a grid come to rest."""
    x, y = (low + (high - low) * (np.arange(CELLS) + ASIDE) / CELLS for low, high in window)
    grid = np.stack(np.meshgrid(x, y), -1)
    dents = grid[_dents(values_along(surface, grid))]
    if not len(dents):
        return dents
    size = float(cell.min())
    sizes = {"lr": size / 10, "eta_min": FINEST * size, "eta_max": float(cell.max())}
    careful = setting(RULES["irprop_minus"], sizes)
    ends = descend(careful, surface, dents, steps=STEPS, record="last")
    return ends[_rests(surface, ends, RING * CELLS * cell)]


def _rests(surface: Surface, points: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """At which points the ground rises to all sides."""
    angles = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    around = points[:, None] + reach * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    value, *slopes = reference.values(trace_gradient(surface), points[:, 0], points[:, 1])
    rise = (values_along(surface, around) - value[:, None]).min(axis=1)
    return rise > RISES * reach.min() * np.hypot(*slopes)


def _dents(values: np.ndarray) -> np.ndarray:
    """Which points of a grid lie lower than all their neighbours, at the border of those that there are."""
    around = np.pad(np.where(np.isfinite(values), values, np.inf), 1, constant_values=np.inf)
    rows, columns = values.shape
    neighbours = [
        around[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if (down, right) != (0, 0)
    ]
    return (values < np.min(neighbours, axis=0)) & np.isfinite(values)

"""Where does each start end up: at which minimum, or, on a surface that has none, over which side of the window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thalweg.draw.minima import minima_of
from thalweg.formula.surface import Point, Surface
from thalweg.frameworks.numpy import descend
from thalweg.rules.setting import Setting

STARTS = 200  # along each axis
NOWHERE, GONE = -1, -2
SIDES = ("left", "right", "below", "above")
NEAR = 0.03  # of the window: how near to a minimum counts as there
HALF = 0.45  # of the way between two minima, which are kept apart


@dataclass(frozen=True, eq=False)
class Goals:
    """What runs on a surface may end at.

    Attributes:
        window: Where they start.
        minima: Where there are minima, the lowest first, `(n, 2)`; without any the sides of the window are the goals.
        near: How near to one counts as there, as a part of the window.
    """

    window: tuple[Point, Point]
    minima: np.ndarray
    near: float

    def reached(self, ends: np.ndarray) -> np.ndarray:
        """Which goal runs have reached, by its number; `NOWHERE` or `GONE` otherwise.

        Args:
            ends: Where they ended, `(..., 2)`.
        """
        low, high = np.array(self.window, dtype=float).T
        lost = ~np.isfinite(ends).all(axis=-1)
        with np.errstate(all="ignore"):
            beyond = np.stack([low - ends, ends - high], axis=-1) / (high - low)[:, None]
        out = (beyond > 0).any(axis=(-1, -2))
        if not len(self.minima):
            side = beyond.reshape(*ends.shape[:-1], 4).argmax(axis=-1)
            return np.where(np.isnan(ends).any(axis=-1), GONE, np.where(out, side, NOWHERE))
        away = np.full(ends.shape[:-1], np.inf)
        nearest = np.full(ends.shape[:-1], NOWHERE)
        for number, minimum in enumerate(self.minima):
            with np.errstate(all="ignore"):
                distance = np.hypot(*np.moveaxis((ends - minimum) / (high - low), -1, 0))
            nearest = np.where(distance < away, number, nearest)
            away = np.fmin(away, distance)
        return np.where(lost | (out & (away > self.near)), GONE, np.where(away <= self.near, nearest, NOWHERE))


def goals_of(surface: Surface, window: tuple[Point, Point]) -> Goals:
    """What runs on a surface may end at, seen from a window.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> saddle = SURFACES["saddle"]
        >>> goals = goals_of(saddle, saddle.window)
        >>> [SIDES[i] for i in goals.reached(np.array([[0.0, 3.0], [-5.0, 3.0]]))]
        ['above', 'left']
    """
    minima = minima_of(surface, window)
    low, high = np.array(window, dtype=float).T
    apart = np.hypot(*((minima[:, None] - minima) / (high - low)).T)
    nearest = apart[apart > 0].min(initial=np.inf)
    return Goals(window, minima, min(NEAR, HALF * float(nearest)))


def basins(chosen: Setting, surface: Surface, goals: Goals, steps: int, starts: int = STARTS) -> np.ndarray:
    """Which goal each start of a grid over the window leads to.

    Args:
        chosen: The rule and its hyperparameters.
        surface: What to descend.
        goals: What runs may end at.
        steps: How many steps each run takes.
        starts: How many there are along each axis: the middles of as many cells.

    Returns:
        The numbers of `Goals.reached`, `(starts, starts)`: rows from the lowest y upwards.
    """
    points = np.stack(np.meshgrid(*middles(goals.window, starts)), axis=-1)
    return goals.reached(descend(chosen, surface, points, steps=steps, record="last"))


def middles(window: tuple[Point, Point], cells: int) -> list[np.ndarray]:
    """Of so many cells along each axis the middles, x first."""
    return [low + (high - low) * ((np.arange(cells) + 0.5) / cells) for low, high in window]

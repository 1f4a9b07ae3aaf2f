"""How each rule ends at each learning rate: a table of many short runs, from starts around one point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thalweg.draw.minima import minima_of
from thalweg.draw.scene import Scene, values_along, within
from thalweg.formula.surface import Point
from thalweg.frameworks.numpy import descend
from thalweg.rules.setting import Setting

RATES = np.logspace(-5, 1, 121)  # twenty to a decade
SIDE, SPREAD = 5, 0.05  # starts along each side of a square, and half of its size as a part of the window
DEEPEST = 1e-12  # of the first height: what is lower counts as arrived
LOOKS = 400  # how often a run is looked at that may leave the window


@dataclass(frozen=True, eq=False)
class Row:
    """One rule at every rate.

    Attributes:
        scores: For each of the rates; the lower the better.
        lost: For each of the rates whether a run diverged, or left the window where it should not.
        best: The number of the best rate, None if all are lost or, where it counts that runs leave, none does.
    """

    scores: np.ndarray
    lost: np.ndarray
    best: int | None


def starts_around(start: Point, window: tuple[Point, Point]) -> np.ndarray:
    """A square of starts around a point, moved inside the window, `(SIDE**2, 2)`.

    Example:
        >>> starts_around((0.0, 1.0), ((-1, 1), (-1, 1)))[[0, -1]].tolist()
        [[-0.1, 0.8], [0.1, 1.0]]
    """
    low, high = np.array(window, dtype=float).T
    half = SPREAD * (high - low)
    middle = np.clip(start, low + half, high - half)
    offsets = np.linspace(-1, 1, SIDE)
    return middle + half * np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)


def lowest_of(scene: Scene) -> float | None:
    """The lowest minimum of the surface in the window; None if there is none."""
    minima = minima_of(scene.surface, scene.window)
    return float(values_along(scene.surface, minima).min()) if len(minima) else None


def row(chosen: Setting, scene: Scene, lowest: float | None, rates: np.ndarray = RATES) -> Row:
    """How a rule ends at each rate.

    With a minimum the score is the height above it after the last step, as the geometric mean over the starts, and a
    rate is lost at which a run ends outside the window. Without one the score is the number of steps until a run has
    left the window downhill, on average, and a rate is lost at which one leaves it uphill.

    Args:
        chosen: The rule; its own rate does not count.
        scene: Where it descends, from where and for how many steps.
        lowest: The value of the minimum, None if there is none.
        rates: The rates.
    """
    starts = starts_around(scene.start, scene.window)[:, None]
    if lowest is None:
        scores, lost = _escapes(chosen, scene, starts, rates)
    else:
        scores, lost = _heights(chosen, scene, starts, rates, lowest)
    stays = lowest is None and bool((scores >= scene.steps).all())
    return Row(scores, lost, None if stays else _best(scores, lost))


def _heights(
    chosen: Setting, scene: Scene, starts: np.ndarray, rates: np.ndarray, lowest: float
) -> tuple[np.ndarray, np.ndarray]:
    ends = descend(chosen, scene.surface, starts, steps=scene.steps, record="last", arrays={"lr": rates})
    first = max(float(values_along(scene.surface, np.array(scene.start))) - lowest, 1e-300)
    with np.errstate(all="ignore"):
        above = np.maximum(values_along(scene.surface, ends) - lowest, DEEPEST * first)
        scores = np.exp(np.log(above).mean(axis=0))
    kept = within(ends, scene.window).all(axis=0) & np.isfinite(scores)
    return scores, np.logical_not(kept)


def _escapes(chosen: Setting, scene: Scene, starts: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    every = math.ceil(scene.steps / LOOKS)
    path = descend(chosen, scene.surface, starts, steps=scene.steps, record=every, arrays={"lr": rates})
    out = ~within(path, scene.window)
    when = np.where(out.any(axis=0), out.argmax(axis=0), len(path))
    there = np.take_along_axis(path, np.minimum(when, len(path) - 1)[None, ..., None], axis=0)[0]
    uphill = ~(values_along(scene.surface, there) <= values_along(scene.surface, starts))
    return np.minimum(when * every, scene.steps).mean(axis=0), np.asarray((out.any(axis=0) & uphill).any(axis=0))


def _best(scores: np.ndarray, lost: np.ndarray) -> int | None:
    """The rate with the lowest score; of those equally good the one in the middle."""
    if lost.all():
        return None
    good = np.where(lost, np.inf, scores)
    equal = np.flatnonzero(good <= good.min() * (1 + 1e-9))
    return int(equal[len(equal) // 2])

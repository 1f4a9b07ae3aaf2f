"""Descents without a network: random quadratics, learning rates on one grid for all, and how many steps were needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.claims.table import Line
from thalweg.frameworks.numpy import minimize
from thalweg.lab.statistics import estimate

DIMENSIONS = 10
FAR = 100.0  # no picture shows so much


@dataclass(frozen=True)
class Quadratics:
    """Quadratics ½ xᵀ A x turned at random, their steepest curvature 1, and a start on each.

    Attributes:
        matrices: A of each, of shape (k, n, n).
        steepest: The steepest direction of each, of shape (k, n).
        starts: Of shape (k, n).
    """

    matrices: np.ndarray
    steepest: np.ndarray
    starts: np.ndarray

    def slopes(self, points: np.ndarray) -> np.ndarray:
        """Gradients at points of shape (k, runs, n)."""
        return points @ self.matrices

    def heights(self, points: np.ndarray) -> np.ndarray:
        """Values at points of shape (..., k, runs, n)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return 0.5 * ((points @ self.matrices) * points).sum(-1)


def quadratics(seed: int, conditions: Sequence[float], dimensions: int = DIMENSIONS) -> Quadratics:
    """One quadratic per condition number.

    Their curvatures lie between 1 / condition and 1, both ends among them, the others drawn on a logarithmic scale;
    their axes are drawn from all rotations, their starts from the normal distribution.

    Args:
        seed: Decides all of it.
        conditions: Steepest over flattest curvature.
        dimensions: At least 2.

    Example:
        >>> found = quadratics(0, [10.0, 100.0])
        >>> np.linalg.eigvalsh(found.matrices[1])[[0, -1]].round(6).tolist()
        [0.01, 1.0]
    """
    random = np.random.default_rng(seed)
    matrices, steepest, starts = [], [], []
    for condition in conditions:
        between = condition ** -random.uniform(0, 1, dimensions - 2)
        curvatures = np.concatenate([[1.0], between, [1 / condition]])
        axes, upper = np.linalg.qr(random.normal(size=(dimensions, dimensions)))
        axes = axes * np.sign(np.diag(upper))
        matrices.append((axes * curvatures) @ axes.T)
        steepest.append(axes[:, 0])
        starts.append(random.normal(size=dimensions))
    return Quadratics(np.array(matrices), np.array(steepest), np.array(starts))


def descents(
    rule: str, functions: Quadratics, rates: Sequence[float], steps: int, hyper: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Descend every quadratic at every rate.

    Args:
        rule: A name of the catalogue.
        functions: The quadratics.
        rates: Learning rates.
        steps: Of each descent.
        hyper: Other hyperparameters.

    Returns:
        The points, of shape (steps + 1, k, rates, n); what overflowed is infinite or NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return minimize(
            rule, functions.slopes, functions.starts[:, None], steps=steps, lr=np.array(rates)[None], **(hyper or {})
        )


def steps_until(heights: np.ndarray, target: np.ndarray | float) -> np.ndarray:
    """For every descent after how many steps the value first was at most the target; one more than it took for never.

    Args:
        heights: Values of shape (steps + 1, ...).
        target: Broadcast against the descents.

    Example:
        >>> steps_until(np.array([[3.0, 3.0], [1.0, 2.0], [2.0, 2.0]]), 1.0).tolist()
        [1, 3]
    """
    with np.errstate(invalid="ignore"):
        met = heights <= target
    return np.where(met.any(axis=0), met.argmax(axis=0), len(heights))


def grid(low: float, high: float, count: int) -> list[float]:
    """Learning rates at equal distances on a logarithmic scale, in few digits.

    Example:
        >>> grid(0.01, 1.0, 3)
        [0.01, 0.1, 1.0]
    """
    return [float(f"{rate:.4g}") for rate in np.geomspace(low, high, count)]


def ellipses(condition: float, reach: float, levels: int = 7) -> tuple[Line, ...]:
    """Contour lines of ½ (x² + condition y²) for a picture.

    Args:
        condition: How much steeper y is.
        reach: The largest x that a line meets.
        levels: How many lines.
    """
    angles = np.linspace(0, 2 * math.pi, 73)
    return tuple(
        Line(
            "",
            tuple((reach * k / levels * np.cos(angles)).round(4).tolist()),
            tuple((reach * k / levels * np.sin(angles) / math.sqrt(condition)).round(4).tolist()),
            rule="contour",
        )
        for k in range(1, levels + 1)
    )


def trajectory(label: str, path: np.ndarray, rule: str, dashed: bool = False) -> Line:
    """A descent of two variables as a line of a picture, as far as it stays on any picture."""
    near = (np.abs(path) < FAR).all(axis=-1)
    kept = path[: len(path) if near.all() else int(near.argmin())]
    x, y = (tuple(float(f"{v:.5g}") for v in kept[:, axis]) for axis in (0, 1))
    return Line(label, x, y, rule=rule, dashed=dashed, points=len(kept) <= 200)


def thinned(values: Sequence[float], most: int = 200) -> list[int]:
    """Places of at most so many values, the first and the last among them, dense at the beginning.

    Example:
        >>> thinned(range(5)), len(thinned(range(10_000))) <= 200
        ([0, 1, 2, 3, 4], True)
    """
    if len(values) <= most:
        return list(range(len(values)))
    places = np.concatenate([[0], np.geomspace(1, len(values) - 1, most - 1)])
    return sorted({round(float(place)) for place in places})


def ways(across: np.ndarray) -> np.ndarray:
    """How far each run travels along one direction, in units of its distance from 0 at the start.

    Args:
        across: Places along the direction, of shape (steps + 1, ...); a run that overflows has an infinite way.

    Example:
        >>> ways(np.array([[2.0], [-1.0], [0.0]])).tolist()
        [2.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.abs(np.diff(across, axis=0)).sum(axis=0) / np.abs(across[0])
    return np.where(np.isfinite(found), found, np.inf)


def geometric(values: Mapping[int, float]) -> tuple[float | None, float | None, float | None]:
    """The geometric mean of numbers above 0 and its 95 % interval, for a picture.

    Example:
        >>> [round(end, 6) for end in geometric({0: 2.0, 1: 2.0})]
        [2.0, 2.0, 2.0]
    """
    found = estimate([math.log(value) for value in values.values()])
    mean, low, high = (None if v is None else math.exp(v) for v in (found.mean, found.low, found.high))
    return mean, low, high


def measured_line(
    label: str, places: Sequence[float], each: Sequence[Mapping[int, float]], rule: str, dashed: bool = False
) -> Line:
    """Geometric means over units at some places, with intervals, as a line of a picture.

    Args:
        label: What it shows.
        places: Where the numbers belong on the horizontal axis.
        each: For every place the numbers by unit.
        rule: The rule whose colour it has.
        dashed: Whether it is dashed.
    """
    found = [geometric(values) for values in each]
    mean, low, high = (tuple(ends) for ends in zip(*found, strict=True))
    return Line(label, tuple(places), mean, low, high, rule=rule, points=True, dashed=dashed)

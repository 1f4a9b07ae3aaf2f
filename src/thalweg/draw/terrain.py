"""A surface as a landscape: its heights over a window, between 0 and 1, and what of it a viewer can see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thalweg.draw.contours import heights, mostly_low
from thalweg.draw.scene import values_along, within
from thalweg.errors import InputError
from thalweg.formula.surface import Point, Surface

CELLS = 150  # of the grid, along each axis
GAP = 1.25  # from the lowest height down to the floor
TALL = 0.42  # what a height of 1 measures, where the window is 1 wide
ALOFT = 0.02  # a line of sight must be this far under the ground before it counts as blocked
FINE = 500  # cells across the window: for the points in one of them one is looked at
SIGHTS = 60  # points at which a line of sight is compared with the ground


@dataclass(frozen=True, eq=False)
class Terrain:
    """A landscape.

    Attributes:
        surface: What it is made of.
        window: The part of the plane that it covers.
        x: Of its columns, `(CELLS + 1,)`.
        y: Of its rows.
        values: Of the surface there, `(rows, columns)`, NaN where it is not finite.
        low: The lowest value.
        high: The highest one.
        logarithmic: Whether heights follow the logarithm of 1 + the value above the lowest one.
    """

    surface: Surface
    window: tuple[Point, Point]
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    low: float
    high: float
    logarithmic: bool

    @property
    def heights(self) -> np.ndarray:
        """How high its grid lies, between 0 and 1, NaN where the surface is not finite."""
        return self.height(self.values)

    def height(self, values: np.ndarray) -> np.ndarray:
        """How high values of the surface lie."""
        span = self.high - self.low or 1.0
        with np.errstate(all="ignore"):
            part = np.where(np.isfinite(values), values - self.low, np.nan)
            return np.log1p(np.maximum(part, 0.0)) / math.log1p(span) if self.logarithmic else part / span

    def height_at(self, points: np.ndarray) -> np.ndarray:
        """How high the ground is at points of shape `(..., 2)`, NaN where the surface is not finite."""
        return self.height(values_along(self.surface, points))

    def ticks(self) -> tuple[np.ndarray, list[str]]:
        """Heights to mark, and the values that they stand for, above the lowest one if heights are logarithmic."""
        if self.logarithmic:
            above = _decades(self.high - self.low)
            return self.height(self.low + above), [_power(value) for value in above]
        values = _round(self.low, self.high)
        return self.height(values), _texts(values)


def terrain(surface: Surface, window: tuple[Point, Point]) -> Terrain:
    """The landscape of a surface over a window.

    Raises:
        InputError: If the surface is not finite anywhere in the window.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> rosenbrock = SURFACES["rosenbrock"]
        >>> ground = terrain(rosenbrock, rosenbrock.window)
        >>> ground.logarithmic, ground.high, ground.height_at(np.array([1.0, 1.0])).item()
        (True, 2509.0, 0.0)
    """
    x, y, values = heights(surface, window, CELLS + 1)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError(f"expected a surface with finite values in the window, '{surface.name}' has none: move it")
    known = [float(surface(*point)) for point in surface.minima if within(np.array(point), window)]
    low, high = min(float(finite.min()), *known, math.inf), float(finite.max())
    return Terrain(surface, window, x[0], y[:, 0], values, low, high, mostly_low(finite, low, high))


def hidden(ground: Terrain, points: np.ndarray, heights: np.ndarray, azimuth: float, elevation: float) -> np.ndarray:
    """Which points the ground hides from a viewer far away.

    Args:
        ground: The landscape.
        points: Where the points are in the plane, `(n, 2)`.
        heights: How high they are, `(n,)`: on the ground, or all below it.
        azimuth: Of the viewer, in degrees from the x axis.
        elevation: Of the viewer, in degrees above the plane.

    Returns:
        For every point whether its line of sight passes through the ground.
    """
    toward = sight(ground.window, azimuth, elevation)
    first, where = _apart(ground.window, points, heights)
    points, heights = points[first], heights[first]
    top = np.maximum(1.0 - heights, 0.0) / toward[2]
    reach = np.linspace(0.0, 1.0, SIGHTS)[1:, None] * top
    along = points + reach[..., None] * toward[:2]
    inside = within(along, ground.window)
    above = heights + reach * toward[2] - ground.height_at(along)
    return (inside & np.where(heights < 0, above > 0, above < -ALOFT)).any(axis=0)[where]


def _apart(window: tuple[Point, Point], points: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One of all points that cannot be told apart, by its number, and for every point which of those stands for it."""
    low, high = np.array(window, dtype=float).T
    places = np.concatenate([(points - low) / (high - low), heights[:, None]], axis=1)
    cells = np.where(np.isfinite(places).all(axis=1, keepdims=True), np.rint(places * FINE), np.inf)
    _, first, where = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return first, where.reshape(-1)


def sight(window: tuple[Point, Point], azimuth: float, elevation: float) -> np.ndarray:
    """The direction to a viewer far away, in the plane's units and in heights."""
    around, up = math.radians(azimuth), math.radians(elevation)
    wide, deep = (high - low for low, high in window)
    return np.array(
        [
            math.cos(up) * math.cos(around) * wide,
            math.cos(up) * math.sin(around) * deep,
            math.sin(up) / TALL,
        ]
    )


def _decades(span: float) -> np.ndarray:
    """Zero and about four powers of ten up to a span.

    Example:
        >>> _decades(2500.0).tolist(), _decades(3e300).tolist()
        ([0.0, 1.0, 10.0, 100.0, 1000.0], [0.0, 1.0, 1e+75, 1e+150, 1e+225, 1e+300])
    """
    last = max(math.floor(math.log10(span)), 0)
    powers = range(last, -1, -max(1, math.ceil(last / 4)))
    return np.array([0.0, *(float(f"1e{p}") for p in reversed(powers))])


def _round(low: float, high: float) -> np.ndarray:
    """Some five round numbers from low to high."""
    rough = (high - low or 1.0) / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * next(m for m in (1, 2, 5, 10) if m * unit >= rough * 0.999)
    return step * np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def _power(value: float) -> str:
    """Zero or a power of ten."""
    return f"{value:g}" if value < 1e4 else f"$10^{{{math.log10(value):.0f}}}$"


def _texts(values: np.ndarray) -> list[str]:
    """Numbers at equal distances, with as many digits as tell them apart.

    Example:
        >>> _texts(np.array([-20000.0, 0.0, 20000.0])), _texts(np.array([1e6 + 1, 1e6 + 2]))
        (['−20000', '0', '20000'], ['1000001', '1000002'])
    """
    size = float(np.abs(values).max()) or 1.0
    digits = max(7, math.ceil(math.log10(size / float(np.diff(values).min(initial=size)))) + 1)
    return [f"{value:.{digits}g}".replace("-", "−") for value in values]

"""A surface as a landscape: its heights over a window, between 0 and 1, and what of it a viewer can see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thalweg.draw.scene import values_along
from thalweg.errors import InputError
from thalweg.formula.surface import Point, Surface

CELLS = 150  # of the grid, along each axis
SKEWED = 0.2  # a landscape whose median height is below this part of its highest one shows nothing but its walls
GAP = 1.25  # from the lowest height down to the floor
TALL = 0.42  # what a height of 1 measures, where the window is 1 wide
ALOFT = 0.02  # a line of sight must be this far under the ground before it counts as blocked
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
        above = _decades(self.high - self.low) if self.logarithmic else _round(self.low, self.high) - self.low
        shown = above if self.logarithmic else above + self.low
        return self.height(self.low + above), [_text(value) for value in shown]


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
    x, y = (np.linspace(low, high, CELLS + 1) for low, high in window)
    values = values_along(surface, np.stack(np.meshgrid(x, y), -1))
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError(f"expected a surface with finite values in the window, '{surface.name}' has none: move it")
    known = [float(surface(*point)) for point in surface.minima if covers(window, point)]
    low, high = min(float(finite.min()), *known, math.inf), float(finite.max())
    logarithmic = bool(np.median(finite) - low < SKEWED * (high - low))
    return Terrain(surface, window, x, y, np.where(np.isfinite(values), values, np.nan), low, high, logarithmic)


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
    top = np.maximum(1.0 - heights, 0.0) / toward[2]
    reach = np.linspace(0.0, 1.0, SIGHTS)[1:, None] * top
    low, high = np.array(ground.window).T
    along = points + reach[..., None] * toward[:2]
    inside = ((along >= low) & (along <= high)).all(axis=-1)
    above = heights + reach * toward[2] - ground.height_at(along)
    return (inside & np.where(heights < 0, above > 0, above < -ALOFT)).any(axis=0)


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


def covers(window: tuple[Point, Point], point: Point) -> bool:
    """Whether a point lies in a window."""
    return all(low <= value <= high for value, (low, high) in zip(point, window, strict=True))


def _decades(span: float) -> np.ndarray:
    """Zero and every second or so power of ten up to a span."""
    last = math.floor(math.log10(span))
    return np.array([0.0, *(10.0**p for p in range(last - 4 if last > 4 else 0, last + 1))])


def _round(low: float, high: float) -> np.ndarray:
    """Some five round numbers from low to high."""
    rough = (high - low or 1.0) / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * next(m for m in (1, 2, 5, 10) if m * unit >= rough * 0.999)
    return step * np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def _text(value: float) -> str:
    """A number, a large one as a power of ten."""
    return f"{value:.4g}".replace("-", "−") if abs(value) < 1e4 else f"$10^{{{math.log10(value):.0f}}}$"

"""`@surface`: a function of two variables to descend, in the formula language, and what a picture needs to know."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from thalweg.errors import FormulaError, InputError

Point = tuple[float, float]
SMALLEST, LARGEST, THINNEST = 1e-100, 1e100, 1e-9  # sides of a window; in parts of its distance from 0


@dataclass(frozen=True, eq=False)
class Surface:
    """A function of `(x, y)` and the facts declared about it.

    Attributes:
        formula: The function. Calling the surface calls it, with numbers or with symbols.
        name: The surface's name in the catalogue.
        minima: Where its global minima are; empty where it has none.
        window: What a picture shows: the ends of x, then the ends of y.
        starts: Where descents begin, each inside the window; the first one is the default.
        rates: Two learning rates for a picture: for rules whose step is in proportion to the gradient, and for those
            that divide by its size.
        steps: How many steps a picture takes.
        teaches: What one sees on it, in a sentence.
        source: Where it comes from.
        noise: Standard deviation of the normal noise that is added to each component of the gradient.
        seed: Of that noise.

    Example:
        >>> @surface(
        ...     "Cauchy 1847", minima=((0.0, 0.0),), window=((-2, 2), (-2, 2)), starts=((1.0, 1.0),),
        ...     rates=(0.1, 0.1), steps=50, teaches="Every rule arrives.",
        ... )
        ... def bowl(x, y):
        ...     return x**2 + y**2
        >>> bowl(1.0, 2.0), bowl.noisy(0.5, seed=1).noise
        (5.0, 0.5)
    """

    formula: Callable[[Any, Any], Any]
    name: str
    minima: tuple[Point, ...]
    window: tuple[Point, Point]
    starts: tuple[Point, ...]
    rates: tuple[float, float]
    steps: int
    teaches: str
    source: str
    noise: float = 0.0
    seed: int = 0

    def __call__(self, x: Any, y: Any) -> Any:
        """The value at a point: a number for numbers, an expression for symbols."""
        return self.formula(x, y)

    def __repr__(self) -> str:
        return f"<surface {self.name}{f' with noise {self.noise:g}' if self.noise else ''}>"

    def noisy(self, noise: float, seed: int = 0) -> Surface:
        """The same surface with noise in its gradients.

        Args:
            noise: Standard deviation of what is added to each component.
            seed: Runs with the same seed, from whatever start, meet noise of their own in every step, the same each
                time.

        Raises:
            InputError: If the noise is no finite number of at least 0, or the seed no whole number from 0 to 2**32 - 1.
        """
        if isinstance(noise, bool) or not isinstance(noise, (int, float)) or not 0 <= noise < math.inf:
            raise InputError(f"expected noise of a finite standard deviation of at least 0, got {noise!r}: give one")
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise InputError(f"expected a seed from 0 to 2**32 - 1, got {seed!r}: give such a whole number")
        return replace(self, noise=float(noise), seed=seed)


def surface(
    source: str,
    *,
    minima: tuple[Point, ...] = (),
    window: tuple[Point, Point],
    starts: tuple[Point, ...],
    rates: tuple[float, float] = (0.01, 0.1),
    steps: int = 100,
    teaches: str = "",
) -> Callable[[Callable[[Any, Any], Any]], Surface]:
    """Declare a formula of `(x, y)` as a surface.

    Args:
        source: Where it comes from.
        minima: Where its global minima are.
        window: What a picture shows: the ends of x, then the ends of y.
        starts: Where descents begin.
        rates: Learning rates for rules in proportion to the gradient, and for those that divide by its size.
        steps: How many steps a picture takes.
        teaches: What one sees on it.

    Raises:
        FormulaError: If the function does not take exactly x and y.
        InputError: If the window has no size, there is no start or one outside it, or another fact is none.
    """

    def declare(formula: Callable[[Any, Any], Any]) -> Surface:
        names = [p.name for p in inspect.signature(formula).parameters.values()]
        if names != ["x", "y"]:
            raise FormulaError(
                f"surface '{formula.__name__}' must take (x, y), got ({', '.join(names)}): a picture has two dimensions"
            )
        _check_facts(formula.__name__, minima, starts, rates, steps)
        check_window(window, starts)
        return Surface(
            formula,
            formula.__name__,
            minima=_floats(minima),
            window=_floats(window),  # type: ignore[arg-type]
            starts=_floats(starts),
            rates=rates,
            steps=steps,
            teaches=teaches,
            source=source,
        )

    return declare


def _floats(points: tuple[Point, ...]) -> tuple[Point, ...]:
    return tuple((float(a), float(b)) for a, b in points)


def _is_pair(value: Any) -> bool:
    def is_number(v: Any) -> bool:
        return isinstance(v, numbers.Real) and not isinstance(v, bool)

    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_number, value))


def _check_facts(
    name: str, minima: tuple[Point, ...], starts: tuple[Point, ...], rates: tuple[float, float], steps: int
) -> None:
    """Refuse what is declared of a surface and is no point, no rate or no number of steps."""
    for what, points in (("minima", minima), ("starts", starts)):
        if not isinstance(points, (tuple, list)) or not all(map(_is_pair, points)):
            raise InputError(f"surface '{name}' expects {what} such as ((0.0, 1.0),), got {points!r}: give pairs")
    if not starts:
        raise InputError(f"surface '{name}' expects a start at least, got none: say where descents begin")
    if not _is_pair(rates) or not all(0 < rate < math.inf for rate in rates):
        raise InputError(f"surface '{name}' expects two finite rates above 0, got {rates!r}: give such numbers")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"surface '{name}' expects at least 1 step, got {steps!r}: give a whole number")


def check_window(window: tuple[Point, Point], starts: tuple[Point, ...]) -> None:
    """Refuse a window of no size, or of one that nothing can be computed with, and a start outside it.

    Raises:
        InputError: If there is one.

    Example:
        >>> check_window(((0, 1), (2, 2)), ())
        Traceback (most recent call last):
        thalweg.errors.InputError: expected a window whose ends of y rise, got 2 to 2: give the lower end first
    """
    if not isinstance(window, (tuple, list)) or len(window) != 2 or not all(map(_is_pair, window)):
        raise InputError(f"expected a window such as ((-5, 5), (-5, 5)), got {window!r}: give both ends of x and of y")
    for axis, (low, high) in zip("xy", window, strict=True):
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(
                f"expected a window whose ends of {axis} rise, got {low:g} to {high:g}: give the lower end first"
            )
        if not max(SMALLEST, THINNEST * abs(low), THINNEST * abs(high)) <= high - low <= LARGEST:
            raise InputError(
                f"expected a window whose ends of {axis} can be told apart and are at most {LARGEST:g} apart, "
                f"got {low!r} to {high!r}: choose another one"
            )
    for point in starts:
        for axis, value, (low, high) in zip("xy", point, window, strict=True):
            if not low <= value <= high:
                raise InputError(
                    f"expected a start inside the window, got {axis} = {value:g} outside {low:g} to {high:g}: "
                    "move the start or widen the window"
                )

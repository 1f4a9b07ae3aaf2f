"""What a picture shows, computed before anything is drawn: descents of one surface, from one start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.colours import colour_of, turns_of
from thalweg.compile import numpy as reference
from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import trace_gradient
from thalweg.errors import InputError
from thalweg.formula.surface import Point, Surface, check_window
from thalweg.frameworks.numpy import descend
from thalweg.rules.setting import Setting

# For rules of one colour, in turn.
DASHES = ("solid", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (9, 3)), (0, (3, 1.5, 1, 1.5, 1, 1.5)))
FAR = 100.0  # windows: a run without a value farther away than this has diverged
LARGEST = 1e200  # values beyond this are not drawn: their squares and differences overflow
MOST_STEPS = 100_000  # more points than these are no picture


@dataclass(frozen=True)
class Contender:
    """A rule to draw.

    Attributes:
        label: What the picture calls it.
        setting: The rule and its hyperparameters.
        given: Those of them that were asked for by name, and are to be read off the picture.
    """

    label: str
    setting: Setting
    given: frozenset[str] = frozenset()

    @property
    def settings(self) -> str:
        """What decides its steps, as text: the learning rate, what was asked for, what is not the rule's default.

        Example:
            >>> from thalweg.rules.setting import resolve
            >>> Contender("Momentum", resolve("momentum", {"lr": 0.1, "rho": 0.95})).settings
            'lr 0.1, rho 0.95'
        """
        return self._settings(self.given | {"lr"})

    @property
    def settings_without_rate(self) -> str:
        """The same for a picture that tells the learning rate elsewhere, unless it was asked for by name."""
        return self._settings(self.given)

    def _settings(self, told: frozenset[str]) -> str:
        rule, hyper = self.setting.rule, self.setting.hyper
        shown = [h for h, default in rule.hyper.items() if h in told or (h != "lr" and hyper[h] != default)]
        starts = {s: v for s, v in self.setting.initial.items() if v != rule.every_start[s]}
        texts = [f"{h} {hyper[h]!r}" if callable(hyper[h]) else f"{h} {hyper[h]:g}" for h in shown]
        return ", ".join([*texts, *(f"{s}_0 {v}" for s, v in starts.items())])


@dataclass(frozen=True, eq=False)
class Descent:
    """One run on a surface.

    Attributes:
        contender: Who ran.
        colour: Of its line, `#rrggbb`: the rule's colour everywhere.
        dash: Of its line, as matplotlib takes it; another one for each contender of the same colour.
        points: The start and the point after every step, `(steps + 1, 2)`, infinite or NaN once it diverged.
        values: The surface's value there, `(steps + 1,)`.
        note: What became of it, where that is worth saying: "left the window at step 12", "diverged at step 40".
    """

    contender: Contender
    colour: str
    dash: str | tuple
    points: np.ndarray
    values: np.ndarray
    note: str


@dataclass(frozen=True, eq=False)
class Scene:
    """Descents of one surface from one start.

    Attributes:
        surface: What they descend.
        window: The part of the plane that is shown: the ends of x, then the ends of y.
        start: Where all begin.
        steps: How many steps each takes.
        descents: In the order asked for.
        remark: What else is to be known of their settings, or nothing.
    """

    surface: Surface
    window: tuple[Point, Point]
    start: Point
    steps: int
    descents: tuple[Descent, ...]
    remark: str = ""

    @property
    def title(self) -> str:
        """What the surface is called on a picture; one that was typed has no name but its formula.

        Example:
            >>> from thalweg.surfaces import SURFACES
            >>> from thalweg.surfaces.parsed import surface_of
            >>> scene(SURFACES["two_minima"], ()).title, scene(surface_of("x**2 + y"), ()).title
            ('Two minima', 'f(x, y) = x**2 + y')
        """
        name = self.surface.name
        if self.surface.formula.__name__ != name:
            return f"{name}(x, y) = {self.surface.source}"
        return name.replace("_", " ").capitalize()


def scene(
    surface: Surface,
    contenders: Sequence[Contender],
    start: Point | None = None,
    steps: int | None = None,
    window: tuple[Point, Point] | None = None,
    remark: str = "",
) -> Scene:
    """Every contender's descent.

    Args:
        surface: What to descend.
        contenders: Who descends.
        start: Where to begin; the surface's first start where nothing is said.
        steps: How many steps; as many as the surface declares where nothing is said.
        window: What is shown; the surface's own where nothing is said.
        remark: What else is to be known of their settings.

    Raises:
        InputError: If there are no steps or more than 100,000, the window has no size, the start lies outside it, or
            the surface or its gradient is not finite there.
    """
    chosen, shown = start or surface.starts[0], window or surface.window
    count = surface.steps if steps is None else steps
    check_steps(count)
    check_window(shown, (chosen,))
    check_start(surface, chosen)
    turns = turns_of([each.setting.rule.name for each in contenders])
    descents = tuple(
        _descent(surface, contender, chosen, count, shown, DASHES[turn % len(DASHES)])
        for contender, turn in zip(contenders, turns, strict=True)
    )
    return Scene(surface, shown, chosen, count, descents, remark)


def check_steps(steps: int) -> None:
    """Refuse a number of steps that makes no picture.

    Raises:
        InputError: If there are none, or more than 100,000.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise InputError(f"expected 1 to {MOST_STEPS:,} steps, got {steps:,}: a picture shows no other number")


def check_start(surface: Surface, start: Point) -> None:
    """Refuse a start where the surface, or its gradient, is not finite, too large to be drawn, or on an edge.

    Raises:
        InputError: If it is.
    """
    value, *slopes = (
        float(v) for v in reference.values(trace_gradient(surface), np.float64(start[0]), np.float64(start[1]))
    )
    if not math.isfinite(value):
        raise InputError(f"expected a finite value at the start, got {value} at {_point(start)}: start elsewhere")
    if abs(value) > LARGEST:
        raise InputError(f"expected a value of at most {LARGEST:g} at the start, got {value:g}: start elsewhere")
    if not all(map(math.isfinite, slopes)) or any(_on_edge(surface, start, axis) for axis in (0, 1)):
        raise InputError(
            f"expected a derivative at the start, but '{surface.name}' has none at {_point(start)}: start elsewhere"
        )


def _on_edge(surface: Surface, start: Point, axis: int) -> bool:
    """Whether value or slope jumps at a point, along an axis: what differs across it does not shrink with the distance.

    The gradient of a program gives a number there nevertheless, that of one of the two sides, or 0.

    Example:
        >>> from thalweg.surfaces.parsed import surface_of
        >>> [_on_edge(surface_of(text), (0.0, 1.0), 0) for text in ("abs(x)", "x**2", "sign(x)", "abs(x)**1.5")]
        [True, False, True, False]
    """
    low, high = surface.window[axis]
    across = np.full((2, 2, 2), start, dtype=np.float64)  # far or near, before or behind, x and y
    across[:, :, axis] += np.outer((1e-6, 1e-9), (-0.5, 0.5)) * (high - low)
    found = np.array(reference.values(trace_gradient(surface), across[..., 0], across[..., 1]))
    with np.errstate(all="ignore"):
        far, near = np.abs(found[..., 1] - found[..., 0]).T
        return bool(((near > 0.5 * far) & (near > 1e-6 * np.abs(found).max(axis=(1, 2)))).any())


def values_along(surface: Surface, points: np.ndarray) -> np.ndarray:
    """The surface's value at points of shape `(..., 2)`."""
    return reference.values(trace_surface(surface), points[..., 0], points[..., 1])[0]


def within(points: np.ndarray, window: tuple[Point, Point]) -> np.ndarray:
    """Which of the points, of shape `(..., 2)`, lie in a window."""
    low, high = np.array(window, dtype=float).T
    return ((points >= low) & (points <= high)).all(axis=-1)


def _descent(
    surface: Surface,
    contender: Contender,
    start: Point,
    steps: int,
    window: tuple[Point, Point],
    dash: str | tuple,
) -> Descent:
    points = descend(contender.setting, surface, start, steps=steps)
    values = values_along(surface, points)
    colour = colour_of(contender.setting.rule.name).light
    return Descent(contender, colour, dash, points, values, note_of(points, values, window))


def note_of(points: np.ndarray, values: np.ndarray, window: tuple[Point, Point]) -> str:
    """What must be said of a run: that it diverged, met a point without a value, or left the window for good.

    Example:
        >>> path = np.array([[0.0, 0.0], [3.0, 0.0], [9.0, 0.0]])
        >>> note_of(path, np.zeros(3), ((-1, 1), (-1, 1)))
        'left the window at step 1'
    """
    low, high = np.array(window).T
    inside = within(points, window)
    finite = np.isfinite(points).all(axis=1) & np.isfinite(values)
    if not finite.all():
        step = int(np.argmin(finite))
        away = np.abs(points[step] - (low + high) / 2) / (high - low)
        return f"no value at step {step}" if away.max() < FAR else f"diverged at step {step}"
    if inside[-1]:
        return ""
    return f"left the window at step {int(np.flatnonzero(inside)[-1]) + 1}"


def _point(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"

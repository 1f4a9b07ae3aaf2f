"""Any rule on NumPy arrays: the trajectories of descents, in float64, of as many runs as one likes together.

A run's numbers do not depend on the runs beside it. Much work on a surface is done by a kernel, all else by the
reference; the two agree to the last bit, on surfaces with exp, log, sin, cos or other powers to the accuracy of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.compile import numpy as reference
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.noise import noisy, normal
from thalweg.compile.trace import trace, trace_point
from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.formula.surface import Surface
from thalweg.rules import RULES
from thalweg.rules.hyper import numbers_at
from thalweg.rules.setting import Setting, resolve, setting
from thalweg.sweep.descend import fused
from thalweg.sweep.runs import Runs, numbers, room_for, runs_of

Gradient = Callable[[np.ndarray], Any]
Slopes = Callable[[np.ndarray, int], np.ndarray]  # (points, step) -> gradients

# The reference takes about a microsecond for a step of a run, and some hundred for a step however few there are; a
# kernel that no cache has costs a second or two. From so many microseconds on, it is worth it.
OVERHEAD = 300
LARGE = 1_000_000


def minimize(
    rule: str | Rule,
    gradient: Surface | Gradient,
    start: Any,
    *,
    steps: int = 100,
    record: str | int = "all",
    **hyper: Any,
) -> np.ndarray:
    """Descend from a start, or from many at once, and record the points on the way.

    Args:
        rule: A name of the catalogue, or a `Rule`.
        gradient: A surface; or a function from points to the gradients there. It gets the points of all runs at once,
            as an array of shape `(*runs, n)`, and returns one of that shape.
        start: Where to begin: a number or an array. Its last axis is a point, on a surface of length 2; axes before it
            are runs.
        steps: How many steps to take.
        record: `"all"` points, `"last"` only, or a number k: the start and every k-th point after it. A point takes 16
            bytes on a surface: a million runs of 1,000 steps are 16 GB in all, and 16 MB in the end.
        hyper: The rule's hyperparameters: numbers, schedules (one of `thalweg.schedules`, or any function of the step
            number, which counts from 1), or arrays with a number for each run, which broadcast against the axes of
            `start` before its last. Those not given have the rule's defaults.

    Returns:
        The points, float64: with `runs` the shape to which the starts' and the hyperparameters' runs broadcast,
        `(steps + 1, *runs, n)`, of which the first is the start; every k-th: `(steps // k + 1, *runs, n)`; the last:
        `(*runs, n)`. On a noisy surface the runs are numbered in the order of that array, from 0.

    Raises:
        InputError: If the rule or a hyperparameter is unknown, a number outside its range, be it that of a schedule in
            one of the steps, if shapes do not fit, or the points to record do not fit into memory.

    Example:
        >>> path = minimize("momentum", lambda x: x, [1.0], steps=3, lr=0.1, rho=0.5)
        >>> path.ravel().round(4).tolist()
        [1.0, 0.9, 0.76, 0.614]
        >>> from thalweg.schedules import linear
        >>> minimize("sgd", lambda x: x, 1.0, steps=2, lr=linear(0.5, 0.0, 2)).tolist()
        [1.0, 0.5, 0.375]
        >>> from thalweg.surfaces import SURFACES
        >>> rates, starts = np.array([[0.01], [0.1]]), [[1.0, 0.1], [2.0, 0.1], [2.0, 0.2]]
        >>> minimize("adam", SURFACES["saddle"], starts, steps=50, record="last", lr=rates).shape
        (2, 3, 2)
    """
    chosen, arrays = _chosen(rule, hyper)
    return descend(chosen, gradient, start, steps=steps, record=record, arrays=arrays)


def descend(
    chosen: Setting,
    gradient: Surface | Gradient,
    start: Any,
    *,
    steps: int = 100,
    record: str | int = "all",
    arrays: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Descend as `minimize` does, under a setting.

    Args:
        chosen: The rule with all its hyperparameters, as numbers or schedules.
        gradient: As in `minimize`.
        start: As in `minimize`.
        steps: As in `minimize`.
        record: As in `minimize`.
        arrays: Hyperparameters that differ between runs, by name, in place of the setting's.

    Returns:
        As `minimize`.

    Raises:
        InputError: As `minimize` does.

    Example:
        >>> from thalweg.rules import RULES
        >>> from thalweg.rules.setting import setting
        >>> from thalweg.surfaces import SURFACES
        >>> sgd, rates = setting(RULES["sgd"]), {"lr": [0.1, 0.2]}
        >>> descend(sgd, SURFACES["saddle"], (1.0, 0.0), steps=1, record="last", arrays=rates).tolist()
        [[0.8, 0.0], [0.6, 0.0]]
    """
    surface = gradient if isinstance(gradient, Surface) else None
    if not callable(gradient):
        raise InputError(
            f"expected a surface, or a function from points to gradients, got {gradient!r}: "
            "give one, such as thalweg.surfaces.SURFACES['saddle']"
        )
    runs = runs_of(chosen, start, steps, record, arrays or {}, surface)
    path = room_for(runs)
    if runs.steps and runs.start.size:
        large = runs.steps * (OVERHEAD + math.prod(runs.shape)) >= LARGE
        last = fused(runs, surface, path) if surface and large else stepped(runs, gradient, path)
    else:
        last = runs.start
    return last if path is None else path


def stepped(runs: Runs, gradient: Surface | Gradient, path: np.ndarray | None) -> np.ndarray:
    """Take all steps with the reference, all runs together.

    Args:
        runs: What to do.
        gradient: What to descend.
        path: Filled with the points of the steps after the start that are wanted, if some are.

    Returns:
        The last points.
    """
    setting, x = runs.setting, runs.start
    program, point = trace(setting.rule), trace_point(setting.rule)
    state: dict[str, Any] = {
        s: value if s in program.scalar_state else np.array(np.broadcast_to(value, x.shape))
        for s, value in runs.first_states().items()
    }
    slopes = _of_surface(gradient, runs.shape) if isinstance(gradient, Surface) else _of_function(gradient)
    fixed = {name: value for name, value in setting.hyper.items() if name not in runs.arrays}
    for t in range(1, runs.steps + 1):
        hyper = {**numbers_at(setting.rule, fixed, t), **runs.arrays}
        at = x if point is None else reference.step(point, {"x": x, **state}, t, hyper)[0]
        x, *new = reference.step(program, {"x": x, "g": slopes(at, t), **state}, t, hyper)
        state = dict(zip(state, new, strict=True))
        if path is not None and t % runs.every == 0:
            path[t // runs.every] = x
    return x


def _of_surface(surface: Surface, shape: tuple[int, ...]) -> Slopes:
    """The surface's gradient with its noise, for runs of a shape."""
    program, own = trace_gradient(surface), np.arange(math.prod(shape)).reshape(shape)

    def slopes(at: np.ndarray, t: int) -> np.ndarray:
        exact = np.stack(reference.values(program, at[..., 0], at[..., 1], flush=True)[1:], -1)
        if not surface.noise:
            return exact
        return noisy(exact, surface.noise, np.stack(normal(surface.seed, own, t), -1))

    return slopes


def _of_function(gradient: Gradient) -> Slopes:
    """A Python function's results, checked; it gets copies, with which it may do what it likes."""

    def slopes(at: np.ndarray, t: int) -> np.ndarray:
        given = gradient(at.copy())
        try:
            if given is None or np.asarray(given).dtype.kind not in "biufO":
                raise TypeError
            return np.broadcast_to(np.asarray(given, np.float64), at.shape)
        except (TypeError, ValueError):
            raise InputError(
                f"expected a gradient of the points' shape {at.shape}, got {_kind(given)} in step {t}: "
                "return one number for each of theirs"
            ) from None

    return slopes


def _kind(given: Any) -> str:
    shape = getattr(given, "shape", None)
    return type(given).__name__ if shape is None else f"the shape {tuple(shape)}"


def _chosen(rule: str | Rule, hyper: Mapping[str, Any]) -> tuple[Setting, dict[str, Any]]:
    """The setting, and those hyperparameters that are arrays: the setting is resolved with a number of each."""
    if not isinstance(rule, (str, Rule)):
        raise InputError(f"expected a rule or the name of one, got {rule!r}: give one, such as 'adam'")
    known = rule.hyper if isinstance(rule, Rule) else RULES[rule].hyper if rule in RULES else {}
    arrays = {name: value for name, value in hyper.items() if _is_array(value, name in known)}
    ones = {name: float(numbers(value, name).flat[0]) for name, value in arrays.items()}
    given = {**hyper, **ones}
    chosen = setting(rule, given) if isinstance(rule, Rule) else resolve(rule, given)
    for name, number in ones.items():
        if chosen.hyper.get(name) != number:
            raise InputError(
                f"expected an array for a hyperparameter of rule '{chosen.rule.name}' itself "
                f"({', '.join(chosen.rule.hyper)}), got one for {name}: name the rule, and write that letter"
            )
    return chosen, arrays


def _is_array(value: Any, known: bool) -> bool:
    """Whether a hyperparameter has a number for each run. Lists may be for frameworks' arguments too, as `betas` is."""
    return known if isinstance(value, (list, tuple)) else bool(getattr(value, "shape", ()))

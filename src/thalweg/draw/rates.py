"""Which learning rate a picture gives to a rule that was given none: the surface's own, one for all, or the best."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from thalweg.draw.scene import Contender, values_along, within
from thalweg.errors import InputError
from thalweg.formula import Rule
from thalweg.formula.surface import Point, Surface
from thalweg.frameworks.numpy import descend
from thalweg.rules.hyper import Value
from thalweg.rules.setting import Setting, setting

# Ten to a decade, at numbers that can be read, from 1e-5 to 10.
GRID = (*(m * 10.0**k for k in range(-6, 0) for m in (10, 12.5, 16, 20, 25, 32, 40, 50, 63, 80)), 10.0)
GRID_TEXT = f"each lr the best of {len(GRID)} from {GRID[0]:g} to {GRID[-1]:g}"


@functools.cache
def in_proportion(rule: Rule) -> bool:
    """Whether a rule's steps grow with the gradient, or it divides by the gradient's size; measured, not declared.

    Its first steps do not count: RAdam's are in proportion until it knows the size.

    Example:
        >>> from thalweg.rules import RULES
        >>> in_proportion(RULES["momentum"]), in_proportion(RULES["adam"]), in_proportion(RULES["radam"])
        (True, False, False)
    """
    lengths = []
    for size in (1.0, 100.0):
        chosen = setting(rule, {"lr": 0.01} if "lr" in rule.hyper else {})
        path = descend(chosen, functools.partial(np.full_like, fill_value=size), [0.5], steps=20)[:, 0]
        lengths.append(abs(path[20] - path[10]))
    return bool(lengths[1] > 10 * lengths[0])


def declared(surface: Surface, chosen: Setting) -> Setting:
    """The setting at the rate that the surface declares for such a rule.

    A rule without a learning rate, or with a factor of 1 that has no unit as AdaDelta's, stays as it is.

    Example:
        >>> from thalweg.rules.setting import resolve
        >>> from thalweg.surfaces import SURFACES
        >>> ravine = SURFACES["ravine"]
        >>> [declared(ravine, resolve(name, {})).hyper["lr"] for name in ("sgd", "adam", "adadelta")] == [
        ...     *ravine.rates, 1.0]
        True
    """
    proportional = in_proportion(chosen.rule)
    if "lr" not in chosen.rule.hyper or (chosen.rule.hyper["lr"] == 1.0 and not proportional):
        return chosen
    return at_rate(chosen, surface.rates[0 if proportional else 1])


def at_rate(chosen: Setting, rate: Value) -> Setting:
    """The setting at a rate or schedule; a rule without a learning rate stays as it is.

    Raises:
        InputError: If the rate is no finite number of at least 0.
    """
    if "lr" not in chosen.rule.hyper:
        return chosen
    return setting(chosen.rule, {**chosen.hyper, "lr": rate}, chosen.initial)


def times(chosen: Setting, factor: float) -> Setting:
    """The setting at a multiple of its rate, or of the schedule that it follows; one that has none stays as it is."""
    rate = chosen.hyper.get("lr")
    if rate is None or factor == 1:
        return chosen
    return at_rate(chosen, _scaled(rate, factor) if callable(rate) else float(f"{factor * rate:.12g}"))


def _scaled(schedule: Callable[[int], float], factor: float) -> Value:
    return lambda t: factor * schedule(t)


def best(
    surface: Surface, contenders: Sequence[Contender], start: Point, steps: int, window: tuple[Point, Point]
) -> list[Contender]:
    """Every contender at the rate out of `GRID` with which it ends lowest; one whose rate was asked for keeps it.

    Raises:
        InputError: If runs get ever lower by leaving the window, so that the best rate is the largest.
    """
    return [c if "lr" in c.given else _at_best(surface, c, start, steps, window) for c in contenders]


def _at_best(
    surface: Surface, contender: Contender, start: Point, steps: int, window: tuple[Point, Point]
) -> Contender:
    if "lr" not in contender.setting.rule.hyper:
        return contender
    ends = descend(contender.setting, surface, start, steps=steps, record="last", arrays={"lr": np.array(GRID)})
    values = values_along(surface, ends)
    values = np.where(np.isnan(values) | ~np.isfinite(ends).all(-1), np.inf, values)
    place = int(np.argmin(values))
    if not surface.minima and not within(ends[place], window):
        raise InputError(
            f"expected a surface with a minimum for --lr best, but the lowest run of {contender.label} on "
            f"'{surface.name}' leaves the window: give a learning rate"
        )
    return replace(contender, setting=at_rate(contender.setting, float(f"{GRID[place]:.3g}")))

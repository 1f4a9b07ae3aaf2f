"""Many descents at once: what was asked, checked, in arrays that fit together."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.errors import InputError, did_you_mean
from thalweg.formula import AT_THE_WEIGHTS
from thalweg.formula.surface import Surface
from thalweg.rules.hyper import number_at, starts
from thalweg.rules.setting import Setting

SHOWN = 60  # characters of what was given instead of numbers


@dataclass(frozen=True, eq=False)
class Runs:
    """Descents to be taken together.

    Attributes:
        setting: The rule and its hyperparameters.
        start: Where each begins, float64 of shape `(*runs, n)`.
        arrays: Hyperparameters that differ between runs, float64, each of a shape that broadcasts against `start`.
        steps: How many steps each takes.
        every: Of every how many steps the points are wanted, that of the start included; 0 if only the last ones are.
    """

    setting: Setting
    start: np.ndarray
    arrays: Mapping[str, np.ndarray]
    steps: int
    every: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the runs."""
        return self.start.shape[:-1]

    def first_states(self) -> dict[str, Any]:
        """What each state starts at: a number, an array that broadcasts against `start`, or `start` itself."""
        initial = self.setting.initial
        named = {state: value for state, value in initial.items() if isinstance(value, str)}
        fixed = {s: v for s, v in initial.items() if v != AT_THE_WEIGHTS and named.get(s) not in self.arrays}
        numbers = starts(fixed, self.setting.hyper)
        return {s: numbers[s] if s in numbers else self.arrays.get(named[s], self.start) for s in initial}


def runs_of(
    setting: Setting, start: Any, steps: Any, record: Any, arrays: Mapping[str, Any], surface: Surface | None
) -> Runs:
    """What `minimize` was asked, checked.

    Raises:
        InputError: If something is not what it has to be, or does not fit.
    """
    point = numbers(start, "the start")
    if surface and point.shape[-1:] != (2,):
        raise InputError(
            f"expected a start on surface '{surface.name}' whose last axis is x and y, got the shape {point.shape}: "
            "give (x, y), or an array of shape (..., 2)"
        )
    if not np.isfinite(point).all():
        raise InputError("expected a start of finite numbers, got an infinity or NaN in it: start elsewhere")
    checked = {name: _checked_array(setting, name, value) for name, value in arrays.items()}
    if any(value.ndim for value in checked.values()) and not point.ndim:
        raise InputError(
            "expected a start whose last axis is a point, to go with arrays of hyperparameters, got one number: "
            f"write [{float(point):g}]"
        )
    differ = {name: value[..., None] for name, value in checked.items()}
    every = _whole(steps, "steps", 0), _every(record)
    return Runs(setting, _together(point, differ), differ, *every)


def _together(point: np.ndarray, differ: Mapping[str, np.ndarray]) -> np.ndarray:
    """The start for every run of the shape to which all broadcast."""
    shapes = [value.shape[:-1] for value in differ.values()]
    try:
        shape = np.broadcast_shapes(point.shape[:-1], *shapes)
    except ValueError:
        told = ", ".join(f"{name} has {shape}" for name, shape in zip(differ, shapes, strict=True))
        raise InputError(
            f"expected arrays that broadcast against the starts' runs, which have the shape {point.shape[:-1]}, but "
            f"{told}: give each a number for each run, or an axis of length 1"
        ) from None
    return np.array(np.broadcast_to(point, (*shape, *point.shape[-1:])))


def numbers(given: Any, name: str) -> np.ndarray:
    """Real numbers as an array of float64 of its own.

    Raises:
        InputError: If there is something else, or nothing.

    Example:
        >>> numbers([1, 2], "lr")
        array([1., 2.])
    """
    try:
        array = np.asarray(given)
        if array.size and array.dtype.kind in "iufO":
            return np.array(array, np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    text = " ".join(repr(given).split())
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
    raise InputError(f"expected {name} to be a number or an array of numbers, got {shown}: give real numbers")


def _checked_array(setting: Setting, name: str, given: Any) -> np.ndarray:
    rule = setting.rule
    if name not in rule.hyper:
        raise InputError(f"rule '{rule.name}' has no hyperparameter '{name}': {did_you_mean(name, list(rule.hyper))}")
    array = numbers(given, name)
    for end in (array.min(), array.max()):  # every range is an interval, and NaN is both ends
        number_at(rule, name, float(end), 1)
    return array


def _whole(given: Any, name: str, least: int) -> int:
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)) or given < least:
        raise InputError(f"expected {name} to be a whole number of at least {least}, got {given!r}: give one")
    return int(given)


def _every(record: Any) -> int:
    if isinstance(record, str):
        if record not in ("all", "last"):
            known = did_you_mean(record, ["all", "last"])
            raise InputError(f"expected record to be 'all', 'last' or a whole number, got {record!r}: {known}")
        return int(record == "all")
    return _whole(record, "record", 1)


def room_for(runs: Runs) -> np.ndarray | None:
    """Memory for the points to record, the start already in it; None if only the last ones are wanted.

    Raises:
        InputError: If this machine has less memory than that.
    """
    if not runs.every:
        return None
    shape = (runs.steps // runs.every + 1, *runs.start.shape)
    size = 8 * runs.start.size * shape[0]
    try:
        if size > _memory():
            raise MemoryError
        path = np.empty(shape)
    except (MemoryError, ValueError):
        raise InputError(
            f"expected points that fit into memory, got {shape[0]:,} of each of {math.prod(runs.shape):,} runs, "
            f"{size / 2**30:,.3g} GiB: record every k-th (record=k), or the last (record='last')"
        ) from None
    path[0] = runs.start
    return path


def _memory() -> float:
    """Bytes of memory that this machine has; infinite where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return float("inf")

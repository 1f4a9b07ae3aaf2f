"""Histories made up for the tests of alarms, and what alarms say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from thalweg.rules.setting import find_rule
from thalweg.watch.alarm import Finding, Raised
from thalweg.watch.alarms import BY_NAME
from thalweg.watch.history import History, Measured
from thalweg.watch.raised import raised
from thalweg.watch.subject import Group, Part, Subject

LAYERS = ("first.weight", "first.bias", "last.weight")
# Of a training that goes well.
STILL = dict(gradient_norm=1.0, weight_norm=10.0, update_norm=0.01, update_ratio=1e-3, lr=1e-3)


def subject(
    rule: str | None = "adam",
    layers: Sequence[str] = LAYERS,
    every: int = 1,
    dtype: str = "float32",
    state_dtype: str = "float32",
    elements: int = 1000,
    optimizer: str = "Adam",
    given: dict[str, float] | None = None,
    **hyper: float,
) -> Subject:
    """Some layers, and one group with them all."""
    known = {**find_rule(rule).hyper, **hyper} if rule else hyper
    parts = [Part(name, 0, False, elements, 128, dtype, state_dtype) for name in layers]
    whole = Part("group 0", 0, True, elements * len(layers), 128 * len(layers), dtype, state_dtype)
    return Subject((*parts, whole), (Group(0, optimizer, rule, known, given or {}),), every)


def history(about: Subject, rows: int, losses: Any = None, first: int = 1, **figures: Any) -> History:
    """A history of so many rows.

    Args:
        about: Who is measured.
        rows: How many measurements.
        losses: One for each, or for all; None for none told.
        first: The first step.
        figures: Each a number for all, one for every row, or one for every row and part.
    """
    made, count = History(about), len(about.parts)
    told = None if losses is None else np.broadcast_to(np.asarray(losses, float), rows)
    whole = {name: _spread(value, rows, count) for name, value in figures.items()}
    for row in range(rows):
        step = first + row * about.every
        loss = np.nan if told is None else float(told[row])
        if told is not None:
            made.told(step, loss)
        made.append(Measured(step, loss, {name: value[row] for name, value in whole.items()}))
    return made


def _spread(value: Any, rows: int, parts: int) -> np.ndarray:
    array = np.asarray(value, float)
    return np.broadcast_to(array[:, None] if array.ndim == 1 else array, (rows, parts))


def only(column: int, value: float, others: float, rows: int, parts: int = 4) -> np.ndarray:
    """A figure that is one number in a column, and another in all others."""
    whole = np.full((rows, parts), others, float)
    whole[:, column] = value
    return whole


def found(name: str, seen: History) -> list[Finding]:
    """What an alarm says of a history."""
    return [each.finding for each in raised(seen, [], [BY_NAME[name]])]


def told(seen: History, so_far: Sequence[Raised] = ()) -> set[str]:
    """Which alarms a history raises."""
    return {each.alarm for each in raised(seen, list(so_far))}

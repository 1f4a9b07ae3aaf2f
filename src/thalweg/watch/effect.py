"""What a rule's formula does to the sample: how far a gradient moves its weight, and whether rounding let it.

The formula itself is evaluated, in float64, so that no rule has to be known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.compile.evaluate import scalars
from thalweg.compile.frozen import depends_on, frozen_line, part
from thalweg.compile.trace import trace
from thalweg.formula import Rule
from thalweg.watch.behaviour import Behaviour, behaviour, epsilons

SHORTENED = 0.5  # a step that is shorter than this part of what it were without epsilon is ruled by epsilon


@dataclass(frozen=True)
class Moment:
    """Some coordinates at a step, as a rule sees them.

    Attributes:
        rule: The rule.
        t: The number of the step.
        hyper: A number for each hyperparameter.
        numbers: A number for each scalar state.
        x: The weights before the step.
        g: The gradients.
        before: The array states before the step.
        after: The array states as they were stored.
        x_after: The weights as they were stored.
    """

    rule: Rule
    t: float
    hyper: Mapping[str, float]
    numbers: Mapping[str, float]
    x: np.ndarray
    g: np.ndarray
    before: Mapping[str, np.ndarray]
    after: Mapping[str, np.ndarray]
    x_after: np.ndarray


@dataclass(frozen=True)
class Effect:
    """What the formula says, a number per coordinate; NaN where it says nothing.

    Attributes:
        effective_lr: How far one gradient moves its weight in all, over its size.
        epsilon: 1 where epsilon shortens the step to less than half, else 0.
        lost: 1 where the weight should have moved and did not, 0 where it did.
        stale: 1 where the second moment should have changed and did not, 0 where it did.
    """

    effective_lr: np.ndarray
    epsilon: np.ndarray
    lost: np.ndarray
    stale: np.ndarray


def effect(moment: Moment) -> Effect:
    """What a rule's formula says of some coordinates."""
    known, probe = behaviour(moment.rule), _probe(moment)
    with np.errstate(all="ignore"):
        moved = _moved(moment, known, probe)
        gain, free = np.abs(moved[0] / probe), moved[-1]
        epsilon = np.full(len(probe), np.nan)
        if known.has_epsilon:
            free = np.abs(free / probe)
            epsilon = np.where(np.isnan(gain) | np.isnan(free), np.nan, gain < SHORTENED * free)
        lost, stale = _kept_by_rounding(moment, known)
    return Effect(gain, epsilon, lost, stale)


def _probe(moment: Moment) -> np.ndarray:
    """A gradient for each coordinate: its own, or one of the size that it usually has; NaN where it never had any."""
    known = behaviour(moment.rule)
    if known.second is None:
        return np.where(moment.g != 0, moment.g, np.nan)
    second = moment.after[known.second]
    usual = np.sqrt(second) if known.second_degree == 2 else second
    return np.where(moment.g != 0, moment.g, np.where(usual > 0, usual, np.nan))


def _moved(moment: Moment, known: Behaviour, probe: np.ndarray) -> list[np.ndarray]:
    """Where a weight at zero goes if the gradient was the same at every step so far, with even states as they stand.

    A weight at zero, so that decay has no part in it and no digit is lost.

    Returns:
        With the epsilons as they are, and then with none if the rule has one.
    """
    program = trace(moment.rule)
    still = {s: moment.after[s] for s in (*known.even, *known.held)}
    lines = {s: line for s in still if (line := frozen_line(program, s)) is not None}
    nothing, frozen = np.zeros(len(probe)), tuple(lines.values())
    arrays: dict[str, Any] = {name: still.get(name, nothing) for name in program.inputs} | {"g": probe}
    arrays |= {line: still[s] for s, line in lines.items()}
    odd = tuple(s for s in known.odd if s not in (*known.held, *known.adding))
    none = dict.fromkeys(epsilons(moment.rule), 0.0)
    found, steady = [], None
    for hyper in (moment.hyper, {**moment.hyper, **none})[: 1 + known.has_epsilon]:
        values = scalars(program, moment.t, hyper, moment.numbers) | arrays
        if odd and moment.t > 1:
            if steady is None or depends_on(program, odd, tuple(none), frozen):
                steady = _steady(part(program, odd, frozen), odd, values, probe, int(moment.t) - 1)
            values |= steady
        (moved,) = part(program, ("x",), frozen)(values)
        found.append(np.broadcast_to(moved, probe.shape))
    return found


def _steady(
    states: Callable[[dict[str, Any]], tuple[Any, ...]],
    odd: tuple[str, ...],
    values: dict[str, Any],
    probe: np.ndarray,
    steps: int,
) -> dict[str, np.ndarray]:
    """What the odd states are after some steps with the same gradient.

    They depend on themselves and on the gradient linearly: `s' = A s + b g`, found by trying each of them alone.
    """
    nothing = np.zeros(len(probe))
    drive = _columns(states(values), probe)
    rows = [_columns(states({**values, "g": nothing, s: probe}), probe) for s in odd]
    matrix = rows[0][:, :, None] if len(rows) == 1 else np.stack(rows, axis=-1)
    state = after_steps(matrix / probe[:, None, None], drive, steps)
    return {s: state[:, k] for k, s in enumerate(odd)}


def _columns(numbers: tuple[Any, ...], probe: np.ndarray) -> np.ndarray:
    """Arrays, or numbers that are the same for all coordinates, as the columns of one."""
    found = np.empty((len(probe), len(numbers)))
    for k, each in enumerate(numbers):
        found[:, k] = each
    return found


def after_steps(matrix: np.ndarray, drive: np.ndarray, steps: int) -> np.ndarray:
    """The state after some steps of `s' = A s + b` from zero, for many such at once.

    Args:
        matrix: `A`, of shape (many, states, states).
        drive: `b`, of shape (many, states).
        steps: How many.

    Example:
        >>> after_steps(np.full((1, 1, 1), 0.5), np.ones((1, 1)), 3)
        array([[1.75]])
    """
    if matrix.shape[-1] == 1:
        ratio = matrix[..., 0]
        return drive * np.where(ratio == 1.0, float(steps), (1.0 - ratio**steps) / (1.0 - ratio))
    state = np.zeros_like(drive)
    while steps:  # A map applied twice is a map again, so the number of steps is halved each time.
        if steps % 2:
            state = np.einsum("nij,nj->ni", matrix, state) + drive
        drive = np.einsum("nij,nj->ni", matrix, drive) + drive
        matrix = np.einsum("nij,njk->nik", matrix, matrix)
        steps //= 2
    return state


def _kept_by_rounding(moment: Moment, known: Behaviour) -> tuple[np.ndarray, np.ndarray]:
    """Where weights, and second moments, should have changed, and whether they did not."""
    program = trace(moment.rule)
    values: dict[str, Any] = scalars(program, moment.t, moment.hyper, moment.numbers)
    values |= {"x": moment.x, "g": moment.g, **moment.before}
    targets = ("x",) if known.second is None else ("x", known.second)
    wanted = part(program, targets)(values)
    lost = _unmoved(moment.x, wanted[0], moment.x_after)
    if known.second is None:
        return lost, np.full(len(lost), np.nan)
    return lost, _unmoved(moment.before[known.second], wanted[1], moment.after[known.second])


def _unmoved(before: np.ndarray, wanted: np.ndarray, after: np.ndarray) -> np.ndarray:
    known = np.isfinite(before) & np.isfinite(wanted) & (wanted != before)
    return np.where(known, after == before, np.nan)

"""How far a GPU's fast arithmetic may lead away from NumPy's: a bound that is carried along with every number.

Triton's fast form merges a product and the sum behind it, so that the product is not rounded; divides with an error of
at most 2 units in the last place, and takes square roots with a relative error of at most 2**-23 (PTX ISA, `div.full`
and `sqrt.approx`). What is computed once per step is float64, in which only powers and the like differ. Everything else
is rounded as NumPy does, but numbers that differ already may be rounded to the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from thalweg.compile.evaluate import evaluate, scalars
from thalweg.compile.numpy import OPERATIONS
from thalweg.compile.program import COMPARISONS, EXACT, Program

REAL = np.float32


class Near(NamedTuple):
    """Numbers as NumPy has them, and how far those of a device may be from each, as float64.

    Of a comparison the answers, and whether a device's may be another.
    """

    number: Any
    apart: Any


def _ulp(number: Any) -> Any:
    return np.spacing(np.abs(number)).astype(np.float64)


def _rounded(number: Any, apart: Any) -> Near:
    """A result from arguments that may differ so that it would, before rounding."""
    return Near(number, apart + np.where(apart > 0, _ulp(number), 0.0))


def _wide(a: Near) -> Any:
    return np.abs(a.number).astype(np.float64)


def _product(a: Near, b: Near) -> Near:
    number = a.number * b.number
    apart = _rounded(number, a.apart * _wide(b) + b.apart * (_wide(a) + a.apart)).apart
    return Near(number, apart + np.where(number == 0, 0.0, 0.5 * _ulp(number)))


def _quotient(a: Near, b: Near) -> Near:
    number = a.number / b.number
    least = np.maximum(_wide(b) - b.apart, np.finfo(REAL).tiny)
    return Near(number, (a.apart + np.abs(number) * b.apart) / least + 2.5 * _ulp(number))


def _root(a: Near) -> Near:
    number = np.sqrt(a.number)
    least = np.sqrt(np.maximum(_wide(a) - a.apart, 0.0))
    moved = np.where(a.apart > 0, a.apart / np.maximum(np.abs(number) + least, np.finfo(REAL).tiny), 0.0)
    return Near(number, moved + 2.0**-23 * np.abs(number) + 0.5 * _ulp(number))


def _sign(a: Near) -> Near:
    return Near(np.sign(a.number), np.where((a.apart > 0) & (_wide(a) <= a.apart), 2.0, 0.0))


def _where(condition: Near, a: Near, b: Near) -> Near:
    chosen = np.where(condition.number, a.apart, b.apart)
    between = np.abs(a.number.astype(np.float64) - b.number) + np.maximum(a.apart, b.apart)
    return Near(np.where(condition.number, a.number, b.number), np.where(condition.apart, between, chosen))


def _comparison(op: str) -> Callable[[Near, Near], Near]:
    def compare(a: Near, b: Near) -> Near:
        apart = a.apart + b.apart
        near = np.abs(a.number.astype(np.float64) - b.number) <= apart
        return Near(OPERATIONS[op](a.number, b.number), near & (apart > 0))

    return compare


def _sum(op: str) -> Callable[[Near, Near], Near]:
    return lambda a, b: _rounded(OPERATIONS[op](a.number, b.number), a.apart + b.apart)


def _either(op: str) -> Callable[[Near, Near], Near]:
    """The larger or the smaller one; as near as that is, where it is sure which."""

    def choose(a: Near, b: Near) -> Near:
        number = OPERATIONS[op](a.number, b.number)
        is_sure = np.abs(a.number.astype(np.float64) - b.number) > a.apart + b.apart
        own = np.where(number == a.number, a.apart, b.apart)
        return Near(number, np.where(is_sure, own, np.maximum(a.apart, b.apart)))

    return choose


DEVIATING: dict[str, Callable] = {
    **{op: _comparison(op) for op in COMPARISONS},
    **{op: _sum(op) for op in ("add", "sub")},
    **{op: _either(op) for op in ("maximum", "minimum")},
    "mul": _product,
    "div": _quotient,
    "sqrt": _root,
    "sign": _sign,
    "where": _where,
    "neg": lambda a: Near(-a.number, a.apart),
    "abs": lambda a: Near(np.abs(a.number), a.apart),
}


def deviations(
    program: Program, arrays: Mapping[str, np.ndarray], t: float, hyper: Mapping[str, float], state: Mapping[str, float]
) -> dict[str, Near]:
    """One step in float32: for every array that a program writes its new numbers, and a bound on the distance of each.

    Args:
        program: A traced rule.
        arrays: For each of `program.inputs` its numbers, float32.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.
        state: A number for each scalar state.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> new = deviations(trace(RULES["sgd"]), {"x": np.ones(1, REAL), "g": np.ones(1, REAL)}, 1, {"lr": 0.1}, {})
        >>> new["x"].number, new["x"].apart / 2**-24  # half a unit of .1, and one of .9 for its rounding
        (array([0.9], dtype=float32), array([1.0625]))
    """
    once = scalars(program, t, hyper, state)
    inexact = _inexact(program)
    values = {name: Near(REAL(v), _ulp(REAL(v)) if name in inexact else 0.0) for name, v in once.items()}
    values |= {name: Near(array, np.zeros(array.shape)) for name, array in arrays.items()}
    with np.errstate(all="ignore"):
        evaluate(program, DEVIATING, values, lambda number: Near(REAL(number), 0.0))
    return {
        target: values[output] if isinstance(output, str) else Near(np.full_like(arrays[target], output), 0.0)
        for target, output in program.stores
    }


def _inexact(program: Program) -> set[str]:
    """The per-step values in which a device's powers, exponentials and the like have a part.

    No condition is among them: it would have to be decided by the last bit of a float64.
    """
    found: set[str] = set()
    for line in program.scalars:
        if line.op not in COMPARISONS and (line.op not in EXACT or found.intersection(map(str, line.args))):
            found.add(line.name)
    return found


def bounds(
    program: Program, hyper: Mapping[str, float], starts: Mapping[str, float], steps: int = 8
) -> dict[str, float]:
    """A bound for each array that a program writes, in units in the last place, over some steps on usual numbers.

    Of a state the unit is that of the larger one of what a number was and what it becomes. Weights start at zero in
    each step, and their unit is that of the largest step. Coordinates in which a choice is open count as the others.

    Args:
        program: A traced rule.
        hyper: A number for each hyperparameter.
        starts: What each state starts at.
        steps: How many steps, in 4,096 coordinates.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> bounds(trace(RULES["momentum"]), RULES["momentum"].hyper, {"v": 0.0})["v"] < 3
        True
    """
    rng, found = np.random.default_rng(0), dict.fromkeys((name for name, _ in program.stores), 0.0)
    held = {name: np.full(4096, starts.get(name, 0.0), REAL) for name in program.inputs}
    numbers = {name: starts[name] for name in program.scalar_state}
    for t in range(1, steps + 1):
        held |= {"x": np.zeros(4096, REAL), "g": rng.standard_normal(4096).astype(REAL)}
        new = deviations(program, held, t, hyper, numbers)
        for name, near in new.items():
            size = np.maximum(np.abs(held[name]), np.abs(near.number))
            unit = _ulp(np.max(size) if name == "x" else size)
            found[name] = max(found[name], float(np.nanmax(near.apart / unit)))
            held[name] = near.number
        values = scalars(program, t, hyper, numbers)
        numbers = {name: values[o] if isinstance(o, str) else float(o) for name, o in program.scalar_stores}
    return found

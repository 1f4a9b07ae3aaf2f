"""How far a GPU's fast arithmetic may lead away from NumPy's: a bound that is carried along with every number.

Triton's fast form merges a product and the sum behind it, so that the product is not rounded. In float32 it divides
with an error of at most 2 units in the last place, and takes square roots with a relative error of at most 2**-23 (PTX
ISA, `div.full` and `sqrt.approx`); in float64 both are rounded as they should be. It flushes subnormal numbers where
they are stored, not in between. What is computed once per step is float64, in which only powers and the like differ.
Everything else is rounded as NumPy does, but numbers that differ already may be rounded to the other side (a running
error analysis: Higham, Accuracy and Stability of Numerical Algorithms, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from thalweg.compile.evaluate import new_scalar_state, scalars, walk
from thalweg.compile.numpy import FLUSHING, OPERATIONS
from thalweg.compile.program import COMPARISONS, EXACT, Program

SAMPLE = 4096  # coordinates


class Near(NamedTuple):
    """Numbers as NumPy has them, and how far those of a device may be from each, as float64.

    Of a comparison the answers, and whether a device's may be another.
    """

    number: Any
    apart: Any


def _ulp(number: Any) -> Any:
    return np.spacing(np.abs(number)).astype(np.float64)


def _smallest(number: Any) -> float:
    return float(np.finfo(number.dtype).smallest_normal)


def _wide(a: Near) -> Any:
    return np.abs(a.number).astype(np.float64)


def _result(number: Any, apart: Any, own: Any = 0.0) -> Near:
    """A result that before rounding may differ by so much, and of itself by more; it may have been flushed, too."""
    near_zero = (np.abs(number) < 2 * _smallest(number)) & ((number != 0) | (apart > 0))
    rounding = np.where(apart > 0, _ulp(number), 0.0)
    return Near(number, apart + rounding + own + np.where(near_zero, _smallest(number), 0.0))


def _product(a: Near, b: Near) -> Near:
    number = FLUSHING["mul"](a.number, b.number)
    apart = a.apart * _wide(b) + b.apart * (_wide(a) + a.apart)
    is_zero = (a.number == 0) | (b.number == 0)
    lost = np.where((number == 0) & ~is_zero, _smallest(number), 0.0)
    return _result(number, apart, np.where(is_zero, 0.0, 0.5 * _ulp(number)) + lost)


def _quotient(a: Near, b: Near) -> Near:
    number = FLUSHING["div"](a.number, b.number)
    least = _wide(b) - b.apart
    moved = (a.apart + np.abs(number, dtype=np.float64) * b.apart) / np.where(least > 0, least, 1.0)
    lost = np.where((number == 0) & (a.number != 0), _smallest(number), 0.0)
    own = 2.5 * 2.0**-23 * np.abs(number, dtype=np.float64) if number.dtype == np.float32 else 0.0
    return _result(number, np.where((least > 0) | (a.apart + b.apart == 0), moved, np.inf), own + lost)


def _root(a: Near) -> Near:
    number = np.sqrt(a.number)
    low, high = np.sqrt(np.maximum(_wide(a) - a.apart, 0.0)), np.sqrt(_wide(a) + a.apart)
    own = 2.0**-23 * np.abs(number, dtype=np.float64) + 0.5 * _ulp(number) if number.dtype == np.float32 else 0.0
    return _result(number, high - low, own)


def _sign(a: Near) -> Near:
    return Near(np.sign(a.number), np.where((a.apart > 0) & (_wide(a) <= a.apart), 2.0, 0.0))


def _between(a: Near, b: Near) -> Any:
    return np.abs(a.number.astype(np.float64) - b.number)


def _where(condition: Near, a: Near, b: Near) -> Near:
    chosen = np.where(condition.number, a.apart, b.apart)
    either = _between(a, b) + np.maximum(a.apart, b.apart)
    return Near(np.where(condition.number, a.number, b.number), np.where(condition.apart, either, chosen))


def _comparison(op: str) -> Callable[[Near, Near], Near]:
    def compare(a: Near, b: Near) -> Near:
        apart = a.apart + b.apart
        return Near(OPERATIONS[op](a.number, b.number), (_between(a, b) <= apart) & (apart > 0))

    return compare


def _sum(op: str) -> Callable[[Near, Near], Near]:
    return lambda a, b: _result(FLUSHING[op](a.number, b.number), a.apart + b.apart)


def _either(op: str) -> Callable[[Near, Near], Near]:
    """The larger or the smaller one; as near as that is, where it is sure which."""

    def choose(a: Near, b: Near) -> Near:
        number = OPERATIONS[op](a.number, b.number)
        own = np.where(number == a.number, a.apart, b.apart)
        return Near(number, np.where(_between(a, b) > a.apart + b.apart, own, np.maximum(a.apart, b.apart)))

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
    program: Program, arrays: Mapping[str, np.ndarray], once: Mapping[str, float], unsure: Collection[str] = ()
) -> dict[str, Near]:
    """One step: for every array that a program writes its new numbers, and a bound on the distance of each.

    Args:
        program: A traced rule.
        arrays: For each of `program.inputs` its numbers, all float32 or all float64.
        once: The per-step values.
        unsure: Those of them that a device may round to the other side.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> arrays = {"x": np.ones(1, np.float32), "g": np.ones(1, np.float32)}
        >>> new = deviations(trace(RULES["sgd"]), arrays, {"t": 1.0, "lr": 0.1})
        >>> new["x"].number, new["x"].apart / 2**-24  # half a unit of .1, and one of .9 for its rounding
        (array([0.9], dtype=float32), array([1.0625]))
    """
    real = arrays["x"].dtype.type
    values = {name: Near(real(v), _ulp(real(v)) if v and name in unsure else 0.0) for name, v in once.items()}
    values |= {name: Near(array, np.zeros(array.shape)) for name, array in arrays.items()}
    with np.errstate(all="ignore"):
        walk(program.body, DEVIATING, values, lambda number: Near(real(number), 0.0))
    return {target: _stored(values, output, arrays[target]) for target, output in program.stores}


def _stored(values: Mapping[str, Near], output: Any, old: np.ndarray) -> Near:
    """A new value in its array's form."""
    found = values[output] if isinstance(output, str) else Near(old.dtype.type(output), 0.0)
    return Near(*(np.broadcast_to(part, old.shape) for part in found))


def unsure_values(program: Program) -> set[str]:
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
    """A bound for each array that a program writes, in float32's units in the last place, on usual numbers.

    Of a state the unit is that of the larger one of what a number was and what it becomes. Weights start at zero in
    each step, and their unit is that of the largest step. Coordinates in which a choice is open count as the others.

    Args:
        program: A traced rule.
        hyper: A number for each hyperparameter.
        starts: What each state starts at.
        steps: How many steps, each with normal gradients in 4,096 coordinates.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> bounds(trace(RULES["momentum"]), RULES["momentum"].hyper, {"v": 0.0})["v"] < 3
        True
    """
    rng, found = np.random.default_rng(0), dict.fromkeys((name for name, _ in program.stores), 0.0)
    held = {name: np.full(SAMPLE, starts.get(name, 0.0), np.float32) for name in program.inputs}
    numbers = {name: starts[name] for name in program.scalar_state}
    for t in range(1, steps + 1):
        held |= {"x": np.zeros(SAMPLE, np.float32), "g": rng.standard_normal(SAMPLE).astype(np.float32)}
        once = scalars(program, t, hyper, numbers)
        for name, near in deviations(program, held, once, unsure_values(program)).items():
            size = np.maximum(np.abs(held[name]), np.abs(near.number))
            unit = np.maximum(_ulp(np.max(size) if name == "x" else size), _smallest(size))
            found[name] = max(found[name], float(np.nanmax(near.apart / unit)))
            held[name] = near.number
        numbers = new_scalar_state(program, once)
    return found

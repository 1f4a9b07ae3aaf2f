"""What the states of a rule are, found by running it: averages of gradients, of their squares, sums for ever.

No rule is named here. A state that flips its sign with all gradients is *odd*, a first moment or the like; one that
does not is *even*, a second moment or the like. Weights flip too, so that decay does not blur this.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thalweg.compile.numpy import step
from thalweg.compile.program import Program
from thalweg.compile.trace import trace
from thalweg.formula import AT_THE_WEIGHTS, Rule
from thalweg.rules.hyper import starts

GRADIENTS = (1.0, -0.3, 0.7, 0.2, -0.4, -0.9)
SCALE = 1e3  # far above any epsilon
CLOSE = 1e-6
DECAYS = ("decay", "l1", "l2", "shrinkage", "lambd")  # set to zero here: they pull at the weights, not at the gradient


@dataclass(frozen=True)
class Behaviour:
    """What the array states of a rule are.

    Attributes:
        odd: Those that flip their sign with the gradients.
        even: Those that do not.
        held: Odd ones that alone move no weight: the mean of a centered rule, which stands in the denominator only.
        adding: Odd ones that forget nothing.
        accumulating: Even ones to which each step adds something that does not depend on them.
        first: The state that is the first moment: the first odd one that remembers; None where there is none.
        first_sign: -1 where it points downhill, else 1.
        second: The state that is the second moment: the first even one that grows with the gradients.
        second_degree: 2 where that grows like their square, 1 where it grows like their size.
        has_epsilon: Whether the rule has an epsilon.
    """

    odd: tuple[str, ...] = ()
    even: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    adding: tuple[str, ...] = ()
    accumulating: tuple[str, ...] = ()
    first: str | None = None
    first_sign: float = 1.0
    second: str | None = None
    second_degree: int = 2
    has_epsilon: bool = False


def epsilons(rule: Rule) -> tuple[str, ...]:
    """The rule's hyperparameters that are an epsilon.

    Example:
        >>> from thalweg.rules import RULES
        >>> epsilons(RULES["adabelief"])
        ('eps', 'eps_root')
    """
    return tuple(name for name in rule.hyper if name.startswith("eps"))


@functools.lru_cache(maxsize=512)
def behaviour(rule: Rule) -> Behaviour:
    """What a rule's states are.

    Example:
        >>> from thalweg.rules import RULES
        >>> found = behaviour(RULES["adagrad"])
        >>> found.accumulating, found.first, found.second
        (('s',), None, 's')
        >>> found = behaviour(RULES["adam"])
        >>> found.odd, found.even, found.first, found.second
        (('m',), ('v',), 'm', 'v')
    """
    program, hyper = trace(rule), {k: 0.0 if k in DECAYS else v for k, v in rule.hyper.items()}
    start = _start(rule, hyper)
    plain, flipped, doubled, other = (
        _after(program, hyper, start, gradients, sign)
        for gradients, sign in (
            (GRADIENTS, 1.0),
            (GRADIENTS, -1.0),
            ([2 * g for g in GRADIENTS], 1.0),
            ((*[1.5 * g for g in GRADIENTS[:-1]], GRADIENTS[-1]), 1.0),
        )
    )
    arrays = [s for s in rule.arrays if rule.initial.get(s) != AT_THE_WEIGHTS]
    odd = tuple(s for s in arrays if plain[s] and _close(plain[s], -flipped[s]))
    even = tuple(s for s in arrays if plain[s] and _close(plain[s], flipped[s]))
    remembering = [s for s in odd if not _close(plain[s], other[s])]
    adding = tuple(s for s in odd if _keeps_all(program, hyper, plain, s))
    held = tuple(s for s in remembering if _is_idle(program, hyper, plain, s, odd))
    degrees = {s: round(float(np.log2(doubled[s] / plain[s]))) for s in even if doubled[s] / plain[s] > 0}
    growing = [s for s in even if degrees.get(s) in (1, 2)]
    # A momentum comes before a mean that is only subtracted; a plain sum is neither.
    first = next((s for s in sorted(remembering, key=held.__contains__) if s not in adding), None)
    return Behaviour(
        odd=odd,
        even=even,
        held=held,
        adding=adding,
        accumulating=tuple(s for s in growing if _accumulates(program, hyper, plain, s, degrees[s])),
        first=first,
        first_sign=_sign(program, hyper, plain, first) if first else 1.0,
        second=growing[0] if growing else None,
        second_degree=degrees[growing[0]] if growing else 2,
        has_epsilon=bool(epsilons(rule)),
    )


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= CLOSE * max(abs(a), abs(b))


def _start(rule: Rule, hyper: Mapping[str, float]) -> dict[str, float]:
    """Where x and all states start."""
    x = 0.3
    named = {s: v for s, v in rule.every_start.items() if v != AT_THE_WEIGHTS}
    return {"x": x, **{s: x for s in rule.state if s not in named}, **starts(named, hyper)}


def _one(program: Program, hyper: Mapping[str, float], at: Mapping[str, float], g: float, t: int) -> dict[str, float]:
    """One step of a program on numbers."""
    arrays = {name: np.array([float(at[name])]) for name in program.inputs if name != "g"}
    numbers = {name: float(at[name]) for name in program.scalar_state}
    new = step(program, {**arrays, "g": np.array([g]), **numbers}, t, hyper, flush=False)
    return {name: float(np.ravel(value)[0]) for name, value in zip(program.targets, new, strict=True)}


def _after(
    program: Program, hyper: Mapping[str, float], start: Mapping[str, float], gradients: Sequence[float], sign: float
) -> dict[str, float]:
    """Where x and all states are after some gradients; what starts at the weights is flipped with the gradients."""
    at = dict(start) | {name: sign * value for name, value in start.items() if value == start["x"]}
    for t, g in enumerate(gradients, start=1):
        at = _one(program, hyper, at, sign * SCALE * g, t)
    return at


def _is_idle(
    program: Program, hyper: Mapping[str, float], at: Mapping[str, float], state: str, odd: Sequence[str]
) -> bool:
    """Whether an odd state alone, without a gradient and the others, moves no weight."""
    alone = {**at, **dict.fromkeys(odd, 0.0), state: at[state]}
    without = {**at, **dict.fromkeys(odd, 0.0)}
    t = len(GRADIENTS) + 1
    return _one(program, hyper, alone, 0.0, t)["x"] == _one(program, hyper, without, 0.0, t)["x"]


def _keeps_all(program: Program, hyper: Mapping[str, float], at: Mapping[str, float], state: str) -> bool:
    """Whether a state keeps all that was in it."""
    t, more = len(GRADIENTS) + 1, at[state]
    new, other = (_one(program, hyper, {**at, state: value}, SCALE, t)[state] for value in (more, 2 * more))
    return _close(other - new, more)


def _accumulates(
    program: Program, hyper: Mapping[str, float], at: Mapping[str, float], state: str, degree: int
) -> bool:
    """Whether what is added to a state does not depend on it, be that far below or far above a squared gradient."""
    t, sizes = len(GRADIENTS) + 1, [factor * SCALE**degree for factor in (1e-2, 3.0, 1e4)]
    added = [_one(program, hyper, {**at, state: size}, SCALE, t)[state] - size for size in sizes]
    return min(added) > 0 and _close(max(added), min(added))


def _sign(program: Program, hyper: Mapping[str, float], at: Mapping[str, float], state: str) -> float:
    """Which way an odd state goes with a gradient."""
    t = len(GRADIENTS) + 1
    up, down = (_one(program, hyper, at, g, t)[state] for g in (SCALE, -SCALE))
    return 1.0 if up >= down else -1.0

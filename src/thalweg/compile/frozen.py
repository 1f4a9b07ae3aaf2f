"""A part of a program as a function on NumPy arrays: some of its targets, with some states' new values from outside.

So it can be asked where a weight would go if its second moment stayed what it is, or what became of one state alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.compile.numpy import SPELLING
from thalweg.compile.program import Line, Program
from thalweg.compile.source import block, render


@dataclass(frozen=True, eq=False)
class Part:
    """Some of a program's targets.

    Attributes:
        needed: The names of what the function reads, in order: inputs, values once per step, and frozen lines.
        function: Gives the targets, from a value for each of `needed`.
    """

    needed: tuple[str, ...]
    function: Callable[..., tuple[Any, ...]]

    def __call__(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The targets, from values by name."""
        return self.function(*(values[name] for name in self.needed))


@functools.lru_cache(maxsize=512)
def frozen_line(program: Program, state: str) -> str | None:
    """The name of the line that computes a state's new value; None if no line does.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> frozen_line(trace(RULES["adagrad"]), "s")
        's_new'
    """
    output = dict(program.stores)[state]
    return str(output) if output in {line.name for line in program.body} else None


@functools.lru_cache(maxsize=512)
def part(program: Program, targets: tuple[str, ...], frozen: tuple[str, ...] = ()) -> Part:
    """The function of some targets; lines that none of them needs are left out.

    Args:
        program: A traced rule.
        targets: Of which the new values are wanted.
        frozen: Lines whose values come from outside.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> found = part(trace(RULES["momentum"]), ("v",))
        >>> found.needed, found({"g": 1.0, "v": 10.0, "rho": 0.5})
        (('rho', 'v', 'g'), (6.0,))
    """
    outputs = [dict(program.stores)[target] for target in targets]
    lines = _needed(program, [o for o in outputs if isinstance(o, str)], set(frozen))
    made = {line.name for line in lines}
    read = dict.fromkeys(a for line in lines for a in line.args if isinstance(a, str) and a not in made)
    read |= dict.fromkeys(o for o in outputs if isinstance(o, str) and o not in made)
    text = "\n    ".join(
        [
            f"def part({', '.join(read)}):",
            *block(tuple(lines), SPELLING, "numpy", program.name),
            f"return ({', '.join(map(render, outputs))},)",
        ]
    )
    namespace: dict[str, Any] = {"np": np}
    exec(compile(text, f"<thalweg part of {program.name}>", "exec"), namespace)
    return Part(tuple(read), namespace["part"])


def _needed(program: Program, outputs: Sequence[str], frozen: set[str]) -> list[Line]:
    wanted, lines = set(outputs) - frozen, []
    for line in reversed(program.body):
        if line.name in wanted:
            lines.append(line)
            wanted |= {a for a in line.args if isinstance(a, str)} - frozen
    return lines[::-1]


@functools.lru_cache(maxsize=512)
def depends_on(
    program: Program, targets: tuple[str, ...], names: tuple[str, ...], frozen: tuple[str, ...] = ()
) -> bool:
    """Whether some targets depend on some of the hyperparameters.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> [depends_on(trace(RULES["adam"]), (target,), ("eps",)) for target in ("x", "m")]
        [True, False]
    """
    reached = set(names)
    for line in (*program.scalars, *program.body):
        if line.name not in frozen and not reached.isdisjoint(line.args):
            reached.add(line.name)
    stores = dict(program.stores)
    return any(stores[target] in reached for target in targets)

"""Evaluators: walk a program with the operations of any array library."""

from collections.abc import Callable, Mapping
from typing import Any

from thalweg.compile.program import Line, Program
from thalweg.formula.numbers import NUMBERS


def scalars(program: Program, t: float, hyper: Mapping[str, Any]) -> dict[str, Any]:
    """The values computed once per step, in float64: `t`, the hyperparameters and the program's scalar lines.

    Args:
        program: A traced rule.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> values = scalars(trace(RULES["adam"]), 1, RULES["adam"].hyper)
        >>> round(values["beta1"], 6), round(values["s1"], 6)
        (0.9, 0.1)
    """
    values = {"t": float(t), **hyper}
    return walk(program.scalars, NUMBERS, values)


def walk(
    lines: tuple[Line, ...],
    operations: Mapping[str, Callable],
    values: dict[str, Any],
    constant: Callable[[float], Any] = float,
) -> dict[str, Any]:
    """Execute lines in order, adding each result to `values` under the line's name."""
    for line in lines:
        arguments = (values[a] if isinstance(a, str) else constant(a) for a in line.args)
        values[line.name] = operations[line.op](*arguments)
    return values


def evaluate(
    program: Program,
    operations: Mapping[str, Callable],
    values: dict[str, Any],
    constant: Callable[[float], Any] = float,
) -> tuple[Any, ...]:
    """The new value of every target, from a value for every input and every scalar that the body uses.

    Args:
        program: A traced rule.
        operations: For every operation of the body the function that performs it.
        values: Arrays (or numbers) by name; extended in place by every intermediate result.
        constant: Turns a constant of the program into a number of the array library.
    """
    walk(program.body, operations, values, constant)
    return tuple(values[o] if isinstance(o, str) else constant(o) for o in program.outputs)

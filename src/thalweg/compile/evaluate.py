"""Evaluators: walk a program with the operations of any array library."""

from collections.abc import Callable, Mapping
from typing import Any

from thalweg.compile.program import Line, Program
from thalweg.formula.numbers import NUMBERS


def scalars(
    program: Program,
    t: float,
    hyper: Mapping[str, Any],
    state: Mapping[str, Any] | None = None,
    operations: Mapping[str, Callable] = NUMBERS,
) -> dict[str, Any]:
    """The values computed once per step, in float64: `t`, hyperparameters, scalar state and the scalar lines.

    Args:
        program: A traced rule.
        t: The step number, from 1.
        hyper: A number for each hyperparameter.
        state: For each scalar state its old value; `new_scalar_state` finds the new ones in the result.
        operations: What performs the lines; on plain numbers where nothing is said.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> values = scalars(trace(RULES["adam"]), 1, RULES["adam"].hyper)
        >>> round(values["beta1"], 6), round(values["s1"], 6)
        (0.9, 0.1)
    """
    values = {"t": float(t), **hyper, **(state or {})}
    return walk(program.scalars, operations, values)


def new_scalar_state(program: Program, values: Mapping[str, Any]) -> dict[str, Any]:
    """The new value of every scalar state.

    Args:
        program: A traced rule.
        values: What `scalars` computed.

    Example:
        >>> from thalweg.compile.trace import trace
        >>> from thalweg.rules import RULES
        >>> nadam = trace(RULES["nadam"])
        >>> new = new_scalar_state(nadam, scalars(nadam, 1, RULES["nadam"].hyper, {"mu_product": 1.0}))
        >>> round(new["mu_product"], 6)
        0.450073
    """
    return {target: values[o] if isinstance(o, str) else float(o) for target, o in program.scalar_stores}


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
        values: Arrays (or numbers) by name; extended in place by every intermediate result. A scalar state's new value
            is taken from here as it is: `new_scalar_state` gives it in float64.
        constant: Turns a constant of the program into a number of the array library.
    """
    walk(program.body, operations, values, constant)
    return tuple(values[o] if isinstance(o, str) else constant(o) for o in program.outputs)

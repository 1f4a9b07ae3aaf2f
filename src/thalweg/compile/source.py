"""Printers' common part: lines as text, from a table of how a target spells each operation."""

import math
from collections.abc import Callable, Mapping

from thalweg.compile.program import Argument, Line
from thalweg.errors import FormulaError

INFIX = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "gt": "{} > {}",
    "lt": "{} < {}",
    "ge": "{} >= {}",
    "le": "{} <= {}",
    "eq": "{} == {}",
    "ne": "{} != {}",
}


def render(argument: Argument) -> str:
    """An argument as source: a name as it is, a number so that reading it gives the same number.

    Example:
        >>> render("beta1"), render(0.1)
        ('beta1', '0.1')
    """
    if isinstance(argument, str):
        return argument
    return repr(argument) if math.isfinite(argument) else f"float('{argument}')"


def block(
    lines: tuple[Line, ...],
    spelling: Mapping[str, str],
    backend: str,
    rule: str,
    argument: Callable[[Argument], str] = render,
) -> list[str]:
    """One assignment per line of a program.

    Raises:
        FormulaError: If the backend cannot spell an operation.

    Example:
        >>> block((Line("a1", "mul", ("lr", "g")),), INFIX, "python", "sgd")
        ['a1 = lr * g']
    """
    text = []
    for line in lines:
        if line.op not in spelling:
            raise FormulaError(
                f"rule '{rule}' uses '{line.op}', which the backend '{backend}' cannot spell: add it to its table"
            )
        text.append(f"{line.name} = {spelling[line.op].format(*map(argument, line.args))}")
    return text

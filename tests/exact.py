"""Programs of surfaces in mpmath, at any number of digits: what their values and gradients are meant to be."""

from typing import Any

import mpmath

from thalweg.compile.evaluate import walk
from thalweg.compile.program import Program

EXACT = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": mpmath.power,
    "neg": lambda a: -a,
    "gt": lambda a, b: a > b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "sqrt": mpmath.sqrt,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "abs": abs,
    "sign": mpmath.sign,
    "maximum": lambda a, b: a if a > b else b,
    "minimum": lambda a, b: a if a < b else b,
    "where": lambda condition, a, b: a if condition else b,
}


def lines_at(program: Program, x: Any, y: Any) -> dict[str, Any]:
    """The value of every line of a program, at the digits that mpmath works with."""
    return walk(program.body, EXACT, {"x": mpmath.mpf(x), "y": mpmath.mpf(y)}, mpmath.mpf)


def outputs_at(program: Program, x: Any, y: Any) -> list[Any]:
    lines = lines_at(program, x, y)
    return [lines[o] if isinstance(o, str) else mpmath.mpf(o) for o in program.outputs]


def difference(program: Program, x: Any, y: Any, h: Any) -> tuple[Any, Any]:
    """Central differences of a program's first output by x and by y; their error is of the order of h squared."""
    x, y = mpmath.mpf(x), mpmath.mpf(y)
    by_x = outputs_at(program, x + h, y)[0] - outputs_at(program, x - h, y)[0]
    by_y = outputs_at(program, x, y + h)[0] - outputs_at(program, x, y - h)[0]
    return by_x / (2 * h), by_y / (2 * h)

"""The gradient of a program by a reverse pass: value and derivatives of a surface as one program.

Every line is visited once, last first, and hands the derivative by its result on to its arguments. Derivatives are
those of the branch that is taken: of `where` and of `maximum` that of the chosen side, of `abs` the sign, which is 0 at
its corner. Where a derivative does not exist the program gives an infinity or NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from thalweg.compile.field import VALUE, program_of, trace_surface
from thalweg.compile.program import COMPARISONS, Line, Program
from thalweg.formula import Expr, cos, log, sign, sin, where
from thalweg.formula.expr import apply
from thalweg.formula.surface import Surface

BY_X, BY_Y = "f_x", "f_y"


@functools.lru_cache(maxsize=512)
def trace_gradient(surface: Surface) -> Program:
    """The program that gives `f`, `f_x` and `f_y` from `x` and `y`.

    Raises:
        FormulaError: As `trace_surface` does.

    Example:
        >>> from thalweg.surfaces import SURFACES
        >>> print(trace_gradient(SURFACES["saddle"]).text)
        saddle(x, y; t)
        once per step:
            nothing
        once per element:
            a1 = mul(x, x)
            a2 = mul(y, y)
            f = sub(a1, a2)
            a3 = neg(y)
            f_y = add(a3, a3)
            f_x = add(x, x)
        new values:
            f = f
            f_x = f_x
            f_y = f_y
    """
    program = trace_surface(surface)
    x, y = Expr("x", varies=True), Expr("y", varies=True)
    values: dict[Any, Any] = {"x": x, "y": y}
    for line in program.body:
        values[line.name] = apply(line.op, *(values.get(a, a) for a in line.args))
    slopes = _slopes(program, values)
    results = (values.get(program.outputs[0], program.outputs[0]), slopes.get("x", 0.0), slopes.get("y", 0.0))
    names = {id(values[line.name]): line.name for line in program.body if line.name in program.named}
    for target, value in zip((VALUE, BY_X, BY_Y), results, strict=True):
        names.setdefault(id(value), target)
    return program_of(program.name, f"surface '{program.name}'", results, (VALUE, BY_X, BY_Y), names)


def _slopes(program: Program, values: dict[Any, Any]) -> dict[str, Any]:
    """The derivative of the program's value by each of its lines and inputs, by name."""
    slopes: dict[str, Any] = {str(program.outputs[0]): 1.0}
    for line in reversed(program.body):
        if line.name in slopes and line.op not in COMPARISONS:
            for argument, part in _parts(line, values):
                slope = _times(slopes[line.name], part)
                slopes[argument] = slopes[argument] + slope if argument in slopes else slope
    return slopes


def _parts(line: Line, values: dict[Any, Any]) -> list[tuple[str, Any]]:
    """The arguments of a line that have a derivative, and the line's derivative by each."""
    given = [values.get(a, a) for a in line.args]
    parts = DERIVATIVES[line.op](values[line.name], *given)
    return [(a, part()) for a, part in zip(line.args, parts, strict=True) if isinstance(a, str) and part]


def _times(a: Any, b: Any) -> Any:
    """The product, without multiplications by one."""
    if isinstance(a, float) and a in (1.0, -1.0):
        a, b = b, a
    if isinstance(b, float) and b in (1.0, -1.0):
        return a if b == 1.0 else -a
    return a * b


def _chosen(condition: str) -> Callable[..., Any]:
    def parts(result: Any, a: Any, b: Any) -> tuple[Callable[[], Any], ...]:
        taken = apply(condition, a, b)
        return lambda: where(taken, 1.0, 0.0), lambda: where(taken, 0.0, 1.0)

    return parts


# For a result and its arguments the derivative by each argument, as functions, since not all are wanted.
DERIVATIVES: dict[str, Callable[..., tuple[Callable[[], Any] | None, ...]]] = {
    "add": lambda r, a, b: (lambda: 1.0, lambda: 1.0),
    "sub": lambda r, a, b: (lambda: 1.0, lambda: -1.0),
    "mul": lambda r, a, b: (lambda: b, lambda: a),
    "div": lambda r, a, b: (lambda: 1.0 / b, lambda: -r / b),
    "neg": lambda r, a: (lambda: -1.0,),
    "pow": lambda r, a, b: (lambda: b * a ** (b - 1.0), lambda: r * log(a)),
    "sqrt": lambda r, a: (lambda: 0.5 / r,),
    "exp": lambda r, a: (lambda: r,),
    "log": lambda r, a: (lambda: 1.0 / a,),
    "sin": lambda r, a: (lambda: cos(a),),
    "cos": lambda r, a: (lambda: -sin(a),),
    "abs": lambda r, a: (lambda: sign(a),),
    "sign": lambda r, a: (None,),
    "maximum": _chosen("gt"),
    "minimum": _chosen("lt"),
    "where": lambda r, c, a, b: (None, lambda: where(c, 1.0, 0.0), lambda: where(c, 0.0, 1.0)),
}

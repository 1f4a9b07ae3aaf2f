"""The gradient of a program by a reverse pass: value and derivatives of a surface as one program.

Every line is visited once, last first, and hands the derivative by its result on to its arguments. Derivatives are
those of the branch that is taken: of `where` that of the chosen side, whatever the other one is; of `maximum` and
`minimum` that of the larger and of the smaller value, of equal ones that of the second; of `abs` the sign, 0 at its
corner. Where a derivative does not exist otherwise the program gives an infinity or NaN.
"""

from __future__ import annotations

import functools
import math
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
    chosen: set[str] = set()  # names of which a branch is made: their slope is 0 where another one is taken
    for line in reversed(program.body):
        if line.name not in slopes or line.op in COMPARISONS:
            continue
        for argument, slope in _parts(line, slopes[line.name], values):
            if line.name in chosen and line.op not in LINEAR:  # 0 it stays, were this derivative infinite or NaN
                slope = where(slopes[line.name] != 0.0, slope, 0.0)
            slopes[argument] = slopes[argument] + slope if argument in slopes else slope
            if line.name in chosen or line.op in CHOICES:
                chosen.add(argument)
    return slopes


def _parts(line: Line, slope: Any, values: dict[Any, Any]) -> list[tuple[str, Any]]:
    """The arguments of a line that have a derivative, and what a slope at the line makes of each."""
    parts = DERIVATIVES[line.op](slope, values[line.name], *(values.get(a, a) for a in line.args))
    return [(a, part()) for a, part in zip(line.args, parts, strict=True) if isinstance(a, str) and part]


def _times(a: Any, b: Any) -> Any:
    """The product, without multiplications by one."""
    if isinstance(a, float) and a in (1.0, -1.0):
        a, b = b, a
    if isinstance(b, float) and b in (1.0, -1.0):
        return a if b == 1.0 else apply("neg", a)
    return apply("mul", a, b)


def _pow(slope: Any, result: Any, a: Any, b: Any) -> tuple[Callable[[], Any] | None, ...]:
    """By the base: nothing where the exponent is 0. By the exponent: nothing where the power is 0, as that of 0 is."""

    def by_base() -> Any:
        part = _times(slope, _times(b, _power(a, apply("sub", b, 1.0))))
        return part if isinstance(b, float) else where(b != 0.0, part, 0.0)

    def by_exponent() -> Any:
        factor = log(a)
        part = _times(slope, _times(result, factor))
        return part if isinstance(factor, float) and math.isfinite(factor) else where(result != 0.0, part, 0.0)

    return None if isinstance(b, float) and b == 0 else by_base, by_exponent


def _power(a: Any, exponent: Any) -> Any:
    whole = isinstance(exponent, float) and exponent in (1.0, 2.0, 3.0, 4.0)
    return a if whole and exponent == 1.0 else a ** (int(exponent) if whole else exponent)


def _div(slope: Any, result: Any, a: Any, b: Any) -> tuple[Callable[[], Any], ...]:
    share = functools.cache(lambda: apply("div", slope, b))
    return share, lambda: apply("neg", _times(share(), result))


def _choice(not_first: str, not_second: str) -> Callable[..., Any]:
    """Of a maximum or minimum: where one of the two is NaN neither condition holds, and so both slopes are kept."""

    def parts(slope: Any, result: Any, a: Any, b: Any) -> tuple[Callable[[], Any], ...]:
        return (
            lambda: where(apply(not_first, a, b), 0.0, slope),
            lambda: where(apply(not_second, a, b), 0.0, slope),
        )

    return parts


CHOICES = ("where", "maximum", "minimum")
LINEAR = ("add", "sub", "neg", *CHOICES)  # a slope of 0 at the result is one of 0 at the arguments, whatever these are

# For a slope, the result and its arguments what is handed on to each argument, as functions, since not all are wanted.
DERIVATIVES: dict[str, Callable[..., tuple[Callable[[], Any] | None, ...]]] = {
    "add": lambda s, r, a, b: (lambda: s, lambda: s),
    "sub": lambda s, r, a, b: (lambda: s, lambda: apply("neg", s)),
    "mul": lambda s, r, a, b: (lambda: _times(s, b), lambda: _times(s, a)),
    "div": _div,
    "neg": lambda s, r, a: (lambda: apply("neg", s),),
    "pow": _pow,
    "sqrt": lambda s, r, a: (lambda: apply("div", _times(s, 0.5), r),),
    "exp": lambda s, r, a: (lambda: _times(s, r),),
    "log": lambda s, r, a: (lambda: apply("div", s, a),),
    "sin": lambda s, r, a: (lambda: _times(s, cos(a)),),
    "cos": lambda s, r, a: (lambda: apply("neg", _times(s, sin(a))),),
    "abs": lambda s, r, a: (lambda: _times(s, sign(a)),),
    "sign": lambda s, r, a: (None,),
    "maximum": _choice("le", "gt"),
    "minimum": _choice("ge", "lt"),
    "where": lambda s, r, c, a, b: (None, lambda: where(c, s, 0.0), lambda: where(c, 0.0, s)),
}

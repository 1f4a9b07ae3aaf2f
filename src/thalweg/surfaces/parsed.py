"""A function as somebody types it, `x**2 + 10*sin(y)`, as a surface: parsed and walked, never executed."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

from thalweg.errors import InputError
from thalweg.formula.expr import apply
from thalweg.formula.surface import Point, Surface, check_window
from thalweg.formula.text import CONSTANTS, EXAMPLE, FUNCTIONS, read

OPERATIONS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
OPERATIONS |= {ast.Gt: "gt", ast.Lt: "lt", ast.GtE: "ge", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne"}

# Where a descent may begin, as parts of the window: the first of these points where the function is finite.
PLACES = ((0.2, 0.8), (0.8, 0.8), (0.8, 0.2), (0.2, 0.2), (0.4, 0.6), (0.6, 0.4), (0.5, 0.5))


def parsed(text: str) -> Callable[[Any, Any], Any]:
    """The function of x and y that a text describes.

    Powers are written `**` or `^`. There are the numbers pi and e and the functions abs, sign, sqrt, exp, log (or ln),
    log2, log10, sin, cos, tan, sinh, cosh, tanh, max and min of two or more, and `where(x > 0, a, b)`, which is a where
    the condition holds and b elsewhere.

    Args:
        text: The formula.

    Returns:
        The function: of two numbers a number, of two symbols an expression.

    Raises:
        InputError: If the text is no formula of x and y; the sentence names the column, from 1.

    Example:
        >>> parsed("x^2 + 10*sin(y)")(3.0, 0.0)
        9.0
        >>> parsed("x**2 + z")
        Traceback (most recent call last):
        thalweg.errors.InputError: expected x, y, pi, e or a function at column 8, got 'z': the functions are abs, ...
    """
    try:
        order = _children_first(ast.parse(read(text), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"expected a formula such as {EXAMPLE}, got one that is too deep ({error})") from None
    return lambda x, y: _walked(order, {"x": x, "y": y, **CONSTANTS})


def surface_of(
    text: str, window: tuple[Point, Point] = ((-5.0, 5.0), (-5.0, 5.0)), start: Point | None = None, name: str = "f"
) -> Surface:
    """A surface from a formula as text.

    Args:
        text: The formula, as in `parsed`.
        window: What a picture shows: the ends of x, then the ends of y.
        start: Where to begin; where nothing is said, in the upper left, or at another point where the function is
            finite.
        name: The surface's name.

    Returns:
        The surface. No minimum of it is known; its learning rates have one digit: with the first one the first step
        is a fiftieth of the window, with the second one a hundredth.

    Raises:
        InputError: If the text is no formula, the window has no size, the start lies outside it, or the function is
            not finite there.

    Example:
        >>> bowl = surface_of("x**2 + 10*sin(y)")
        >>> bowl.starts, bowl.rates
        (((-3.0, 3.0),), (0.02, 0.1))
    """
    formula = parsed(text)
    check_window(window, () if start is None else (start,))
    (left, right), (low, high) = ends = tuple((float(a), float(b)) for a, b in window)
    points = [start] if start else [(left + a * (right - left), low + b * (high - low)) for a, b in PLACES]
    x, y = map(float, next((p for p in points if math.isfinite(formula(float(p[0]), float(p[1])))), points[0]))
    if not math.isfinite(formula(x, y)):
        raise InputError(
            f"expected a finite value at the start, got {formula(x, y)} at ({x:g}, {y:g}): "
            "start elsewhere, or choose another window"
        )
    return Surface(
        formula,
        name,
        minima=(),
        window=ends,  # type: ignore[arg-type]
        starts=((x, y),),
        rates=_rates(formula, math.hypot(right - left, high - low), x, y),
        steps=100,
        teaches="",
        source=text,
    )


def _rates(formula: Callable[[Any, Any], Any], size: float, x: float, y: float) -> tuple[float, float]:
    """Learning rates whose steps are a visible part of a window of that size."""
    h = 1e-5 * size
    slope = math.hypot(formula(x + h, y) - formula(x - h, y), formula(x, y + h) - formula(x, y - h)) / (2 * h)
    second = float(f"{0.01 * size:.0e}")
    first = float(f"{0.02 * size / slope:.0e}") if 0 < slope < math.inf else second
    return first if 0 < first < math.inf else second, second


def _children(node: Any) -> list[Any]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    return [node.operand] if isinstance(node, ast.UnaryOp) else node.args if isinstance(node, ast.Call) else []


def _children_first(tree: Any) -> list[Any]:
    """Every node of a tree behind those that it is made of, in the order of writing, however deep the tree is."""
    pending, order = [tree], []
    while pending:
        order.append(pending.pop())
        pending += _children(order[-1])
    return order[::-1]


def _walked(order: list[Any], names: dict[str, Any]) -> Any:
    values: dict[Any, Any] = {}
    for node in order:
        values[node] = _value(node, [values[child] for child in _children(node)], names)
    return values[order[-1]]


def _value(node: Any, given: list[Any], names: dict[str, Any]) -> Any:
    """What a node makes of its children's values."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name():
            return names[node.id]
        case ast.UnaryOp():
            return given[0] if isinstance(node.op, ast.UAdd) else apply("neg", *given)
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int(exponent))) if 2 <= exponent <= 4:
            return _repeated(given[0], exponent)
        case ast.BinOp():
            return apply(OPERATIONS[type(node.op)], *given)
        case ast.Compare():
            return apply(OPERATIONS[type(node.ops[0])], *given)
        case ast.Call(func=ast.Name(id=name)):
            return FUNCTIONS[name][0](*given)
    raise AssertionError(f"{type(node).__name__} came through thalweg.formula.text.read")


def _repeated(base: Any, exponent: int) -> Any:
    """A small whole power is repeated multiplication, as everywhere in the language."""
    result = base
    for _ in range(exponent - 1):
        result = apply("mul", result, base)
    return result

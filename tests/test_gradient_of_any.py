"""Gradients of formulas that Hypothesis makes up, against the limits of differences in mpmath."""

import math

import mpmath
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exact import difference, lines_at, outputs_at
from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.numpy import values
from thalweg.compile.program import COMPARISONS
from thalweg.formula import Surface, surface, where
from thalweg.formula.expr import apply

LEAVES = st.sampled_from(["x", "y"]) | st.floats(-3, 3, allow_nan=False).map(lambda v: round(v, 3))
UNARY = ("neg", "sqrt", "exp", "log", "sin", "cos", "abs", "sign")
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum")


def nodes(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.tuples(st.sampled_from(UNARY), inner),
        st.tuples(st.sampled_from(BINARY), inner, inner),
        st.tuples(st.just("pow"), inner, st.sampled_from([2, 3, 4, 5, 0.5, -1, -2, 0, 1])),
        st.tuples(st.sampled_from(COMPARISONS[:4]), inner, inner, inner, inner),
    )


def computed(tree, x, y):
    """A tree as a formula: a leaf, an operation on trees, or a comparison of two and a choice of two."""
    if not isinstance(tree, tuple):
        return {"x": x, "y": y}.get(tree, tree) if isinstance(tree, str) else tree
    op, *rest = tree
    given = [computed(each, x, y) for each in rest]
    if op in COMPARISONS:
        first = apply(op, *given[:2])
        return (given[2] if first else given[3]) if isinstance(first, bool) else where(first, *given[2:])
    if op == "pow" and isinstance(given[1], int) and not isinstance(given[0], (int, float)):
        return given[0] ** given[1]
    return apply(op, *given)


def is_smooth(program, x, y, h) -> bool:
    """Whether all is real around a point, takes the same branches there, and is away from poles and corners."""
    try:
        lines = [lines_at(program, *point) for point in ((x, y), (x + h, y), (x - h, y), (x, y + h), (x, y - h))]
    except (ZeroDivisionError, OverflowError, ValueError, TypeError):
        return False
    return all(is_calm(line, lines) for line in program.body) and math.isfinite(outputs_at(program, x, y)[0])


def is_calm(line, lines) -> bool:
    seen = [each[line.name] for each in lines]
    if line.op in COMPARISONS:
        return len(set(seen)) == 1
    if line.op in ("abs", "sign", "maximum", "minimum"):
        a, b = (*line.args, 0.0)[:2]
        if not abs(lines[0].get(a, a) - lines[0].get(b, b)) >= 1e-6:  # nor where one is NaN
            return False
    return not any(isinstance(v, mpmath.mpc) or not 1e-6 < abs(v) < 1e6 for v in seen)


def made(tree) -> Surface:
    def f(x, y):
        return computed(tree, x, y)

    return surface("here", window=((-1, 1), (-1, 1)), starts=((0, 0),))(f)


@settings(max_examples=120, deadline=None)
@given(st.recursive(LEAVES, nodes, max_leaves=12), st.floats(0.1, 2.5), st.floats(0.1, 2.5) | st.floats(-2.5, -0.1))
def test_any_formula_s_gradient_is_the_limit_of_its_differences(tree, x, y) -> None:
    """Both in mpmath, where only a wrong formula differs by more than the rounding of numbers that are folded."""
    shown = made(tree)
    value, program = trace_surface(shown), trace_gradient(shown)
    with mpmath.workdps(90):
        h = mpmath.mpf("1e-30")
        if not is_smooth(value, mpmath.mpf(x), mpmath.mpf(y), h):
            return
        exact = outputs_at(program, x, y)[1:]
        largest = max([1, *map(abs, lines_at(program, x, y).values())])
        for found, right in zip(exact, difference(value, x, y, h), strict=True):
            assert abs(found - right) <= 1e-14 * largest
        assert np.isfinite(values(program, np.float64(x), np.float64(y))).all()

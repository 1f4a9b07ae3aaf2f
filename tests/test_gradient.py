"""Gradients by the reverse pass: every operation's derivative, and what a branch that is not taken may not do."""

import math

import mpmath
import numpy as np
import pytest

from exact import EXACT, difference, outputs_at
from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import DERIVATIVES, trace_gradient
from thalweg.compile.numpy import values
from thalweg.compile.program import COMPARISONS, ELEMENTARY
from thalweg.errors import FormulaError
from thalweg.formula import Surface, absolute, cos, exp, log, maximum, minimum, sign, sin, sqrt, surface, where

INF, NAN = math.inf, math.nan


def made(function) -> Surface:
    def f(x, y):
        return function(x, y)

    return surface("here", window=((-1, 1), (-1, 1)), starts=((0, 0),))(f)


def gradient(function, x: float, y: float) -> tuple[float, float]:
    _, by_x, by_y = values(trace_gradient(made(function)), np.float64(x), np.float64(y))
    return float(by_x), float(by_y)


def operations(function) -> list[str]:
    return [line.op for line in trace_gradient(made(function)).body]


def test_every_operation_of_the_language_has_a_derivative() -> None:
    assert set(DERIVATIVES) | set(COMPARISONS) == set(ELEMENTARY) == set(EXACT)


SMOOTH = {
    "add": lambda x, y: 3 + x + y + x,
    "sub": lambda x, y: x - y - (2 - x),
    "mul": lambda x, y: 2 * x * y * x,
    "square": lambda x, y: x * x + y**2,
    "cube": lambda x, y: x**3 * y**4,
    "div": lambda x, y: x / y + 1 / x - y / 3,
    "neg": lambda x, y: -x * -(x - y),
    "fifth": lambda x, y: x**5 + y**7,
    "float powers": lambda x, y: x**2.0 + y**3.0 + x**1.0 + y**0.0,
    "root": lambda x, y: x**0.5 * y**-1.5,
    "reciprocals": lambda x, y: x**-1 + y**-2 + x**-5,
    "exponential": lambda x, y: 2**x * 0.5**y,
    "power": lambda x, y: x**y,
    "tower": lambda x, y: x ** (y**x),
    "sqrt": lambda x, y: sqrt(x * x + y * y) + 3 * sqrt(x),
    "exp": lambda x, y: exp(-x * y) + exp(exp(x)),
    "log": lambda x, y: log(x) + log(1 + y * y),
    "sin": lambda x, y: sin(x) * sin(3 * y),
    "cos": lambda x, y: cos(cos(x * y)),
    "abs": lambda x, y: absolute(x) * abs(-y),
    "sign": lambda x, y: sign(x) * y + x,
    "maximum": lambda x, y: maximum(x, y * y) * x,
    "minimum": lambda x, y: minimum(sin(x), y) - y,
    "where": lambda x, y: where(x > y, x * y, x / y) * x,
    "shared": lambda x, y: (x * y + 1) * sin(x * y + 1) + (x * y + 1) / (x * y + 2),
    "one only": lambda x, y: exp(y),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_are_the_limits_of_differences(name: str) -> None:
    """To the rounding of numbers that are folded, so that no other formula passes for it; and in float64 to a few."""
    program = trace_gradient(made(SMOOTH[name]))
    for x, y in ((0.7, 1.9), (1.3, 0.2), (2.1, 1.1)):
        with mpmath.workdps(60):
            exact = outputs_at(program, x, y)[1:]
            for found, right in zip(exact, difference(program, x, y, mpmath.mpf("1e-20")), strict=True):
                assert abs(found - right) <= 1e-16 * (1 + abs(right))
        np.testing.assert_allclose(gradient(SMOOTH[name], x, y), list(map(float, exact)), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (lambda x, y: x**5, (-2.0, 0.0), (80.0, 0.0)),
        (lambda x, y: x**-3, (-2.0, 0.0), (-0.1875, 0.0)),
        (lambda x, y: x**4.0, (-2.0, 0.0), (-32.0, 0.0)),
        (lambda x, y: x**5 * y, (0.0, 1.0), (0.0, 0.0)),
        (lambda x, y: x**1.0, (0.0, 0.0), (1.0, 0.0)),
        (lambda x, y: x**0.0 + y, (0.0, 0.0), (0.0, 1.0)),
        (lambda x, y: x**y, (-2.0, 3.0), (12.0, NAN)),
        (lambda x, y: x**y, (0.0, 2.0), (0.0, 0.0)),
        (lambda x, y: x**y, (0.0, 0.0), (0.0, -INF)),
        (lambda x, y: x**y, (2.0, 0.0), (0.0, math.log(2))),
        (lambda x, y: 0.0**y, (1.0, 2.0), (0.0, 0.0)),
        (lambda x, y: x**0.5, (0.0, 0.0), (INF, 0.0)),
        (lambda x, y: sqrt(x), (0.0, 0.0), (INF, 0.0)),
        (lambda x, y: sqrt(x), (-1.0, 0.0), (NAN, 0.0)),
        (lambda x, y: sqrt(x * x), (0.0, 0.0), (NAN, 0.0)),
        (lambda x, y: x / y, (1.0, 0.0), (INF, -INF)),
        (lambda x, y: 1 / x, (1e-200, 0.0), (-INF, 0.0)),
        (lambda x, y: log(x), (0.0, 0.0), (INF, 0.0)),
        (lambda x, y: abs(x) + y, (0.0, 0.0), (0.0, 1.0)),
        (lambda x, y: abs(x), (-0.5, 0.0), (-1.0, 0.0)),
        (lambda x, y: sign(x), (0.5, 0.0), (0.0, 0.0)),
        (lambda x, y: maximum(x, y), (1.0, 1.0), (0.0, 1.0)),
        (lambda x, y: minimum(x, y), (1.0, 1.0), (0.0, 1.0)),
        (lambda x, y: maximum(x, x), (1.0, 1.0), (1.0, 0.0)),
        (lambda x, y: maximum(x, 0.0), (-1.0, 0.0), (0.0, 0.0)),
        (lambda x, y: maximum(0.0, x), (-1.0, 0.0), (0.0, 0.0)),
        (lambda x, y: maximum(x, -x), (-3.0, 0.0), (-1.0, 0.0)),
        (lambda x, y: minimum(2 * x, x), (-3.0, 0.0), (2.0, 0.0)),
    ],
)
def test_corners_poles_and_ties(function, at, expected) -> None:
    np.testing.assert_array_equal(gradient(function, *at), expected)


BRANCHES = {
    "root": (lambda x, y: where(x > 0, sqrt(x), 0.0), (0.0, 0.0)),
    "root, turned": (lambda x, y: where(x <= 0, 0.0, sqrt(x)), (0.0, 0.0)),
    "reciprocal": (lambda x, y: where(x >= 0, 1 / (x * x) + 3 * y, y), (0.0, 1.0)),
    "logarithm of a sum": (lambda x, y: where(x > 0, y * log(3 * x + 0 * y) * x, 5 * y), (0.0, 5.0)),
    "power": (lambda x, y: where(x > 0, x**0.5 + x**y, x * y), (1.0, -1.0)),
    "overflow": (lambda x, y: where(x > 0, exp(exp(-1000 * x)), x), (1.0, 0.0)),
    "sine of infinity": (lambda x, y: where(x > 0, sin(1 / (x + 1) ** 5), x), (1.0, 0.0)),
    "maximum of a logarithm": (lambda x, y: maximum(log(x + 1), -5.0) + y, (0.0, 1.0)),
    "minimum of a reciprocal": (lambda x, y: minimum((x + 1) ** -2, 7 * y) + y, (0.0, 8.0)),
    "nested": (lambda x, y: where(y > 9, 1.0, where(x > 0, sqrt(x), x * x)), (-2.0, 0.0)),
    "nested in the branch": (lambda x, y: where(x > 0, where(y > 0, sqrt(x), log(y) * sqrt(x)), y), (0.0, 1.0)),
    "shared by two branches": (
        lambda x, y: where(x > 0, 2 * sqrt(x), y) + where(x >= 0.5, sqrt(x), 3 * y),
        (0.0, 4.0),
    ),
    "shared, in one taken": (lambda x, y: where(x > 0, sqrt(x + 5), y) + 3 * sqrt(x + 5), (0.75, 1.0)),
    "root of a maximum": (lambda x, y: sqrt(maximum(x, 0.0)) + y, (0.0, 1.0)),
    "absolute value": (lambda x, y: where(x > 0, abs(log(x)), -x), (-1.0, 0.0)),
    "cosine and negation": (lambda x, y: where(x > 0, -cos(sqrt(x) - 1), 2 * x), (2.0, 0.0)),
    "division in both": (lambda x, y: where(x > 0, y / sqrt(x), sqrt(-x) / y), (-0.5, -1.0)),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_branch_that_is_not_taken_spoils_nothing(name: str) -> None:
    """At (-1, 1) the other branch is infinite or NaN, or has such a derivative: 0 times that is not added."""
    function, expected = BRANCHES[name]
    np.testing.assert_array_equal(gradient(function, -1.0, 1.0), expected)


def test_a_branch_that_is_taken_keeps_its_infinity() -> None:
    assert gradient(lambda x, y: where(x >= 0, sqrt(x), 0.0), 0.0, 0.0) == (INF, 0.0)
    np.testing.assert_array_equal(gradient(lambda x, y: where(x < 0, sqrt(x), 0.0), -1.0, 0.0), (NAN, 0.0))


def test_a_value_that_is_no_number_has_no_gradient_either() -> None:
    for choose in (maximum, minimum):
        for function in (lambda x, y, c=choose: c(sqrt(x), y), lambda x, y, c=choose: c(y, sqrt(x))):
            value, by_x, _ = values(trace_gradient(made(function)), np.float64(-1.0), np.float64(0.0))
            assert np.isnan(value) and np.isnan(by_x)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x, y: 3.0, ["f = 3.0", "f_x = 0.0", "f_y = 0.0"]),
        (lambda x, y: 3, ["f = 3.0", "f_x = 0.0", "f_y = 0.0"]),
        (lambda x, y: x, ["f = x", "f_x = 1.0", "f_y = 0.0"]),
        (lambda x, y: y, ["f = y", "f_x = 0.0", "f_y = 1.0"]),
        (lambda x, y: -x, ["f = f", "f_x = -1.0", "f_y = 0.0"]),
        (lambda x, y: sign(y), ["f = f", "f_x = 0.0", "f_y = 0.0"]),
        (lambda x, y: where(x > 0, 1.0, 2.0), ["f = f", "f_x = 0.0", "f_y = 0.0"]),
        (lambda x, y: 2 * y, ["f = f", "f_x = 0.0", "f_y = 2.0"]),
    ],
)
def test_a_gradient_may_be_numbers(function, text) -> None:
    program = trace_gradient(made(function))
    assert [line.strip() for line in program.text.splitlines()[-3:]] == text
    found = values(program, np.ones((2, 3)), np.ones((2, 3)))
    assert [each.shape for each in found] == [(2, 3)] * 3 and all(each.dtype == np.float64 for each in found)


def test_the_value_and_its_order_are_those_of_the_surface() -> None:
    """What was recorded of the formula stands in the gradient's program unchanged, so that both round alike."""
    for function in SMOOTH.values():
        lines = [line.op for line in trace_surface(made(function)).body]
        assert [line.op for line in trace_gradient(made(function)).body][: len(lines)] == lines
        x, y = np.float64(0.9), np.float64(1.7)
        assert values(trace_surface(made(function)), x, y)[0] == values(trace_gradient(made(function)), x, y)[0]


def test_what_value_and_gradient_share_is_computed_once() -> None:
    assert operations(lambda x, y: exp(x * y)).count("exp") == 1
    assert operations(lambda x, y: x * x).count("mul") == 1
    assert operations(lambda x, y: sqrt(x)).count("sqrt") == 1


def test_small_powers_are_multiplied_and_ones_are_not() -> None:
    assert operations(lambda x, y: x**5) == ["pow", "mul", "mul", "mul", "mul"]
    assert "mul" not in operations(lambda x, y: x + y - x) and operations(lambda x, y: x * y) == ["mul"]


def test_a_name_of_the_author_is_kept_and_f_is_the_value() -> None:
    @surface("here", window=((-1, 1), (-1, 1)), starts=((0, 0),))
    def hill(x, y):
        r = x * x + y * y
        f_x = exp(-r)
        return 1 - f_x

    program = trace_gradient(hill)
    assert {"r", "f_x"} <= program.named
    assert program.targets == ("f", "f_x", "f_y")
    found = values(program, np.float64(1.0), np.float64(0.0))
    assert [float(v) for v in found] == pytest.approx([1 - math.exp(-1), 2 * math.exp(-1), 0.0])


def test_names_of_kernels_are_left_to_kernels() -> None:
    @surface("here", window=((-1, 1), (-1, 1)), starts=((0, 0),))
    def taken(x, y):
        np = x * x
        range = np + y
        return range * np

    assert {"np", "range"}.isdisjoint(line.name for line in trace_gradient(taken).body)


def test_a_chain_of_a_thousand_operations_is_no_problem() -> None:
    def long(x, y):
        for _ in range(500):
            x = sin(x) + y
        return x

    program = trace_gradient(made(long))
    with mpmath.workdps(60):
        exact = difference(program, 0.3, 0.7, mpmath.mpf("1e-20"))
    np.testing.assert_allclose(gradient(long, 0.3, 0.7), list(map(float, exact)), rtol=1e-12, atol=1e-300)


def branches(x, y):
    return x if x > y else y


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (branches, "surface 'f': a formula cannot branch on a symbol"),
        (lambda x, y: math.sin(x), "cannot turn a symbol into a number"),
        (lambda x, y: x > y, "must return a formula for f, got a comparison"),
        (lambda x, y: (x, y), "must return a formula for f, got a tuple"),
        (lambda x, y: None, "must return a formula for f, got a NoneType"),
        (lambda x, y: (x > y) * 1.0, "comparisons as the condition of where"),
        (lambda x, y: x + "1", "works on numbers and symbols, but 'add' got a str"),
        (lambda x, y: x + np.ones(2), "works on numbers and symbols"),
        (lambda x, y: np.sin(x), r"cannot be traced \(TypeError"),
        (lambda x, y: x.real, r"cannot be traced \(AttributeError"),
        (lambda x, y: branches(y, x) / 0, "cannot branch"),
    ],
)
def test_what_is_no_formula_is_refused_in_a_sentence(function, sentence) -> None:
    for traced in (trace_surface, trace_gradient):
        with pytest.raises(FormulaError, match=sentence) as caught:
            traced(made(function))
        assert "\n" not in str(caught.value)

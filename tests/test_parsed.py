"""Functions that somebody types: what they mean, what is refused in which words, and that nothing is ever executed."""

import math
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from own_functions import BAD, GOOD
from thalweg.compile import latex
from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.numpy import values
from thalweg.errors import InputError
from thalweg.formula import absolute, cos, exp, log, maximum, minimum, sign, sin, sqrt, surface, where
from thalweg.formula.text import FUNCTIONS, LONGEST, read
from thalweg.surfaces import SURFACES
from thalweg.surfaces.parsed import parsed, surface_of

POINTS = [(1.3, 0.7), (-1.7, 0.4), (0.3, -2.1), (-0.6, -0.9), (2.5, 1.5), (0.25, 0.125)]
# Python's own meaning of every word: what `eval` makes of a text in which powers are `**`.
WORDS = {
    "abs": abs, "max": max, "min": min, "maximum": max, "minimum": min, "pi": math.pi, "e": math.e, "ln": math.log,
    "sign": lambda a: math.copysign(1.0, a) if a else 0.0, "where": lambda condition, a, b: a if condition else b,
}  # fmt: skip
MATH = ("cos", "cosh", "exp", "log", "log10", "log2", "sin", "sinh", "tan", "tanh")
WORDS |= {name: getattr(math, name) for name in MATH}
WORDS["sqrt"] = lambda a: math.sqrt(a) if a >= 0 else math.nan
WORDS["log"] = WORDS["ln"] = lambda a: math.log(a) if a > 0 else math.nan


def traced(text: str) -> str:
    """The operations of a text, in order."""
    program = trace_surface(surface_of(text, start=(1.0, 1.0)))
    return "; ".join(map(str, (*program.body, *program.outputs)))


@pytest.mark.parametrize("text", GOOD)
def test_a_text_means_what_python_means_by_it(text: str) -> None:
    function, shown = parsed(text), surface_of(text, window=((0.5, 2.0), (0.25, 2.0)))
    for x, y in POINTS:
        meant = eval(text.replace("^", "**"), dict(WORDS), {"x": x, "y": y})
        assert function(x, y) == pytest.approx(meant, rel=1e-13, abs=1e-13, nan_ok=True)
        value = values(trace_surface(shown), np.float64(x), np.float64(y))[0]
        assert value == pytest.approx(meant, rel=1e-13, abs=1e-13, nan_ok=True)


@pytest.mark.parametrize("text", BAD, ids=lambda t: t[:20])
def test_what_is_no_formula_is_refused_in_a_sentence_with_its_column(text: str) -> None:
    column, words = BAD[text]
    with pytest.raises(InputError) as caught:
        parsed(text)
    sentence = str(caught.value)
    assert words in sentence and sentence.startswith("expected ") and "\n" not in sentence
    assert len(sentence) < 300
    assert not column or f"column {column}" in sentence


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        ("x**2 + 10*sin(y)", "a1 = mul(x, x); a2 = sin(y); a3 = mul(10.0, a2); f = add(a1, a3); f"),
        ("y + x", "f = add(y, x); f"),
        ("x^3", "a1 = mul(x, x); f = mul(a1, x); f"),
        ("x**5", "f = pow(x, 5.0); f"),
        ("x**2.0", "f = pow(x, 2.0); f"),
        ("x**-2", "f = pow(x, -2.0); f"),
        ("x**0.5", "f = pow(x, 0.5); f"),
        ("x**y**2", "a1 = mul(y, y); f = pow(x, a1); f"),
        ("-x**2", "a1 = mul(x, x); f = neg(a1); f"),
        ("(-x)**2", "a1 = neg(x); f = mul(a1, a1); f"),
        ("2**-x", "a1 = neg(x); f = pow(2.0, a1); f"),
        ("x/y/2", "a1 = div(x, y); f = div(a1, 2.0); f"),
        ("x/(y/2)", "a1 = div(y, 2.0); f = div(x, a1); f"),
        ("x - y - 1", "a1 = sub(x, y); f = sub(a1, 1.0); f"),
        ("+x", "x"),
        ("where(x > 0, x, y)", "a1 = gt(x, 0.0); f = where(a1, x, y); f"),
        ("where(1 > 2, x, y)", "y"),
        ("max(x, y, 2)", "a1 = maximum(x, y); f = maximum(a1, 2.0); f"),
        ("max(1, 2)*x", "f = mul(2.0, x); f"),
        ("abs(x) + sign(y)", "a1 = abs(x); a2 = sign(y); f = add(a1, a2); f"),
        ("007*x + 5.", "a1 = mul(7.0, x); f = add(a1, 5.0); f"),
        ("3", "3.0"),
    ],
)
def test_operations_are_recorded_in_the_order_written(text: str, recorded: str) -> None:
    assert traced(text) == recorded


def test_a_typed_formula_is_that_of_a_file() -> None:
    """The same operations, from the same words, as from a function in the formula language."""

    @surface("here", window=((-1, 1), (-1, 1)), starts=((1.0, 1.0),))
    def f(x, y):
        return (
            where(x > y, absolute(x), exp(-y)) + maximum(minimum(x, 2), sqrt(y)) * cos(x) / log(sin(y) ** 3) - sign(x)
        )

    text = "where(x > y, abs(x), exp(-y)) + max(min(x, 2), sqrt(y))*cos(x)/log(sin(y)^3) - sign(x)"
    assert trace_surface(surface_of(text, start=(1.0, 1.0))).text == trace_surface(f).text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("saddle", "x**2 - y**2"),
        ("himmelblau", "(x**2 + y - 11)**2 + (x + y**2 - 7)**2"),
        ("rosenbrock", "(1 - x)**2 + 100*(y - x**2)**2"),
    ],
)
def test_a_surface_of_the_catalogue_may_as_well_be_typed(name: str, text: str) -> None:
    typed = trace_gradient(surface_of(text, start=(1.0, 1.0)))
    assert typed.structure == trace_gradient(SURFACES[name]).structure


def test_names_of_the_parser_are_none_of_the_formula() -> None:
    program = trace_surface(surface_of("x**3 + max(x, y, 1)**4 + tanh(y)", start=(1.0, 1.0)))
    assert program.named == {"f"}
    assert len(latex.equations(program)) == 1


@pytest.mark.parametrize("text", GOOD)
def test_a_typed_formula_prints_as_latex(text: str) -> None:
    equations = latex.equations(trace_surface(surface_of(text, window=((0.5, 2.0), (0.25, 2.0)))))
    assert [left[0] for left, _ in equations] == ["f"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9**9**9", math.inf),
        ("1/0", math.inf),
        ("-1/0", -math.inf),
        ("0/0", math.nan),
        ("log(0)", -math.inf),
        ("log(-1)", math.nan),
        ("sqrt(-1)", math.nan),
        ("(-8)**(1/3)", math.nan),
        ("0**-1", math.inf),
        ("exp(1000)", math.inf),
        ("1e308*10", math.inf),
        ("1e200**2", math.inf),
        ("sin(1e308*10)", math.nan),
        ("tanh(1000)", 1.0),
        ("tanh(-1000)", -1.0),
        ("where(0/0 > 0, 1, 2)", 2.0),
    ],
)
def test_numbers_are_folded_in_floating_point_and_never_raise(text: str, value: float) -> None:
    assert parsed(text)(0.0, 0.0) == pytest.approx(value, nan_ok=True)
    assert values(trace_gradient(surface_of(f"x + 0*y + where(x > 9, {text}, 0)", start=(1.0, 1.0))), *np.ones((2, 3)))


@pytest.mark.parametrize(
    "text",
    [
        "-" * 999 + "x",
        "x" + "+x" * 499,
        "x" + "-x" * 499,
        "x" + "*x" * 499,
        "x" + "**x" * 333,
        "(" * 50 + "x" + ")" * 50,
        "sin(" * 50 + "x" + ")" * 50,
        "cosh(" * 50 + "x" + ")" * 50,
        "max(x, " * 50 + "y" + ")" * 50,
    ],
    ids=["minus", "sum", "difference", "product", "power", "parentheses", "sine", "cosine", "maximum"],
)
def test_the_deepest_texts_are_read_traced_and_differentiated(text: str) -> None:
    assert len(text) <= LONGEST
    shown = surface_of(text, window=((0.0, 1.0), (0.0, 1.0)), start=(0.01, 0.01)) if "cosh" not in text else None
    function = shown or parsed(text)
    assert isinstance(function(0.5, 0.5), float)
    assert shown is None or len(values(trace_gradient(shown), *np.full((2, 3), 0.5))) == 3


ALPHABET = [*string.printable, "²", "π", "−", "x", "y", *FUNCTIONS, "**", "(", ")", ",", ">", "1.5", "2", " "]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join))
def test_any_text_is_a_formula_or_a_sentence(text: str) -> None:
    try:
        assert isinstance(parsed(text)(0.5, 2.0), (int, float))
    except InputError as error:
        assert str(error).startswith("expected ") and "\n" not in str(error)


@settings(max_examples=150, deadline=None)
@given(st.recursive(st.sampled_from(["x", "y", "2", "0.5", "pi", "1e-3"]), lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from(["+", " - ", "*", "/", "**", "^"]), inner).map("".join),
    inner.map("({})".format), inner.map("-{}".format), inner.map("sin({})".format),
    st.tuples(inner, inner).map(lambda p: f"max({p[0]}, {p[1]})"),
    st.tuples(inner, inner, inner).map(lambda p: f"where({p[0]} > {p[1]}, {p[2]}, 1)"),
), max_leaves=8))  # fmt: skip
def test_every_formula_of_the_grammar_is_read_as_python_reads_it(text: str) -> None:
    class Number(float):
        """A float whose operators never raise and never leave the floats, as the language's."""

        def _with(operation):
            return lambda a, b: Number(parsed(f"x {operation} y")(float(a), float(b)))

        __add__, __sub__, __mul__, __truediv__, __pow__ = map(_with, "+-*/^")
        __neg__ = lambda a: Number(-float(a))  # noqa: E731

    words = WORDS | {"pi": Number(math.pi), "sin": lambda a: Number(parsed("sin(x)")(float(a), 0.0))}
    words |= {"max": lambda a, b: Number(parsed("max(x, y)")(float(a), float(b)))}
    spelled = read(text)
    for number in ("2", "0.5", "1e-3", "1"):
        spelled = " ".join(f"N({t})" if t == number else t for t in spelled.split(" "))
    meant = eval(spelled, words | {"N": Number}, {"x": Number(0.7), "y": Number(-1.3)})
    found = parsed(text)(0.7, -1.3)
    assert found == pytest.approx(float(meant), rel=1e-12, nan_ok=True)


def test_a_surface_of_a_text_has_what_a_picture_needs() -> None:
    shown = surface_of("x**2 + 10*sin(y)", window=((-4, 4), (-8, 8)), start=(1, 2))
    assert shown.window == ((-4.0, 4.0), (-8.0, 8.0)) and shown.starts == ((1.0, 2.0),)
    assert (shown.name, shown.minima, shown.source) == ("f", (), "x**2 + 10*sin(y)")
    assert shown.steps == 100 and shown(1.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("x + y", (-3, 3)),
        ("log(x)", (3, 3)),
        ("log(x)*sqrt(-y)", (3, -3)),
        ("log(-x)*sqrt(-y)", (-3, -3)),
        ("log(1 - x^2 - y^2)", (0, 0)),
    ],
)
def test_a_start_is_found_where_the_function_is_finite(text: str, start: tuple) -> None:
    assert surface_of(text).starts[0] == pytest.approx(start)


@pytest.mark.parametrize(
    "text", ["x**2 + 10*sin(y)", "1e6*(x**2 + y**2)", "1e-6*x*y", "exp(x)/1000", "3", "abs(x)", "sqrt(x + 3)"]
)
@pytest.mark.parametrize("size", [0.01, 1.0, 1000.0])
def test_the_first_step_is_a_visible_part_of_the_window(text: str, size: float) -> None:
    shown = surface_of(text, window=((-size, size), (-size, size)))
    slope = np.hypot(*values(trace_gradient(shown), *map(np.float64, shown.starts[0]))[1:])
    width = 2**1.5 * size
    assert 0.005 * width < shown.rates[1] < 0.02 * width
    assert np.isfinite(shown.rates[0]) and shown.rates[0] > 0
    assert not np.isfinite(slope) or slope == 0 or 0.01 * width < shown.rates[0] * slope < 0.04 * width


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"text": "sqrt(-1 - x**2)"}, r"a finite value at the start, got nan at \(-3, 3\): start elsewhere"),
        ({"text": "log(x)", "start": (-1, 0)}, r"a finite value at the start, got nan at \(-1, 0\)"),
        ({"text": "1/x", "start": (0, 0)}, r"a finite value at the start, got inf at \(0, 0\)"),
        ({"text": "x", "start": (9, 0)}, "a start inside the window, got x = 9 outside -5 to 5"),
        ({"text": "x", "start": (math.nan, 0)}, "a start inside the window, got x = nan"),
        ({"text": "x", "window": ((0, 0), (0, 1))}, "ends of x rise, got 0 to 0"),
        ({"text": "x", "window": ((0, 1), (1, -1))}, "ends of y rise, got 1 to -1"),
        ({"text": "x +"}, "at column 4, got the end"),
    ],
)
def test_a_surface_that_has_no_picture_is_refused(arguments: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        surface_of(**arguments)
    assert "\n" not in str(caught.value)

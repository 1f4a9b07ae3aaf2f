"""The catalogue of surfaces: what each declares is true, and its gradient is that of its value."""

import math

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

import thalweg
from exact import difference, lines_at, outputs_at
from thalweg.compile import latex
from thalweg.compile.field import trace_surface
from thalweg.compile.gradient import trace_gradient
from thalweg.compile.numpy import values
from thalweg.errors import FormulaError, InputError
from thalweg.formula import Surface, exp, surface
from thalweg.formula.surface import check_window
from thalweg.surfaces import NAMES, SURFACES

POINTS = 200
# Of a value and of a derivative: at most so many roundings of the largest number met on the way; 56 was measured, where
# Rosenbrock multiplies the rounding of y - x² by 400 x.
ULPS = 128
EPSILON = 2.0**-53
EVERY = list(SURFACES.values())
WITH_MINIMA = [each for each in EVERY if each.minima]


def points_in(shown: Surface, count: int, seed: int = 0) -> np.ndarray:
    low, high = np.array(shown.window).T
    return np.random.default_rng(seed).uniform(low, high, (count, 2))


def at(shown: Surface, x: float, y: float) -> tuple[float, float, float]:
    return tuple(map(float, values(trace_gradient(shown), np.float64(x), np.float64(y))))  # type: ignore[return-value]


@pytest.mark.parametrize("shown", EVERY, ids=lambda s: s.name)
def test_value_and_gradient_are_mpmaths_at_50_digits(shown: Surface) -> None:
    """Against the exact value, and against differences of the exact values, which know nothing of derivatives."""
    program, value = trace_gradient(shown), trace_surface(shown)
    points = points_in(shown, POINTS)
    computed = np.stack(values(program, points[:, 0], points[:, 1]))
    with mpmath.workdps(80):
        for (x, y), found in zip(points, computed.T, strict=True):
            largest = max(map(abs, lines_at(program, x, y).values()))
            exact = (outputs_at(value, x, y)[0], *difference(value, x, y, mpmath.mpf("1e-27")))
            for number, right in zip(found, exact, strict=True):
                assert abs(mpmath.mpf(number) - right) <= ULPS * EPSILON * largest, (x, y)


@pytest.mark.parametrize("shown", EVERY, ids=lambda s: s.name)
def test_the_gradient_is_that_of_float64_differences(shown: Surface) -> None:
    points, h = points_in(shown, POINTS, seed=1), 1e-6
    x, y = points.T
    program = trace_surface(shown)
    size = np.ptp(values(program, x, y)[0])
    _, by_x, by_y = values(trace_gradient(shown), x, y)
    for found, dx, dy in ((by_x, h, 0), (by_y, 0, h)):
        step = (values(program, x + dx, y + dy)[0] - values(program, x - dx, y - dy)[0]) / (2 * h)
        np.testing.assert_allclose(found, step, rtol=1e-6, atol=1e-8 * size)


@pytest.mark.parametrize("shown", EVERY, ids=lambda s: s.name)
def test_called_with_numbers_it_gives_what_its_program_gives(shown: Surface) -> None:
    for x, y in points_in(shown, 20, seed=2):
        assert shown(float(x), float(y)) == pytest.approx(at(shown, x, y)[0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shown", WITH_MINIMA, ids=lambda s: s.name)
def test_minima_are_where_they_are_declared(shown: Surface) -> None:
    """All equally low, level to rounding, below a fine grid and below what a search from its lowest point finds."""
    low, high = np.array(shown.window).T
    grid = np.meshgrid(*(np.linspace(a, b, 401) for a, b in zip(low, high, strict=True)))
    heights = values(trace_surface(shown), *grid)[0]
    lowest = np.unravel_index(np.argmin(heights), heights.shape)
    slopes = np.hypot(*values(trace_gradient(shown), *grid)[1:])
    depth, steepness = np.ptp(heights), np.median(slopes)
    found = minimize(
        lambda p: at(shown, *p)[0], [g[lowest] for g in grid], method="BFGS", jac=lambda p: at(shown, *p)[1:]
    )
    for x, y in shown.minima:
        value, *gradient = at(shown, x, y)
        assert low[0] <= x <= high[0] and low[1] <= y <= high[1]
        assert np.hypot(*gradient) <= 1e-13 * steepness
        assert value <= min(heights.min(), found.fun) + 1e-14 * depth
    assert min(math.dist(found.x, minimum) for minimum in shown.minima) < 1e-5
    np.testing.assert_allclose(
        [at(shown, *m)[0] for m in shown.minima], at(shown, *shown.minima[0])[0], atol=1e-14 * depth
    )


@pytest.mark.parametrize("shown", WITH_MINIMA, ids=lambda s: s.name)
def test_no_minimum_is_left_out(shown: Surface) -> None:
    """A dozen searches from all over the window find none that is as low and not declared."""
    best = at(shown, *shown.minima[0])[0]
    depth = np.ptp([at(shown, *p)[0] for p in points_in(shown, 100, seed=3)])
    for start in points_in(shown, 12, seed=4):
        found = minimize(lambda p: at(shown, *p)[0], start, method="BFGS", jac=lambda p: at(shown, *p)[1:])
        if found.fun <= best + 1e-9 * depth:
            inside = all(a <= v <= b for v, (a, b) in zip(found.x, shown.window, strict=True))
            assert not inside or min(math.dist(found.x, minimum) for minimum in shown.minima) < 1e-3


def test_the_saddle_has_a_level_point_and_no_minimum() -> None:
    saddle = SURFACES["saddle"]
    assert at(saddle, 0.0, 0.0) == (0.0, 0.0, 0.0) and saddle.minima == ()
    assert saddle(0.0, 1e3) < saddle(0.0, 1.0) < saddle(0.0, 0.0) < saddle(1.0, 0.0)


@pytest.mark.parametrize("shown", EVERY, ids=lambda s: s.name)
def test_everything_that_a_picture_needs_is_declared(shown: Surface) -> None:
    check_window(shown.window, shown.starts)
    assert shown.name == NAMES[EVERY.index(shown)]
    assert shown.starts and shown.teaches.endswith(".") and shown.source and shown.noise == 0
    assert min(shown.rates) > 0 and shown.steps > 1
    for start in shown.starts:
        assert np.isfinite(at(shown, *start)).all() and np.hypot(*at(shown, *start)[1:]) > 0


@pytest.mark.parametrize("shown", EVERY, ids=lambda s: s.name)
def test_the_formula_prints_as_latex(shown: Surface) -> None:
    equations = latex.equations(trace_surface(shown))
    assert equations
    assert equations[-1][0].startswith("f")
    for _, right in equations:
        assert right.count("{") == right.count("}") and right.count(r"\left") == right.count(r"\right")


def test_surfaces_are_there_where_rules_are() -> None:
    assert thalweg.SURFACES is SURFACES and thalweg.surface is surface and thalweg.Surface is Surface


def bowl(x, y):
    return x**2 + y**2


def declared(**changed):
    facts = {"window": ((-1, 1), (-1, 1)), "starts": ((0.5, 0.5),)} | changed
    return surface("here", **facts)(bowl)


def test_a_surface_of_ones_own_is_one_short_text() -> None:
    @surface("here", window=((-1, 1), (-2, 2)), starts=((1, 1),))
    def pit(x, y):
        depth = x * x + y**4
        return 1 - exp(-depth)

    assert pit.window == ((-1.0, 1.0), (-2.0, 2.0)) and pit.starts == ((1.0, 1.0),)
    assert at(pit, 0.0, 0.0) == (0.0, 0.0, 0.0)
    assert at(pit, 1.0, 0.0)[1] == pytest.approx(2 * math.exp(-1))
    assert "depth" in trace_surface(pit).named


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"window": ((1, 1), (-1, 1))}, "ends of x rise, got 1 to 1"),
        ({"window": ((-1, 1), (2, -2))}, "ends of y rise, got 2 to -2"),
        ({"window": ((-1, math.inf), (-1, 1))}, "ends of x rise, got -1 to inf"),
        ({"window": ((-1, math.nan), (-1, 1))}, "ends of x rise"),
        ({"window": (-1, 1)}, r"a window such as \(\(-5, 5\), \(-5, 5\)\), got \(-1, 1\)"),
        ({"window": ((-1, 1),)}, "a window such as"),
        ({"window": (("a", "b"), (0, 1))}, "a window such as"),
        ({"window": None}, "a window such as"),
        ({"starts": ((0, 2),)}, "a start inside the window, got y = 2 outside -1 to 1"),
        ({"starts": ((math.nan, 0),)}, "a start inside the window, got x = nan"),
        ({"starts": ()}, "a start at least, got none"),
        ({"starts": (0.5, 0.5)}, r"starts such as \(\(0.0, 1.0\),\), got \(0.5, 0.5\)"),
        ({"minima": (0, 0)}, "minima such as"),
        ({"rates": (0.1, 0)}, "two finite rates above 0"),
        ({"rates": 0.1}, "two finite rates above 0, got 0.1"),
        ({"steps": 0}, "at least 1 step, got 0"),
        ({"steps": 2.5}, "at least 1 step, got 2.5"),
    ],
)
def test_a_declaration_that_is_none_is_refused_in_a_sentence(changed, sentence) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        declared(**changed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda y, x: x, lambda x, y, z: x, lambda *points: 0.0],
    ids=["one", "turned", "three", "any"],
)
def test_a_function_of_anything_but_x_and_y_is_refused(function) -> None:
    with pytest.raises(FormulaError, match=r"must take \(x, y\), got \("):
        surface("here", window=((-1, 1), (-1, 1)), starts=((0, 0),))(function)


@pytest.mark.parametrize("noise", [-1.0, math.inf, math.nan, True, "much", None])
def test_noise_of_no_finite_deviation_is_refused(noise) -> None:
    with pytest.raises(InputError, match="noise of a finite standard deviation"):
        declared().noisy(noise)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True, None])
def test_a_seed_that_is_none_is_refused(seed) -> None:
    with pytest.raises(InputError, match=r"a seed from 0 to 2\*\*32 - 1"):
        declared().noisy(1.0, seed)


def test_a_noisy_surface_is_the_same_surface_with_noise() -> None:
    noisy = SURFACES["ravine"].noisy(0.5, seed=7)
    assert (noisy.noise, noisy.seed, noisy.formula) == (0.5, 7, SURFACES["ravine"].formula)
    assert trace_gradient(noisy).text == trace_gradient(SURFACES["ravine"]).text
    assert repr(noisy) == "<surface ravine with noise 0.5>"

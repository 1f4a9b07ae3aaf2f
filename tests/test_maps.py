"""Maps of many runs: minima are found, basins are where they are known to be, and best rates where theory has them."""

import numpy as np
import pytest

from thalweg.draw import basin_map as basin_module
from thalweg.draw.basin_map import basin_map
from thalweg.draw.basins import GONE, NOWHERE, SIDES, Goals, basins, goals_of
from thalweg.draw.minima import minima_of
from thalweg.draw.rate_grid import RATES, lowest_of, row, starts_around
from thalweg.draw.rate_map import rate_map
from thalweg.draw.scene import Contender, scene
from thalweg.errors import InputError
from thalweg.formula import rule
from thalweg.formula.surface import surface
from thalweg.rules.setting import resolve, setting
from thalweg.surfaces import SURFACES

HIMMELBLAU, SADDLE = SURFACES["himmelblau"], SURFACES["saddle"]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("saddle", 0),
        pytest.param("rosenbrock", 1, marks=pytest.mark.slow),
        ("himmelblau", 4),
        pytest.param("rastrigin", 121, marks=pytest.mark.slow),
        ("two_minima", 2),
    ],
)
def test_minima_are_found_declared_or_not(name, count):
    known = SURFACES[name]
    bare = surface("no word on minima", window=known.window, starts=known.starts)(known.formula)
    found = minima_of(bare, bare.window)
    assert len(found) == count
    low, high = np.array(known.window).T
    for minimum in known.minima:
        assert np.abs((found - minimum) / (high - low)).max(axis=1).min() < 1e-4


def test_a_minimum_at_a_corner_is_found_and_a_slope_has_none():
    @surface("a tent upside down", window=((-3, 3), (-2, 2)), starts=((1.0, 1.0),))
    def tent(x, y):
        return abs(x - 0.3) + 2 * (y**2) ** 0.5

    @surface("a slope", window=((-3, 3), (-2, 2)), starts=((1.0, 1.0),))
    def slope(x, y):
        return x + y**2

    assert minima_of(tent, tent.window) == pytest.approx(np.array([[0.3, 0.0]]), abs=1e-4)
    assert len(minima_of(slope, slope.window)) == 0


@pytest.mark.parametrize("size", [pytest.param(1e-6, marks=pytest.mark.slow), 1e30])
def test_minima_are_found_in_a_window_of_any_size(size):
    @surface("a bowl", window=((-size, size), (-size, size)), starts=((0.0, 0.0),))
    def bowl(x, y):
        return (x / size - 0.3) ** 2 + (y / size) ** 2

    assert minima_of(bowl, bowl.window) / size == pytest.approx(np.array([[0.3, 0.0]]), abs=1e-9)


def test_starts_near_a_minimum_lead_to_it_and_quarters_are_about_equal():
    goals = goals_of(HIMMELBLAU, HIMMELBLAU.window)
    codes = basins(resolve("sgd", {"lr": 0.005}), HIMMELBLAU, goals, steps=300, starts=40)
    middles = -5 + 10 * (np.arange(40) + 0.5) / 40
    for number, minimum in enumerate(goals.minima):
        column, line = (int(np.abs(middles - place).argmin()) for place in minimum)
        assert (codes[line - 2 : line + 3, column - 2 : column + 3] == number).all()
        assert 0.15 < (codes == number).mean() < 0.35
    assert (codes >= 0).mean() > 0.99


def test_runs_that_go_nowhere_and_runs_that_are_gone():
    goals = goals_of(HIMMELBLAU, HIMMELBLAU.window)
    idle = basins(resolve("sgd", {"lr": 1e-9}), HIMMELBLAU, goals, steps=3, starts=20)
    assert (idle == NOWHERE).mean() > 0.95 and not (idle == GONE).any()
    wild = basins(resolve("sgd", {"lr": 10.0}), HIMMELBLAU, goals, steps=20, starts=20)
    assert (wild == GONE).mean() > 0.95


def test_on_a_saddle_runs_leave_on_their_side_of_the_ridge():
    goals = goals_of(SADDLE, SADDLE.window)
    codes = basins(resolve("sgd", {"lr": 0.05}), SADDLE, goals, steps=120, starts=20)
    assert (codes[:10] == SIDES.index("below")).all() and (codes[10:] == SIDES.index("above")).all()
    short = basins(resolve("sgd", {"lr": 0.05}), SADDLE, goals, steps=5, starts=20)
    assert (short[9:11] == NOWHERE).all()


def test_infinite_and_missing_ends():
    goals = Goals(SADDLE.window, np.empty((0, 2)), 0.03)
    ends = np.array([[0.0, np.inf], [-np.inf, 0.0], [np.nan, 0.0], [0.0, 0.0]])
    assert goals.reached(ends).tolist() == [SIDES.index("above"), SIDES.index("left"), GONE, NOWHERE]
    goals = Goals(HIMMELBLAU.window, np.array(HIMMELBLAU.minima), 0.03)
    assert goals.reached(ends).tolist() == [GONE, GONE, GONE, NOWHERE]


def test_the_best_rate_of_gradient_descent_on_a_quadratic_is_the_one_of_theory():
    @surface("a quadratic", minima=((0.0, 0.0),), window=((-2, 2), (-2, 2)), starts=((1.0, 1.0),))
    def bowl(x, y):
        return 0.5 * (x**2 + 10 * y**2)

    drawn = scene(bowl, [Contender("sgd", resolve("sgd", {}))], steps=60)
    lowest = lowest_of(drawn)
    found = row(resolve("sgd", {}), drawn, lowest)
    assert lowest == pytest.approx(0, abs=1e-12)
    assert found.best is not None
    assert RATES[found.best] == pytest.approx(2 / 11, rel=0.13)  # 2 / (L + mu); a cell is 12 % wide
    assert not found.lost[RATES < 0.195].any() and found.lost[RATES > 0.25].all()  # 2 / L is the limit
    assert (np.diff(found.scores[: found.best + 1]) < 0).all()


def test_on_a_saddle_the_score_is_the_time_to_leave_downhill():
    drawn = scene(SADDLE, [Contender("sgd", resolve("sgd", {}))], start=(0.0, 1.0), steps=50)
    assert lowest_of(drawn) is None
    found = row(resolve("sgd", {}), drawn, None, np.array([1e-5, 0.1, 0.5, 1.5]))
    starts = starts_around((0.0, 1.0), SADDLE.window)
    needed = np.ceil(np.log(2 / np.abs(starts[:, 1])) / np.log(1.2) - 1e-9).mean()
    assert found.scores[0] == 50 and found.scores[1] == pytest.approx(needed, abs=0.05)
    assert found.scores[2] < found.scores[1]
    assert starts_around((-2.0, 2.0), SADDLE.window).min(axis=0) == pytest.approx([-2.0, 1.6])


def test_where_no_run_leaves_no_rate_is_the_best():
    given = [Contender("sgd", resolve("sgd", {}))]
    drawn = scene(SADDLE, given, steps=1)
    assert row(resolve("sgd", {}), drawn, None, np.array([1e-3, 1e-2])).best is None
    flat = surface("level", window=((-1, 1), (-1, 1)), starts=((0.0, 0.0),))(lambda x, y: 0 * x)
    assert "none: no run leaves" in texts_of(rate_map(scene(flat, given, steps=2)))


def test_runs_that_leave_uphill_are_lost():
    drawn = scene(SADDLE, [Contender("sgd", resolve("sgd", {}))], start=(-1.5, 0.0), steps=50)
    found = row(resolve("sgd", {}), drawn, None, np.array([0.3, 3.0]))
    assert found.lost.tolist() == [False, True] and found.best == 0


def texts_of(figure):
    return [text.get_text() for each in (figure, *figure.axes) for text in each.texts]


def test_the_picture_of_basins_says_what_it_shows(monkeypatch):
    monkeypatch.setattr(basin_module, "STARTS", 30)
    given = [Contender("SGD", resolve("sgd", {"lr": 0.01})), Contender("Adam", resolve("adam", {"lr": 0.2}))]
    figure = basin_map(scene(HIMMELBLAU, given, steps=50))
    said = texts_of(figure)
    assert {"SGD", "Adam", "lr 0.01", "lr 0.2", "A", "B", "C", "D", "near no minimum yet"} <= set(said)
    assert sum(len(axes.images) for axes in figure.axes) == 2
    pixels = figure.axes[0].images[0].get_array()
    assert pixels.shape == (30, 30, 3) and len(np.unique(pixels.reshape(-1, 3), axis=0)) >= 4


def test_many_minima_are_coloured_by_height(monkeypatch):
    monkeypatch.setattr(basin_module, "STARTS", 30)
    known = SURFACES["rastrigin"]
    figure = basin_map(scene(known, [Contender("SGD", resolve("sgd", {"lr": 0.003}))], steps=30))
    said = texts_of(figure)
    assert any("121 found" in text for text in said) and any("the lowest" in text for text in said)


def test_the_picture_of_rates_names_the_best_and_leaves_out_who_has_none():
    @rule("a rule without a rate")
    def fixed(x, g, t):
        return x - 0.1 * g

    given = [Contender("SGD", resolve("sgd", {"lr": 0.03})), Contender("Fixed", setting(fixed))]
    figure = rate_map(scene(SURFACES["ravine"], given, steps=50))
    said = texts_of(figure)
    assert any(text.startswith("0.0") and ":" in text for text in said)
    assert any("Without a learning rate, and so not here: Fixed" in text for text in said)
    assert "Fixed" not in said and "SGD" in said
    with pytest.raises(InputError, match="a rule with a learning rate"):
        rate_map(scene(SURFACES["ravine"], given[1:], steps=50))

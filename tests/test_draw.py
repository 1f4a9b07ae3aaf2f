"""What still pictures show, mostly as data: scenes, rates, labels, levels; and a handful of real figures."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thalweg.draw import rates, save
from thalweg.draw.contours import heights, levels, way
from thalweg.draw.labels import NAMES, entry_of, name_of, spread
from thalweg.draw.page import balanced
from thalweg.draw.path import end_of, limits, loss, lowest_of, path
from thalweg.draw.scene import DASHES, Contender, Scene, note_of, scene, values_along
from thalweg.draw.steps import Column, steps, until_gone
from thalweg.draw.views import still
from thalweg.errors import InputError
from thalweg.formula.surface import surface
from thalweg.rules import RULES
from thalweg.rules.setting import resolve
from thalweg.surfaces import SURFACES
from thalweg.surfaces.parsed import surface_of

USUAL = tuple(NAMES)
lengths = st.floats(0.1, 10.0)


def drawn(name: str, rules: tuple[str, ...] = USUAL, **more) -> Scene:
    chosen = SURFACES[name]
    found = [Contender(NAMES.get(r, r), rates.declared(chosen, resolve(r, {}))) for r in rules]
    return scene(chosen, found, **more)


@given(st.lists(st.tuples(st.floats(-5.0, 15.0), lengths), max_size=12), st.floats(0.0, 60.0))
def test_labels_neither_overlap_nor_leave_the_room(asked: list[tuple[float, float]], room: float) -> None:
    wanted, sizes = [w for w, _ in asked], [s for _, s in asked]
    found = spread(wanted, sizes, 0.0, room)
    if found is None:
        assert sum(sizes) > room
        return
    boxes = sorted((p - s / 2, p + s / 2) for p, s in zip(found, sizes, strict=True))
    assert all(low >= -1e-9 and high <= room + 1e-9 for low, high in boxes)
    assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(boxes))


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.floats(0.1, 3.0)), min_size=2, max_size=6))
def test_labels_keep_their_order_and_stand_where_they_want_if_they_can(asked: list[tuple[float, float]]) -> None:
    wanted, sizes = [w for w, _ in asked], [s for _, s in asked]
    found = spread(wanted, sizes, -50.0, 70.0)
    assert found is not None
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(found[i] <= found[j] + 1e-9 for i, j in itertools.pairwise(order))
    apart = all(wanted[j] - wanted[i] >= (sizes[i] + sizes[j]) / 2 for i, j in itertools.pairwise(order))
    assert not apart or np.allclose(found, wanted)
    assert np.isclose(sum(found), sum(wanted))  # blocks stand where their members want to be on average


def test_a_rule_in_proportion_is_told_by_its_steps_and_agrees_with_its_facts() -> None:
    for name, rule in RULES.items():
        told = bool(rule.facts & {"scale_invariant", "step_bounded_by_lr"})
        dividing = told or name in {"radam", "radam_eps_after", "ftrl"}  # which divide, but not in all of their steps
        assert rates.in_proportion(rule) is not dividing, name


def test_rates_are_the_surfaces_unless_lr_is_a_factor_without_unit() -> None:
    ravine = SURFACES["ravine"]
    found = {name: rates.declared(ravine, resolve(name, {})).hyper["lr"] for name in RULES}
    assert {name for name, rate in found.items() if rate not in ravine.rates} == {"adadelta"}
    assert found["adadelta"] == RULES["adadelta"].hyper["lr"]
    assert found["schedule_free_sgd"] == ravine.rates[0]


def test_the_best_rate_is_the_grids_best() -> None:
    shown, chosen = SURFACES["himmelblau"], Contender("SGD", resolve("sgd", {}))
    (found,) = rates.best(shown, [chosen], shown.starts[0], 30, shown.window)
    tried = [scene(shown, [replace(chosen, setting=rates.at_rate(chosen.setting, r))], steps=30) for r in rates.GRID]
    finals = [np.nan_to_num(t.descents[0].values[-1], nan=np.inf) for t in tried]
    assert found.setting.hyper["lr"] == float(f"{rates.GRID[int(np.argmin(finals))]:.3g}")
    assert len(set(rates.GRID)) == 61
    assert all(one < other for one, other in itertools.pairwise(rates.GRID))


def test_a_rate_that_was_asked_for_is_kept_and_no_minimum_is_refused() -> None:
    saddle = SURFACES["saddle"]
    asked = Contender("SGD", resolve("sgd", {"lr": 0.5}), frozenset({"lr"}))
    assert rates.best(saddle, [asked], saddle.starts[0], 5, saddle.window) == [asked]
    with pytest.raises(InputError, match="a minimum for --lr best"):
        rates.best(saddle, [replace(asked, given=frozenset())], saddle.starts[0], 50, saddle.window)


def test_settings_tell_what_was_asked_for_and_what_is_unusual() -> None:
    told = Contender("Adam", resolve("adam", {"lr": 0.1, "beta1": 0.9}), frozenset({"beta1"}))
    assert told.settings == "lr 0.1, beta1 0.9"
    assert told.settings_without_rate == "beta1 0.9"
    assert Contender("AdaGrad", resolve("adagrad", {"dialect": "torch", "initial_accumulator_value": 0.5})).settings
    with_start = resolve("RMSPropOptimizer", {"dialect": "tf1"})
    assert "v_0 1.0" in Contender("RMSProp", with_start).settings
    assert name_of(Contender("Adam lr 0.1", resolve("adam", {"lr": 0.1}))) == "Adam"


def test_notes_tell_what_became_of_a_run() -> None:
    window = ((-1.0, 1.0), (-1.0, 1.0))
    still_there = np.zeros((3, 2))
    assert note_of(still_there, np.zeros(3), window) == ""
    back = np.array([[0.0, 0.0], [5.0, 0.0], [0.5, 0.0]])
    assert note_of(back, np.zeros(3), window) == ""
    assert note_of(back[:2], np.zeros(2), window) == "left the window at step 1"
    assert note_of(np.array([[0.0, 0.0], [np.inf, 0.0]]), np.zeros(2), window) == "diverged at step 1"
    assert note_of(np.array([[0.0, 0.0], [1e200, 0.0]]), np.array([0.0, np.inf]), window) == "diverged at step 1"
    assert note_of(back, np.array([0.0, np.nan, 0.0]), window) == "no value at step 1"


def test_contours_are_even_on_wide_slopes_and_dense_in_deep_valleys() -> None:
    plateau, rosenbrock = (heights(SURFACES[n], SURFACES[n].window, 41)[2] for n in ("plateau", "rosenbrock"))
    assert np.allclose(np.diff(levels(plateau, 0.0), 2), 0, atol=1e-9)
    gaps = np.diff(levels(rosenbrock, 0.0))
    assert gaps[0] < gaps[-1] / 100
    assert levels(np.full((3, 3), 7.0)).tolist() == [7.0, 8.0]
    assert levels(np.array([np.nan])).tolist() == [0.0, 1.0]
    assert np.isnan(heights(surface_of("exp(x**2)"), ((-40.0, 40.0), (0.0, 1.0)), 5)[2]).any()


def test_lines_are_cut_at_the_window_and_end_when_they_leave_for_good() -> None:
    shown = drawn("saddle", ("momentum",))
    line = way(shown.descents[0], shown.window)
    inside = line[np.isfinite(line).all(axis=1)]
    (low, high) = np.array(shown.window).T
    assert (inside >= low - 1e-9).all()
    assert (inside <= high + 1e-9).all()
    assert np.isclose(inside[-1][1], 2.0)
    assert until_gone(np.array([0.0, np.nan]), -1.0, 1.0).tolist() == [0.0]
    assert until_gone(np.array([0.0, 1e300, 2.0]), -1.0, 1.0).tolist() == [0.0, 41.0]


def test_the_loss_is_shown_over_the_values_that_runs_have_inside() -> None:
    ravine, saddle = drawn("ravine"), drawn("saddle")
    low, high = limits(ravine, lowest_of(ravine))
    assert 0 < low < 1e-5
    assert high > ravine.descents[0].values[0]
    assert lowest_of(saddle) is None
    assert limits(saddle, None)[0] > -5.0  # though runs end at -50,000
    assert loss(np.array([1.0, np.inf, 0.0]), 0.0, 2.0, floor=False).tolist() == [1.0, 20.0]


def test_labels_of_lines_that_left_are_in_the_order_of_leaving() -> None:
    shown = drawn("saddle")
    with save.style():
        from matplotlib.figure import Figure

        axes = Figure().add_subplot()
        axes.set_ylim(*limits(shown, None))
        found = {d.contender.label: end_of(axes, d, shown) for d in shown.descents}
    assert found["RMSProp"] < found["Adam"] < found["Momentum"] < 0 < found["AdaGrad"] < found["SGD"] < 1


def test_lines_of_one_colour_have_dashes_of_their_own() -> None:
    shown = drawn("saddle", ("adam", "adamax", "sgd", "adam_eps_hat"), steps=1)
    assert [d.dash for d in shown.descents] == [DASHES[0], DASHES[1], DASHES[0], DASHES[2]]
    assert len({d.colour for d in drawn("saddle", steps=1).descents}) == len(USUAL)


def test_a_paragraph_is_wrapped_into_lines_of_like_length() -> None:
    assert balanced("") == []
    text = SURFACES["ravine"].teaches
    lines = balanced(text)
    assert " ".join(lines) == text
    assert max(map(len, lines)) <= 145
    assert min(map(len, lines)) > 0.6 * max(map(len, lines))


def test_a_function_that_was_typed_is_its_own_title() -> None:
    assert scene(surface_of("x**2 + y"), ()).title == "f(x, y) = x**2 + y"
    assert drawn("two_minima", ()).title == "Two minima"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"steps": 0}, "expected 1 to 100,000 steps, got 0"),
        ({"steps": 10**7}, "expected 1 to 100,000 steps, got 10,000,000"),
        ({"start": (9.0, 0.0)}, "expected a start inside the window"),
        ({"window": ((1.0, 1.0), (0.0, 1.0))}, "ends of x rise"),
    ],
    ids=["no steps", "too many steps", "a start outside", "a window of no size"],
)
def test_a_scene_that_cannot_be_is_refused(given: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        drawn("saddle", ("sgd",), **given)


# Real figures.


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_a_picture_tells_all_its_settings() -> None:
    noisy = SURFACES["saddle"].noisy(0.5, seed=3)
    asked = Contender("Momentum", resolve("momentum", {"lr": 0.2, "rho": 0.5}), frozenset({"rho"}))
    with save.style():
        found = texts(path(scene(noisy, [asked], steps=30, remark="as asked")))
    assert "30 steps from (-1.5, 0.001); noise 0.5 in gradients, seed 3; as asked; a dot every 2 steps" in found
    assert {"Saddle", "Momentum", "lr 0.2, rho 0.5"} <= set(found)
    assert any(text.startswith("left the window") for text in found)
    said = f"At the surface's own start, rates and steps: {noisy.teaches}"
    assert "".join(said.split()) in "".join("".join(found).split())


def test_all_rules_fit_on_one_picture() -> None:
    shown = drawn("saddle", tuple(RULES), steps=20)
    with save.style():
        figure = path(shown)
        wide, tall = figure.bbox.size
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.texts]
    assert set(map(entry_of, shown.descents)) <= set(texts(figure))
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= wide and b.y1 <= tall for b in boxes)
    for one, other in itertools.combinations(boxes, 2):
        assert not (one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)


@pytest.mark.parametrize("rules", [USUAL, ("optimistic_gradient_descent", "rmsprop_inside_centered_momentum")])
def test_labels_beside_the_loss_do_not_collide(rules: tuple[str, ...]) -> None:
    with save.style():
        figure = path(drawn("saddle", rules))
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.texts]
        right = figure.bbox.width
    assert max(b.x1 for b in boxes) < right
    for one, other in itertools.combinations(boxes, 2):
        overlap = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert not (one.x0 < other.x1 and other.x0 < one.x1 and overlap > 1)


def test_steps_shows_each_coordinate_at_each_rate() -> None:
    columns = [Column(f"lr {k}", drawn("ravine", ("sgd", "adam"), steps=10), ("", "lr 1")) for k in (1, 2, 3)]
    with save.style():
        figure = steps(columns)
    assert len(figure.axes) == 6
    assert [axes.get_ylim() for axes in figure.axes] == [(-5.0, 2.0), (-2.5, 2.5)] * 3
    assert {"lr 1", "lr 2", "lr 3", "SGD", "Adam  lr 1"} <= set(texts(figure))


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_the_same_picture_has_the_same_bytes_whatever_matplotlib_was_told(ending: str) -> None:
    import matplotlib

    column = Column("", drawn("plateau", ("sgd", "adam"), steps=20), ("", ""))
    first = still("path", [column], ending)
    kept = matplotlib.rcParams["font.size"]
    with matplotlib.rc_context({"font.size": 31, "lines.linewidth": 9, "svg.hashsalt": None, "axes.grid": True}):
        assert still("path", [column], ending) == first
        assert matplotlib.rcParams["font.size"] == 31
    assert matplotlib.rcParams["font.size"] == kept
    assert first.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")
    assert b"<dc:date>" not in first


def test_surfaces_without_a_number_somewhere_are_drawn() -> None:
    @surface("a hole", window=((-2, 2), (-2, 2)), starts=((1.0, 1.0),), minima=((0.5, 0.5),))
    def hole(x, y):
        return 1 / x + y**2

    found = scene(hole, [Contender("SGD", resolve("sgd", {"lr": 3.0}))], steps=5)
    assert still("path", [Column("", found, ("",))], ".png")
    flat = scene(surface_of("3"), [Contender("SGD", resolve("sgd", {}))], steps=5)
    assert np.ptp(values_along(flat.surface, flat.descents[0].points)) == 0
    assert still("path", [Column("", flat, ("",))], ".png")

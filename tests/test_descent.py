"""The kernel of whole descents equals the reference: every rule, on surfaces with and without exp, sin and the like."""

import numpy as np
import pytest

from catalogue import assert_same_bits
from test_minimize import hyper_arrays
from thalweg import minimize
from thalweg.formula import Rule, exp, rule, sqrt, where
from thalweg.formula.surface import Surface, surface
from thalweg.frameworks import numpy as face
from thalweg.frameworks.numpy import stepped
from thalweg.rules import NAMES, RULES
from thalweg.rules.setting import setting
from thalweg.schedules import cosine
from thalweg.surfaces import SURFACES
from thalweg.sweep import descend as kernels
from thalweg.sweep.descend import fused
from thalweg.sweep.runs import Runs, room_for, runs_of

RUNS, STEPS = 301, 200  # two blocks and a part of one


def starts(runs: int = RUNS) -> np.ndarray:
    """Spread over a window, and at zeros, subnormal, tiny and huge numbers."""
    points = np.random.default_rng(0).uniform(-2, 2, (runs, 2))
    points[:3] = [(0.0, -0.0), (-1e-310, 1e-160), (1e-160, 1e150)][:runs]
    return points


def hard_arrays(rule: Rule) -> dict[str, np.ndarray]:
    """For every hyperparameter a number for each run: zero, subnormal, huge and ordinary ones."""
    random, arrays = np.random.default_rng(1), hyper_arrays(rule)
    rates = np.concatenate([np.geomspace(1e-6, 3, RUNS - 3), [0, 1e-310, 1e300]])
    return {h: random.permutation(rates) if h == "lr" else random.choice(v, RUNS) for h, v in arrays.items()}


def assert_same(runs: Runs, field: Surface, what: str) -> np.ndarray:
    """Kernel and reference agree to the last bit, in all that they record."""
    ours, reference = room_for(runs), room_for(runs)
    last = fused(runs, field, ours)
    assert_same_bits(last, np.array(stepped(runs, field, reference)), f"{what}, last")
    if ours is not None:
        assert_same_bits(ours, reference, what)
    return last


# What is hard about each: nothing; a point and no other state; scalar states that start at a hyperparameter; powers of
# hyperparameters; a state that starts at the weights, and a point; conditions; a quotient in the surface.
SOME = {
    "adam": "saddle",
    "nesterov_lookahead": "himmelblau",
    "asgd": "rosenbrock",
    "schedule_free_adamw": "plateau",
    "rprop_plus": "beale",
}


@pytest.mark.parametrize("name", SOME)
def test_hyperparameters_of_each_runs_own(name):
    field = SURFACES[SOME[name]]
    last = assert_same(
        runs_of(setting(RULES[name]), starts(), STEPS, "all", hard_arrays(RULES[name]), field), field, name
    )
    assert (np.isfinite(last).any() and not np.isfinite(last).all()) or name == "adam"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_rule(name):
    field = SURFACES["rosenbrock"]
    assert_same(runs_of(setting(RULES[name]), starts(), STEPS, "all", hard_arrays(RULES[name]), field), field, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adam", "ftrl", "schedule_free_sgd"])
@pytest.mark.parametrize("field", ["saddle", "ravine", "beale", "himmelblau", "plateau"])
def test_every_surface_without_elementary_functions(field, name):
    rates = {"lr": np.geomspace(1e-4, 1, RUNS)}
    for arrays in ({}, rates):
        runs = runs_of(setting(RULES[name]), starts(), STEPS, 7, arrays, SURFACES[field])
        assert_same(runs, SURFACES[field], f"{name} on {field}")


def ahead(x, total, m, lr):
    return x - where(total > 0.5, lr, 2 * lr) * m


@rule("nowhere", initial={"total": "lr", "w": "x", "p": 1.0}, point=ahead, scalars=("total", "p", "q"))
def involved(x, g, t, total, m, w, p, q, *, lr=0.1, b=0.9, c=0.5):  # noqa: PLR0913  (as many as a kernel may meet)
    """Old and new scalar states, exchanged ones, conditions and every kind of power once per step."""
    grown = 2 * total**0.5 + lr**1.5
    s = where(lr > 0.01, 2.0 ** (-lr * t), lr**0.5) + lr**2.0
    m = where(total > 1.0, m + lr / grown * (g - m), where(b > 0.5, m * b, s * g))
    x = x - s * m * total - 1e-9 * w + q * 1e-9
    return x, where(p > 0.5, grown, total), m, w, q, where(t > 3.0, lr * c, exp(-lr))


@surface("nowhere", window=((-2, 2), (-2, 2)), starts=((1.0, 1.0),))
def corners(x, y):
    return abs(x) / (1 + abs(y)) + where(x > y, x * y, sqrt(y * y + 1)) - 1e-310 * x


ONE = [pytest.param((name,), marks=pytest.mark.slow, id=name) for name in ("lr", "b", "c")]


@pytest.mark.parametrize("differ", [*ONE, pytest.param(("lr", "b", "c"), id="all"), pytest.param((), id="none")])
def test_scalar_states_conditions_and_powers_of_ones_own(differ):
    random = np.random.default_rng(2)
    arrays = {name: random.choice([0.0, 1e-160, 0.005, 0.3, 0.8], RUNS) for name in differ}
    assert_same(runs_of(setting(involved), starts(), 50, 3, arrays, corners), corners, "involved on corners")


def test_a_schedule_is_read_once_per_step():
    chosen = setting(RULES["adam"], {"lr": cosine(0.1, 40), "beta1": lambda t: 0.9 - 0.4 / t})
    assert_same(runs_of(chosen, starts(), 50, 1, {}, SURFACES["saddle"]), SURFACES["saddle"], "adam under schedules")


@pytest.mark.parametrize("runs", [1, 127, 128, 129, 257])
def test_a_run_does_not_depend_on_those_beside_it(runs):
    field = SURFACES["saddle"].noisy(0.1, seed=3)
    every = fused(runs_of(setting(RULES["adam"]), starts(), 30, "last", {}, field), field, None)
    fewer = fused(runs_of(setting(RULES["adam"]), starts()[:runs], 30, "last", {}, field), field, None)
    assert_same_bits(fewer, every[:runs].copy(), f"{runs} runs")


def test_threads_and_the_length_of_tables_change_nothing(monkeypatch):
    field, chosen = SURFACES["saddle"].noisy(0.1), setting(RULES["nadam"])
    runs = runs_of(chosen, starts(), 50, 4, {"lr": np.geomspace(1e-4, 1, RUNS)}, field)
    once = room_for(runs)
    fused(runs, field, once, threads=1)
    monkeypatch.setattr(kernels, "SMALL", 0)
    for threads, steps in ((4, 4096), (1, 7), (3, 1)):
        monkeypatch.setattr(kernels, "STEPS", steps)
        path = room_for(runs)
        fused(runs, field, path, threads=threads)
        assert_same_bits(path, once, f"{threads} threads, {steps} steps at once")


def test_minimize_takes_the_kernel_where_there_is_much_to_do(monkeypatch):
    asked = []
    monkeypatch.setattr(face, "fused", lambda *given: asked.append(given) or fused(*given))
    rates = np.geomspace(1e-3, 1, 100)[:, None]
    small = minimize("adam", SURFACES["saddle"], starts(30), steps=20, lr=rates, record=5)
    assert not asked
    monkeypatch.setattr(face, "LARGE", 0)
    large = minimize("adam", SURFACES["saddle"], starts(30), steps=20, lr=rates, record=5)
    assert len(asked) == 1 and large.shape == (5, 100, 30, 2)
    assert_same_bits(large, small, "kernel and reference")
    last = minimize("adam", SURFACES["saddle"], starts(30), steps=20, lr=rates, record="last")
    assert_same_bits(last, small[-1].copy(), "the last")


@pytest.mark.parametrize(("name", "field"), [("momentum", "two_minima"), ("adam", "waves")])
def test_with_elementary_functions_within_1e_minus_10_for_100_steps(name, field):
    """NumPy's exp, sin and cos and the C library's differ in the last bit; here no run is near a watershed."""
    (left, right), (low, high) = SURFACES[field].window
    points = np.random.default_rng(0).uniform((left, low), (right, high), (RUNS, 2))
    chosen = setting(RULES[name], {"lr": SURFACES[field].rates[name == "adam"]})
    runs = runs_of(chosen, points, 100, 1, {}, SURFACES[field])
    ours, reference = room_for(runs), room_for(runs)
    fused(runs, SURFACES[field], ours)
    stepped(runs, SURFACES[field], reference)
    np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-10)


def test_a_noisy_gradient_is_the_same_to_the_last_bit():
    field = SURFACES["rosenbrock"].noisy(0.3, seed=2**32 - 1)
    runs = runs_of(setting(RULES["asgd"]), starts(), 50, 1, {"lr": np.geomspace(1e-5, 1e-3, RUNS)}, field)
    assert_same(runs, field, "asgd with noise")

"""Noise in gradients: normal, independent, and a run's own whatever is beside it."""

import numpy as np
import pytest

from thalweg import minimize
from thalweg.compile.noise import mix, normal, run_keys, step_keys
from thalweg.surfaces import SURFACES

COUNT, STEPS = 2000, 250


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """For each step and component the noise of all runs."""
    return np.array([normal(3, np.arange(COUNT), t) for t in range(1, STEPS + 1)])


def test_the_mixing_is_murmurhashs_and_arrays_are_mixed_alike():
    assert [mix(h) for h in (0, 1, 2, 2**32 - 1)] == [0, 0x514E28B7, 0x30F4C306, 0x81F16F39]
    numbers = [0, 1, 77, 2**32 - 1]
    keys = [mix(mix(5 + 1) + run * 0x9E3779B9) for run in numbers]
    assert run_keys(5, numbers).tolist() == keys
    assert step_keys(5, 9) == tuple(mix(mix(5 + 2) + k * 0x9E3779B9) for k in (18, 19))


def test_it_is_written_down_what_the_noise_is():
    """For whoever writes it again in another language."""
    x, y = normal(0, np.array([0, 1, 4_000_000_000]), 1)
    assert x.tolist() == [1.9207700002128258, -0.9533547486971219, -0.537524450565777]
    assert y.tolist() == [-1.129762873653033, 0.2068708702482903, 1.0330450747932214]
    assert [float(n) for n in normal(2**32 - 1, 7, 1000)] == [-0.46237969222057795, 0.8692416332267867]


def test_mean_variance_and_tails(drawn):
    count = drawn.size
    assert abs(drawn.mean()) < 4 / count**0.5
    assert abs(drawn.var() - 1) < 4 * (2 / count) ** 0.5
    assert abs((drawn**3).mean()) < 4 * (15 / count) ** 0.5
    assert abs((drawn**4).mean() - 3) < 4 * (96 / count) ** 0.5
    for bound, share in ((1, 0.31731), (2, 0.04550), (3, 0.0026998)):
        assert abs((np.abs(drawn) > bound).mean() - share) < 4 * (share / count) ** 0.5


@pytest.mark.parametrize("of", [lambda n: n, abs, lambda n: n**2], ids=["noise", "size", "square"])
def test_neighbours_are_independent(drawn, of):
    values = of(drawn)
    values = (values - values.mean()) / values.std()
    other = of(np.array([normal(4, np.arange(COUNT), t) for t in range(1, STEPS + 1)]))
    other = (other - other.mean()) / other.std()
    pairs = {
        "components": (values[:, 0], values[:, 1]),
        "runs": (values[..., 1:], values[..., :-1]),
        "steps": (values[1:], values[:-1]),
        "step and component": (values[1:, 0], values[:-1, 1]),
        "run and step": (values[1:, :, 1:], values[:-1, :, :-1]),
        "seeds": (values, other),
    }
    for name, (a, b) in pairs.items():
        assert abs((a * b).mean()) < 4.5 / a.size**0.5, name


def test_no_two_runs_share_a_stretch_of_noise(drawn):
    """Not even shifted in time: of 10,000 pairs of runs and 250 steps hardly any two numbers are equal."""
    flat = np.sort(drawn[:, 0].ravel())
    assert (np.diff(flat) == 0).sum() <= 2


def test_a_run_has_the_noise_of_its_number():
    field = SURFACES["saddle"].noisy(0.5, seed=1)
    several = minimize("sgd", field, np.ones((2, 3, 2)), steps=20, lr=0.01)
    more = minimize("sgd", field, np.ones((9, 2)), steps=20, lr=0.01)
    assert np.array_equal(several.reshape(21, 6, 2), more[:, :6])
    assert np.unique(more[-1], axis=0).shape == (9, 2)
    alone = minimize("sgd", field, (1.0, 1.0), steps=20, lr=0.01)
    assert np.array_equal(alone, more[:, 0]), "one run is run 0"


def test_noise_has_the_deviation_asked_for_and_none_changes_nothing():
    saddle = SURFACES["saddle"]
    exact = minimize("sgd", saddle, np.ones((4000, 2)), steps=1, lr=1.0, record="last")
    noisy = minimize("sgd", saddle.noisy(0.25, seed=8), np.ones((4000, 2)), steps=1, lr=1.0, record="last")
    assert abs((noisy - exact).std() / 0.25 - 1) < 0.04
    assert np.array_equal(minimize("adam", saddle.noisy(0.0, seed=8), (1, 1)), minimize("adam", saddle, (1, 1)))

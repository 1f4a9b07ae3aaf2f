"""Means, intervals and chances over seeds: what they are, and how often the intervals hold the truth."""

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from thalweg.errors import InputError
from thalweg.lab.statistics import chance_better, estimate, paired
from thalweg.lab.table import Estimate

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


def by_seed(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values))


# --- what they are ---


@given(st.lists(NUMBERS, min_size=2, max_size=19).filter(lambda values: max(values) - min(values) > 1e-3))
def test_few_seeds_have_students_interval(values: list[float]):
    found = estimate(values)
    error = stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, statistics.fmean(values), error)
    assert found.method == "t" and found.seeds == len(values)
    scale = max(map(abs, values))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high), abs=1e-9 * scale)


def test_no_seed_one_seed_and_no_spread():
    assert estimate([]) == Estimate(None)
    assert estimate([0.5]) == Estimate(0.5, seeds=1)
    assert estimate([0.1] * 3) == Estimate(0.1, 0.1, 0.1, 3, "t")
    assert estimate([0.1] * 30) == Estimate(0.1, 0.1, 0.1, 30, "t")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_enters(bad: float):
    with pytest.raises(InputError, match="expected finite numbers"):
        estimate([0.5, bad])
    with pytest.raises(InputError, match="expected finite numbers"):
        paired({0: bad, 1: 0.5}, {0: 0.5, 1: 0.5})


def test_the_method_changes_at_twenty_seeds():
    values = np.random.default_rng(0).normal(size=20).tolist()
    assert estimate(values[:19]).method == "t" and estimate(values).method == "bootstrap"


@pytest.mark.parametrize("seeds", [3, 19, 20, 60])
def test_an_interval_does_not_depend_on_the_order_and_moves_with_the_values(seeds: int):
    values = np.random.default_rng(seeds).gamma(2.0, size=seeds)
    found, turned = estimate(values.tolist()), estimate(values[::-1].tolist())
    assert found == turned == estimate(values.tolist())
    assert None not in (found.low, found.mean, found.high) and found.low < found.mean < found.high
    moved, mirrored = estimate((3 * values + 7).tolist()), estimate((-values).tolist())
    assert (moved.low, moved.high) == pytest.approx((3 * found.low + 7, 3 * found.high + 7))
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_many_seeds_that_are_nearly_all_the_same_keep_an_interval():
    found = estimate([0.97] * 19 + [0.98])
    assert found.method == "t" and found.low < 0.97 < found.mean < found.high < 1
    assert estimate([0.97] * 10 + [0.98] * 10).method == "bootstrap"


def test_huge_and_tiny_numbers_do_not_overflow():
    assert estimate([1e300, 3e300]).mean == pytest.approx(2e300)
    assert chance_better({0: 1e300, 1: 2e300}, {0: 0.0, 1: 0.0}, True) == pytest.approx(0.8976, abs=1e-3)
    assert estimate([1e-310, 3e-310]).mean == pytest.approx(2e-310)


def test_pairs_are_made_by_seed_and_only_of_common_ones():
    found = paired({0: 1.0, 1: 2.0, 2: 50.0}, {1: 1.0, 0: 0.5, 3: 9.0})
    assert found == estimate([0.5, 1.0]) and found.mean > 0
    assert paired({0: 1.0}, {1: 1.0}) == Estimate(None)


def test_pairs_take_out_what_seeds_share():
    rng = np.random.default_rng(3)
    shared, a, b = rng.normal(size=5), 0.01 * rng.normal(size=5), 0.01 * rng.normal(size=5)
    found = paired(by_seed(list(shared + a + 0.1)), by_seed(list(shared + b)))
    assert found.low > 0 and found.high - found.low < 0.1 < estimate(list(shared)).high - estimate(list(shared)).low


def test_rounding_is_no_spread():
    a, b = [0.968, 0.970, 0.173], [0.965, 0.967, 0.170]
    assert len({x - y for x, y in zip(a, b, strict=True)}) > 1
    found = paired(by_seed(a), by_seed(b))
    assert found.low == found.high == found.mean == pytest.approx(0.003)
    assert paired({0: 0.1 + 0.2, 1: 0.3}, {0: 0.3, 1: 0.3}) == Estimate(0.0, 0.0, 0.0, 2, "t")


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=9), st.booleans())
def test_the_chance_is_the_t_tests_and_its_two_directions_add_up(pairs: list[tuple[float, float]], maximize: bool):
    a, b = by_seed([x for x, _ in pairs]), by_seed([y for _, y in pairs])
    chance = chance_better(a, b, maximize)
    assert chance + chance_better(b, a, maximize) == pytest.approx(1)
    assert chance + chance_better(a, b, not maximize) == pytest.approx(1)
    gaps = [x - y for x, y in pairs]
    if max(gaps) - min(gaps) > 1e-3:
        side = "greater" if maximize else "less"
        p = stats.ttest_rel(list(a.values()), list(b.values()), alternative=side).pvalue
        assert chance == pytest.approx(1 - p, abs=1e-6)


def test_a_chance_without_spread_and_without_seeds():
    a, b = {0: 0.5, 1: 0.7, 2: 0.9}, {0: 0.4, 1: 0.6, 2: 0.8}
    assert (chance_better(a, b, True), chance_better(a, b, False), chance_better(a, a, True)) == (1.0, 0.0, 0.5)
    assert chance_better({0: 1.0}, {0: 0.0}, True) is None
    assert chance_better({0: 1.0, 1: 2.0}, {1: 0.0, 2: 0.0}, True) is None


# --- how often the intervals hold the truth: .95 is what they promise ---


def coverage(draw: Callable[[tuple[int, int]], np.ndarray], truth: float, seeds: int, studies: int) -> float:
    found = [estimate(values) for values in draw((studies, seeds)).tolist()]
    return statistics.fmean(one.low <= truth <= one.high for one in found)


def normal(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(11).normal(0.97, 0.002, shape)


def mild(shape: tuple[int, int]) -> np.ndarray:
    """Accuracies of .97 with a spread of .002, as digits have: beta-distributed, a little skewed."""
    return np.random.default_rng(12).beta(7057, 218.26, shape)


def difference(shape: tuple[int, int]) -> np.ndarray:
    """The difference of two accuracies of .98 that crowd against 1 in different ways."""
    rng = np.random.default_rng(13)
    return rng.beta(98, 2, shape) - rng.beta(49, 1, shape)


def skewed(shape: tuple[int, int]) -> np.ndarray:
    """Accuracies of .98 with a spread of .02: they crowd against 1, as an exponential distribution does against 0."""
    return np.random.default_rng(14).beta(49, 1, shape)


FAIR = {"normal": (normal, 0.97), "mild": (mild, 7057 / 7275.26), "difference": (difference, 0.0)}


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("case", FAIR)
def test_students_interval_covers(case: str, seeds: int):
    assert 0.93 <= coverage(*FAIR[case], seeds, 6000) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [20, 50])
@pytest.mark.parametrize("case", FAIR)
def test_the_bootstrap_covers(case: str, seeds: int):
    assert 0.93 <= coverage(*FAIR[case], seeds, 800) <= 0.975


def test_where_values_crowd_against_a_bound_a_single_row_is_covered_less_and_the_bootstrap_mends_it():
    """Measured: .89, .89 and .90 at 3, 5 and 10 seeds by Student's t; .92 at 20 seeds; the bootstrap .95."""
    truth = 49 / 50
    by_seeds = {seeds: coverage(skewed, truth, seeds, 5000) for seeds in (3, 5, 10)}
    assert all(0.87 <= covered <= 0.93 for covered in by_seeds.values()), by_seeds
    assert coverage(skewed, truth, 20, 1000) >= 0.93

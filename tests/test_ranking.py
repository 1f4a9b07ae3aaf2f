"""Performance profiles over several problems: a case by hand, and what must hold for all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import InputError
from thalweg.lab.answer import Asked, plain_runs, rows
from thalweg.lab.ranking import GAP, STEPS, ranked
from thalweg.lab.table import Comparison, Profile

NEVER = math.inf


def problem(
    name: str, results: Mapping[str, Sequence[float]], target: float | None = 1.0, maximize: bool = False
) -> Comparison:
    """With a target every result is the number of steps to it, else the final metric; infinite where it got nowhere.

    An optimizer's name may end with ", tuned".
    """
    asked = []
    for label, values in results.items():
        runs = [_run(seed, value, target, maximize) for seed, value in enumerate(values)]
        kind = "tuned" if label.endswith(", tuned") else "default"
        asked.append(Asked(label.removesuffix(", tuned"), "r", {}, runs, kind=kind))
    found = rows(asked, epochs=1, maximize=maximize, target=target)
    runs = tuple(run for one in asked for run in plain_runs(one))
    return Comparison(name, "s", "d", "m", 1, 1, found, {}, runs, maximize=maximize, target=target)


def _run(seed: int, value: float, target: float | None, maximize: bool) -> dict:
    lost = math.isinf(value)
    metric = None if lost else value if target is None else target
    epoch = {"epoch": 1, "metric": metric, "loss": 1.0, "order_digest": "", "steps": 1 if lost else value}
    epochs = [epoch | {"time_seconds": 1.0, "time_optimizer_seconds": 0.1}]
    status = "diverged" if lost else "finished"
    head = {"status": status, "message": "", "key": "k", "weights_digest": "w", "spec": {"seed": seed}}
    return {**head, "epochs": epochs}


def scores(comparisons: Sequence[Comparison]) -> dict[str, float]:
    return {profile.optimizer: profile.score for profile in ranked(comparisons).profiles}


# --- by hand ---


def by_hand() -> list[Comparison]:
    """Costs 100, 200, never; 300, 100, 250: ratios 1, 2, infinite; 3, 1, 2.5."""
    return [
        problem("first", {"A": [90, 100, 700], "B": [200, 100, 300], "C": [50, NEVER, NEVER]}),
        problem("second", {"A": [300] * 3, "B": [100] * 3, "C": [250, 250, NEVER]}),
    ]


def test_a_case_by_hand():
    found = ranked(by_hand())
    assert found.problems == ("first", "second") and found.cost == STEPS
    factors = (1.0, 2.0, 2.5, 3.0, 4.0)
    assert found.profiles == (
        Profile("B", factors, (0.5, 1.0, 1.0, 1.0, 1.0), pytest.approx((2 / 3 + 1) / 2), rule="r"),
        Profile("A", factors, (0.5, 0.5, 0.5, 1.0, 1.0), pytest.approx((1 + 1 / 3) / 2), rule="r"),
        Profile("C", factors, (0.0, 0.0, 0.5, 0.5, 0.5), pytest.approx((0 + 1 / 2) / 2), rule="r"),
    )


def test_what_leaving_out_changes_by_hand():
    """Without the second problem A leads; without the first C passes A; without B, C's second cost is the best: a tie.

    Then A has (1 + (4 - 1.2) / 3) / 2 and C (0 + 1) / 2, so that A stays ahead.
    """
    found = ranked(by_hand())
    assert found.left_out == 5
    assert dict(found.changes) == {("problem", "second"): ("A", "B", "C"), ("problem", "first"): ("B", "C", "A")}


def test_leaving_out_an_optimizer_can_turn_the_order():
    """B is just behind A on one problem and far ahead on the other, where C beats both; without C, B's lead counts."""
    comparisons = [
        problem("first", {"A": [100], "B": [190], "C": [390]}),
        problem("second", {"A": [900], "B": [400], "C": [100]}),
    ]
    found = ranked(comparisons)
    assert [profile.optimizer for profile in found.profiles] == ["C", "A", "B"]
    assert found.changes["optimizer", "C"] == ("B", "A")


def test_the_area_below_the_profile_is_the_score():
    for profile in ranked(by_hand()).profiles:
        widths = np.diff(profile.factors)
        assert profile.score == pytest.approx(float(widths @ np.array(profile.shares[:-1])) / 3)


@pytest.mark.parametrize("maximize", [True, False])
def test_without_targets_gaps_count_in_spreads_between_seeds(maximize: bool):
    """Spreads 1, 1 and 20, of which 1 is the median: B is 1.5 behind on the first problem; C always diverged once."""
    sign = 1 if maximize else -1
    first = {"A": [98, 99, 100], "B": [96.5, 97.5, 98.5], "C": [60, 80, 100]}
    second = {"A": [94, 95, 96], "B": [98, 99, 100], "C": [NEVER, NEVER, 97]}
    comparisons = [
        problem(
            name, {o: [sign * v if v < NEVER else NEVER for v in values] for o, values in found.items()}, None, maximize
        )
        for name, found in (("first", first), ("second", second))
    ]
    assert ranked(comparisons).cost == GAP
    assert scores(comparisons) == pytest.approx({"B": (0.5 + 1) / 2, "A": 0.5, "C": 0.0})


def test_one_problem_without_target_makes_all_of_them_count_gaps():
    assert ranked([by_hand()[0], problem("third", {"A": [1, 2], "B": [2, 4], "C": [3, 5]}, None)]).cost == GAP


def test_where_seeds_make_no_difference_a_thousandth_does_not_count_for_everything():
    comparisons = [problem(n, {"A": [1.0, 1.0], "B": [1.0003, 1.0003], "C": [2.0, 2.0]}, None) for n in "xy"]
    assert scores(comparisons) == pytest.approx({"A": 1.0, "B": 0.9, "C": 0.0})
    nothing = [problem(n, {"A": [0.0, 0.0], "B": [0.1, 0.1]}, None) for n in "xy"]
    assert scores(nothing) == {"A": 1.0, "B": 0.0}


def test_a_problem_that_nobody_solves_counts_for_nobody():
    comparisons = [problem("x", {"A": [100], "B": [200]}), problem("y", {"A": [NEVER], "B": [NEVER]})]
    assert scores(comparisons) == pytest.approx({"A": 0.5, "B": 1 / 3})


def test_default_and_tuned_rows_are_two_and_say_so():
    comparisons = [problem(n, {"A": [100], "A, tuned": [50], "B": [200], "B, tuned": [90]}) for n in "xy"]
    assert set(scores(comparisons)) == {"A (default)", "A (tuned)", "B (default)", "B (tuned)"}
    assert set(scores([comparisons[0], problem("z", {"A": [1], "B, tuned": [1], "C": [1]})])) == {"A", "B"}


# --- for all ---

COSTS = st.lists(st.integers(1, 1000).map(float) | st.just(NEVER), min_size=3, max_size=3)
TABLES = st.lists(st.lists(COSTS, min_size=3, max_size=3), min_size=2, max_size=4)


def of_table(table: Sequence[Sequence[Sequence[float]]], names: str = "ABC") -> list[Comparison]:
    return [problem(f"p{k}", dict(zip(names, one, strict=True))) for k, one in enumerate(table)]


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_scores_lie_between_0_and_1_and_profiles_rise(table: list[list[list[float]]]):
    found = ranked(of_table(table))
    for profile in found.profiles:
        assert 0 <= profile.score <= 1 and profile.shares[-1] <= 1
        assert list(profile.shares) == sorted(profile.shares) and list(profile.factors) == sorted(set(profile.factors))
        assert profile.factors[0] == 1 and profile.factors[-1] == 4
    assert [p.score for p in found.profiles] == sorted((p.score for p in found.profiles), reverse=True)
    for (kind, name), order in found.changes.items():
        everyone = [p.optimizer for p in found.profiles if (kind, p.optimizer) != ("optimizer", name)]
        assert sorted(order) == sorted(everyone) and list(order) != everyone


@settings(max_examples=40, deadline=None)
@given(TABLES, st.randoms(use_true_random=False), st.sampled_from([0.125, 3.0, 64.0]))
def test_neither_order_nor_scale_matters(table: list[list[list[float]]], random, scale: float):
    found = ranked(of_table(table))
    comparisons = of_table([[[scale * v for v in own] for own in table[0]], *table[1:]])
    random.shuffle(comparisons)
    shuffled = [replace(one, rows=one.rows[::-1], runs=one.runs[::-1]) for one in comparisons]
    again = ranked(shuffled)
    assert again.changes == found.changes
    assert [(p.optimizer, p.score) for p in again.profiles] == [(p.optimizer, p.score) for p in found.profiles]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 10.0]), st.floats(-50, 50))
def test_gaps_depend_neither_on_the_scale_nor_on_the_zero_of_a_metric(seed: int, scale: float, zero: float):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (2, 3, 4)) + rng.normal(0, 1, (2, 3, 1))

    def of(first: np.ndarray) -> dict[str, float]:
        pair = (("x", first), ("y", values[1]))
        return scores([problem(n, dict(zip("ABC", one.tolist(), strict=True)), None) for n, one in pair])

    assert of(scale * values[0] + zero) == pytest.approx(of(values[0]), abs=1e-6)


# --- intervals ---


def noisy(seeds: int, gap: float = 1.5) -> list[Comparison]:
    rng = np.random.default_rng(4)
    factors = {"A": 1.0, "B": gap, "C": 2 * gap}
    return [
        problem(name, {o: (100 * f * np.exp(rng.normal(0, 0.2, seeds))).tolist() for o, f in factors.items()})
        for name in ("x", "y", "z")
    ]


def test_intervals_hold_the_score_from_five_seeds_on():
    assert all(p.low is None and p.high is None for p in ranked(noisy(4)).profiles)
    for seeds in (5, 10):
        for profile in ranked(noisy(seeds)).profiles:
            assert 0 <= profile.low <= profile.score <= profile.high <= 1
            assert profile.high > profile.low or profile.optimizer == "A", "A is always the best"
    assert ranked(noisy(5)) == ranked(noisy(5))
    shuffled = {p.optimizer: (p.low, p.high) for p in ranked(noisy(5)[::-1]).profiles}
    assert shuffled == {p.optimizer: (p.low, p.high) for p in ranked(noisy(5)).profiles}


def test_seeds_are_drawn_in_pairs():
    """What every optimizer shares by seed cancels in the ratios, however much it is."""
    shared = np.exp(np.random.default_rng(0).normal(0, 2, 7))
    comparisons = [problem(n, {"A": (100 * shared).tolist(), "B": (200 * shared).tolist()}) for n in "xy"]
    for profile in ranked(comparisons).profiles:
        assert (profile.low, profile.high) == pytest.approx((profile.score, profile.score))


def test_intervals_mostly_hold_the_score_of_endless_seeds():
    rng, hits, count = np.random.default_rng(6), 0, 0
    for _ in range(60):
        truth = np.exp(rng.normal(0, 0.5, (3, 3)))
        drawn = truth[:, :, None] * np.exp(rng.normal(0, 0.3, (3, 3, 7)))
        expected = np.clip((4 - truth / truth.min(axis=1, keepdims=True)) / 3, 0, 1).mean(axis=0)
        for profile in ranked(of_table(drawn.tolist())).profiles:
            hits += profile.low <= expected["ABC".index(profile.optimizer)] <= profile.high
            count += 1
    assert hits / count >= 0.9


# --- what is refused ---


def test_what_cannot_be_ranked_is_refused():
    one, two = by_hand()
    with pytest.raises(InputError, match="at least two problems to rank over, got 1"):
        ranked([one])
    with pytest.raises(InputError, match="every problem once, got 'first' more often"):
        ranked([one, two, one])
    with pytest.raises(InputError, match="at least two optimizers that are in all 2 comparisons, got 1"):
        ranked([one, problem("third", {"A": [1], "D": [2]})])
    with pytest.raises(InputError, match="got 'A' twice on 'first'"):
        ranked([replace(one, rows=one.rows + one.rows[:1]), two])
    with pytest.raises(InputError, match="got none: let the study end"):
        ranked([one, replace(two, runs=two.runs[:3])])
    with pytest.raises(InputError, match="at least two seeds on 'x', got one"):
        ranked([problem(n, {"A": [1.0], "B": [2.0]}, None) for n in "xy"])
    old = tuple({**run, "epochs": [{**epoch, "steps": None} for epoch in run["epochs"]]} for run in one.runs)
    with pytest.raises(InputError, match="a run of an older version without"):
        ranked([replace(one, runs=old), two])

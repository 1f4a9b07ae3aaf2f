"""Tuning: the same trials in whatever order results come, equal budgets, and a best value that lies inside."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import InputError
from thalweg.lab.space import DEFAULTS, Range
from thalweg.lab.trials import ROUND, SAMPLERS, Plan, Proposal, Tried, charged, stopping_rule, thresholds
from thalweg.lab.tuning import MOST_EXTENSIONS, Replay, best, edge_rule, replay, summary

LEARNING_RATE = {"lr": Range(1e-4, 1.0)}
Curve = Callable[[dict[str, float]], list[float] | str]  # a word is a status


def plan_of(sampler: str = "qmc", trials: int = 20, epochs: int = 10, seed: int = 0, **changes: object) -> Plan:
    return replace(Plan(sampler, trials, LEARNING_RATE, epochs, 18, seed), **changes)


def trained(plan: Plan, curve: Curve) -> Callable[[Proposal], Tried]:
    """What a training would answer: a curve shorter than the plan's epochs diverges, a missed threshold stops it."""

    def lookup(proposal: Proposal) -> Tried:
        metrics = curve(proposal.hyper)
        if isinstance(metrics, str):
            return Tried(metrics, ())
        for epoch, metric in enumerate(metrics, 1):
            bar = proposal.stop[epoch - 1]
            if bar is not None and not (metric >= bar if plan.maximize else metric <= bar):
                return Tried("stopped", tuple(metrics[:epoch]))
        return Tried("finished" if len(metrics) == plan.epochs else "diverged", tuple(metrics))

    return lookup


def valley(bottom: float, epochs: int = 10, diverges: float = math.inf) -> Curve:
    """The farther from the bottom, in powers of ten, the worse; slower where the rate is small."""

    def curve(hyper: dict[str, float]) -> list[float] | str:
        if hyper["lr"] > diverges:
            return "diverged"
        off = math.log10(hyper["lr"] / bottom)
        return [off**2 + math.exp(-epoch) for epoch in range(1, epochs + 1)]

    return curve


def spent(plan: Plan, found: Replay) -> int:
    return sum(charged(plan, tried) for proposal, tried in found.tried if not proposal.extra)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Plan, Curve]:
    """Objectives of every shape: valleys in and outside the range, plateaus, noise, divergence, failures, NaN."""
    epochs, seed = draw(st.integers(1, 7)), draw(st.integers(0, 5))
    space = draw(st.sampled_from([["lr"], ["lr", "beta1"], ["beta2"], ["lr", "eps", "dampening"]]))
    bottom, noise = draw(st.floats(-7, 3)), draw(st.sampled_from([0.0, 0.1, 2.0]))
    diverges, fails = draw(st.sampled_from([-9.0, -2.0, 0.5, 9.0])), draw(st.sampled_from([0.0, 0.2, 1.0]))
    digits, maximize = draw(st.sampled_from([0, 1, 15])), draw(st.booleans())

    def curve(hyper: dict[str, float]) -> list[float] | str:
        chance = random.Random(json.dumps([seed, hyper]))
        first = math.log10(next(iter(hyper.values())) or 1e-9)
        if first > diverges or chance.random() < fails:
            return "failed" if chance.random() < fails else [chance.random()] * chance.randrange(epochs)
        losses = [(first - bottom) ** 2 + noise * chance.gauss(0, 1) + 1 / epoch for epoch in range(1, epochs + 1)]
        rounded = [round(-loss if maximize else loss, digits) for loss in losses]
        return [math.nan] * epochs if chance.random() < noise / 10 else rounded

    ranges = {name: DEFAULTS[name] for name in space}
    plan = Plan(draw(st.sampled_from(SAMPLERS)), draw(st.integers(1, 14)), ranges, epochs, 7, seed, maximize)
    return plan, curve


@settings(max_examples=60, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_results_may_come_in_any_order_and_studies_may_be_cut_anywhere(
    problem: tuple[Plan, Curve], chance: random.Random
) -> None:
    plan, curve = problem
    whole, known = replay(plan, trained(plan, curve)), {}
    while not (now := replay(plan, lambda proposal: known.get(repr(proposal)))).done:
        assert 1 <= len(now.missing) <= ROUND
        proposal = chance.choice(now.missing)
        known[repr(proposal)] = trained(plan, curve)(proposal)
    assert repr(now) == repr(whole)  # the texts, since NaN equals nothing
    assert len(known) == len(whole.tried)


@settings(max_examples=150, deadline=None)
@given(problems())
def test_every_objective_costs_the_same_and_no_point_is_tried_twice(problem: tuple[Plan, Curve]) -> None:
    plan, curve = problem
    found = replay(plan, trained(plan, curve))
    assert plan.budget - plan.epochs < spent(plan, found) <= plan.budget
    tried = [json.dumps(proposal.hyper) for proposal, _ in found.tried]
    assert len(tried) == len(set(tried))
    for proposal, _ in found.tried:
        assert all(found.ranges[name].low <= value <= found.ranges[name].high for name, value in proposal.hyper.items())
    assert sum(proposal.extra for proposal, _ in found.tried) <= ROUND * MOST_EXTENSIONS
    assert (best(plan, found) is None) == (summary(plan, found, 1.0).best == {})


def test_nothing_is_proposed_while_a_round_is_incomplete() -> None:
    plan = plan_of()
    first = replay(plan, lambda proposal: None)
    assert (len(first.missing), first.tried, first.done) == (ROUND, (), False)
    lookup, held = trained(plan, valley(0.01)), first.missing[1]
    partly = replay(plan, lambda proposal: None if proposal == held else lookup(proposal))
    assert partly.missing == (held,)
    assert [proposal for proposal, _ in partly.tried] == [p for p in first.missing if p != held]


def test_other_seeds_try_other_points() -> None:
    rates = [[p.hyper["lr"] for p in replay(plan_of(seed=seed), lambda p: None).missing] for seed in (0, 1, 0)]
    assert rates[0] == rates[2] != rates[1]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("trials", [5, 8, 20])
@pytest.mark.parametrize("bottom", [1e-7, 1e-5, 3.0, 1000.0])
def test_the_range_grows_until_the_best_is_inside(sampler: str, trials: int, bottom: float) -> None:
    plan = plan_of(sampler, trials)
    found = replay(plan, trained(plan, valley(bottom)))
    chosen, rates = best(plan, found), sorted(proposal.hyper["lr"] for proposal, _ in found.tried)
    assert chosen is not None and found.at_edge == ()
    assert rates[0] < chosen["lr"] < rates[-1]
    assert abs(math.log10(chosen["lr"] / bottom)) < 0.3
    assert found.ranges["lr"].low <= bottom <= found.ranges["lr"].high
    assert all(not 1e-4 <= proposal.hyper["lr"] <= 1.0 for proposal, _ in found.tried if proposal.extra)


def test_growth_seen_early_is_paid_by_the_budget() -> None:
    found = replay(plan_of(), trained(plan_of(), valley(5.0)))
    beyond = [proposal for proposal, _ in found.tried if proposal.hyper["lr"] > 1]
    assert beyond and not any(proposal.extra for proposal in beyond)


def test_growth_is_bounded_and_says_so() -> None:
    plan = plan_of()
    found = replay(plan, trained(plan, lambda hyper: [hyper["lr"]] * 10))
    assert found.at_edge == ("lr",) == summary(plan, found, 1.0).at_edge
    assert found.ranges["lr"].low == pytest.approx(1e-4 / 10**MOST_EXTENSIONS)
    assert summary(plan, found, 1.0).started_from == {"lr": (1e-4, 1.0)}


@pytest.mark.parametrize(("sign", "end"), [(1, 0.0), (-1, 1 - 1e-7)])
def test_a_hard_limit_ends_the_growth(sign: int, end: float) -> None:
    plan = plan_of(ranges={"beta1": DEFAULTS["beta1"]})
    found = replay(plan, trained(plan, lambda hyper: [sign * hyper["beta1"]] * 10))
    assert best(plan, found) == {"beta1": end}
    assert found.at_edge == ("beta1",)


def test_only_the_side_of_the_best_grows_and_the_rest_stays_as_in_the_best() -> None:
    plan = plan_of(trials=16, ranges={"lr": Range(1e-4, 1.0), "eps": Range(1e-6, 1e-2)})

    def curve(hyper: dict[str, float]) -> list[float]:
        return [math.log10(hyper["lr"] / 0.01) ** 2 + 100 * math.log10(hyper["eps"] / 1.0) ** 2] * 10

    found = replay(plan, trained(plan, curve))
    grown = [proposal.hyper for proposal, _ in found.tried if proposal.hyper["eps"] > 1e-2]
    assert len({hyper["lr"] for hyper in grown}) == 1
    assert found.ranges["lr"] == plan.ranges["lr"] and found.ranges["eps"] == Range(1e-6, 10.0)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_diverges_beyond_the_best_bounds_it(sampler: str) -> None:
    plan = plan_of(sampler)
    found = replay(plan, trained(plan, valley(10.0, diverges=0.1)))
    chosen = best(plan, found)
    assert chosen is not None and 0.03 < chosen["lr"] <= 0.1
    assert found.ranges == plan.ranges and found.at_edge == ()
    assert all(trial.metric is None for trial in summary(plan, found, 1.0).trials if trial.status == "diverged")


def test_where_all_diverge_smaller_learning_rates_are_tried() -> None:
    plan = plan_of()
    found = replay(plan, trained(plan, valley(1e-7, diverges=1e-6)))
    chosen = best(plan, found)
    assert chosen is not None and abs(math.log10(chosen["lr"] / 1e-7)) < 0.3
    hopeless = replay(plan, trained(plan, lambda hyper: "diverged"))
    assert (best(plan, hopeless), hopeless.at_edge, hopeless.done) == (None, (), True)
    assert plan.budget - plan.epochs < spent(plan, hopeless) <= plan.budget


def test_where_all_fail_the_trials_are_used_up() -> None:
    found = replay(plan_of(), trained(plan_of(), lambda hyper: "failed"))
    assert (len(found.tried), best(plan_of(), found), found.ranges) == (20, None, LEARNING_RATE)


def test_a_failed_trial_is_never_chosen() -> None:
    plan = plan_of(trials=2, epochs=1)
    answers = iter([Tried("failed", (0.0,)), Tried("finished", (1.0,))])
    found = replay(plan, lambda proposal: next(answers))
    assert best(plan, found) == found.tried[1][0].hyper


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_constant_metric_grows_nothing_and_the_smallest_rate_is_chosen(sampler: str) -> None:
    plan = plan_of(sampler)
    found = replay(plan, trained(plan, lambda hyper: [0.5] * 10))
    rates = sorted(proposal.hyper["lr"] for proposal, _ in found.tried)
    assert best(plan, found) == {"lr": rates[0]}
    assert (len(rates), found.ranges, found.at_edge) == (20, plan.ranges, ())
    assert summary(plan, found, 1.0).width == (rates[0], rates[-1])


def test_the_last_epoch_counts_and_not_the_best() -> None:
    plan = plan_of(trials=2, epochs=2)
    answers = iter([Tried("finished", (0.0, 2.0)), Tried("finished", (3.0, 1.0))])
    found = replay(plan, lambda proposal: next(answers))
    assert best(plan, found) == found.tried[1][0].hyper


def test_more_is_better_where_the_metric_is_maximized() -> None:
    less, more = plan_of(), plan_of(maximize=True)
    curve = valley(0.02)
    one = replay(less, trained(less, curve))
    other = replay(more, trained(more, lambda hyper: [-metric for metric in curve(hyper)]))
    assert [p.hyper for p, _ in one.tried] == [p.hyper for p, _ in other.tried]
    assert [[bar and -bar for bar in p.stop] for p, _ in one.tried] == [list(p.stop) for p, _ in other.tried]


def test_trials_stop_only_where_the_rule_says() -> None:
    plan = plan_of()
    found = replay(plan, trained(plan, valley(0.01)))
    stops = [[bar is not None for bar in proposal.stop] for proposal, _ in found.tried]
    assert stops[:ROUND] == [[False] * 10] * ROUND
    assert stops[ROUND:] == [[False] * 3 + [True] * 6 + [False]] * (len(stops) - ROUND)
    assert any(tried.status == "stopped" for _, tried in found.tried) and len(found.tried) > plan.trials
    assert "end of epoch 4 to 9 of 10" in stopping_rule(plan)
    assert stopping_rule(plan_of(epochs=1)).startswith("No trial is stopped")
    assert f"at most {MOST_EXTENSIONS} times" in edge_rule()


def test_what_had_ended_counts_as_worst() -> None:
    plan = plan_of(epochs=4)
    ended = [Tried("diverged", (1.0,)), Tried("failed", ()), Tried("finished", (3.0, math.nan, 3.0, 3.0))]
    pairs = [(Proposal({}, ()), tried) for tried in [*ended, Tried("finished", (2.0, 2.0, 2.0, 2.0))]]
    assert thresholds(plan, pairs) == (None, None, None, None)
    pairs += [(Proposal({}, ()), Tried("finished", (4.0, 4.0, 4.0, 4.0)))] * 2
    assert thresholds(plan, pairs) == (None, None, 4.0, None)
    assert thresholds(plan, pairs[2:]) == (None, 4.0, 4.0, None)


def dropped(sampler: str, seed: int) -> bool:
    """Whether a trial was stopped that would have been the best in the end, where small rates begin slowly."""
    chance = random.Random(seed)
    centre, floor, speed = 10 ** chance.uniform(-3.5, -0.5), 10 ** chance.uniform(-3, -0.5), chance.uniform(0.5, 4)
    noise = chance.choice([0, 0.01, 0.05])

    def curve(hyper: dict[str, float]) -> list[float]:
        rate, own = hyper["lr"] / centre, random.Random(f"{seed} {hyper['lr']}")
        means = [math.exp(-speed * rate * epoch) + floor * rate + 0.05 for epoch in range(1, 11)]
        return [mean * math.exp(own.gauss(0, noise)) for mean in means]

    plan = plan_of(sampler, seed=seed)
    found = replay(plan, trained(plan, curve))
    chosen = best(plan, found)
    return chosen is not None and curve(chosen)[-1] > min(curve(proposal.hyper)[-1] for proposal, _ in found.tried)


@pytest.mark.parametrize(("sampler", "most"), [("qmc", 1), ("grid", 1), ("tpe", 2)])
def test_stopping_seldom_costs_the_eventual_best(sampler: str, most: int) -> None:
    assert sum(dropped(sampler, seed) for seed in range(40)) <= most


def test_the_summary_tells_the_budget_and_the_width() -> None:
    plan = plan_of(trials=5, epochs=3, sampler="grid", maximize=True)
    accuracy = {1e-4: 0.5, 1e-3: 0.895, 1e-2: 0.9, 0.1: 0.892, 1.0: 0.2}
    found = replay(plan, lambda proposal: Tried("finished", (0.0, 0.0, accuracy[proposal.hyper["lr"]])))
    told = summary(plan, found, 12.5)
    assert (told.steps, told.budget_steps, told.time_seconds) == (5 * 3 * 18, 5 * 3 * 18, 12.5)
    assert (told.best, told.width, told.at_edge) == ({"lr": 0.01}, (1e-3, 0.1), ())
    assert [trial.hyper["lr"] for trial in told.trials] == [1e-4, 1.0, 0.01, 1e-3, 0.1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "gird"}, "did you mean 'grid'"),
        ({"trials": 0}, "at least 1 trial, got 0"),
        ({"trials": 2.5}, "at least 1 trial, got 2.5"),
        ({"epochs": 0}, "at least 1 epoch, got 0"),
        ({"steps_per_epoch": 0}, "at least 1 step in an epoch, got 0"),
        ({"ranges": {}}, "something to tune"),
    ],
)
def test_plans_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_of(**change)

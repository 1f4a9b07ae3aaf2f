"""Which settings to try next, from those tried so far: tuning as a pure function, the same on every engine.

Trials come in rounds of a fixed size. A round, with the thresholds at which its trials stop, depends on the complete
rounds before it and on nothing else: not on which trial ended first, on how many ran at once, or on how often the study
was cut and resumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from thalweg.lab.answer import width_within
from thalweg.lab.sampling import Place, Seen, grid, quasi_random, tree_parzen
from thalweg.lab.space import GROWTH, Range, Side
from thalweg.lab.table import Trial, Tuning
from thalweg.lab.trials import ROUND, Pair, Plan, Proposal, Tried, charged, loss_of, stopping_rule, thresholds, winners

MOST_EXTENSIONS = 6  # how often ranges grow, all together
FEWEST = 3  # of two trials each lies at an edge
OUTERMOST: dict[Side, Callable[[Iterable[float]], float]] = {"low": min, "high": max}


@dataclass(frozen=True)
class Replay:
    """Tuning so far.

    Attributes:
        tried: The trials whose results are known, in the order in which they were proposed.
        missing: Those of the same round that must be run before anything else can be proposed.
        done: Whether there is nothing left to do.
        ranges: The ranges as far as they have grown.
        at_edge: Those whose best value lies at an edge that may not grow any more; empty before the end.
    """

    tried: tuple[Pair, ...]
    missing: tuple[Proposal, ...]
    done: bool
    ranges: Mapping[str, Range]
    at_edge: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Search:
    """What complete rounds leave behind: the ranges, the trials, how many places were drawn and ranges grown."""

    ranges: Mapping[str, Range]
    tried: tuple[Pair, ...] = ()
    rounds: int = 0
    drawn: int = 0
    extensions: int = 0
    proposals: tuple[Proposal, ...] = ()


def replay(plan: Plan, lookup: Callable[[Proposal], Tried | None]) -> Replay:
    """Go through all rounds again, up to the first whose results are not all known.

    Args:
        plan: What to tune, and the budget.
        lookup: What is known of a proposal; None where it was not run yet.

    Example:
        >>> plan = Plan("grid", 3, {"lr": Range(0.01, 1.0)}, epochs=1, steps_per_epoch=10, seed=0)
        >>> [proposal.hyper for proposal in replay(plan, lambda proposal: None).missing]
        [{'lr': 0.01}, {'lr': 1.0}, {'lr': 0.1}]
        >>> found = replay(plan, lambda proposal: Tried("finished", (abs(proposal.hyper["lr"] - 0.2),)))
        >>> found.done, best(plan, found)
        (True, {'lr': 0.1})
    """
    search = _Search(plan.ranges)
    while True:
        search = _next_round(plan, search)
        results = [(proposal, lookup(proposal)) for proposal in search.proposals]
        known = tuple((proposal, result) for proposal, result in results if result is not None)
        missing = tuple(proposal for proposal, result in results if result is None)
        if missing:
            return Replay(search.tried + known, missing, False, search.ranges)
        if not search.proposals:
            return Replay(search.tried, (), True, search.ranges, _stuck(plan, search))
        search = replace(search, tried=search.tried + known, rounds=search.rounds + 1)


def best(plan: Plan, replay: Replay) -> dict[str, float] | None:
    """The values of the trial with the best metric after its last epoch; None where none finished.

    Of equal ones the one with the smallest learning rate, and of those the one that was proposed first.
    """
    winning = winners(plan, replay.tried)
    return winning[0].hyper if winning else None


def edge_rule() -> str:
    """The rule by which ranges grow, in words."""
    return (
        f"When the best value is the lowest or the highest tried, its range grows by a factor {GROWTH:g} on that side "
        f"(at most {MOST_EXTENSIONS} times in all) until a trial beyond the best is worse, diverges or fails; when all "
        "trials diverge, the learning rate's range grows downwards. As long as the budget lasts it pays for them, and "
        "what lies beyond it is counted as extra trials."
    )


def _next_round(plan: Plan, search: _Search) -> _Search:
    """The search with its next proposals; none when it is at an end."""
    spent = sum(charged(plan, tried) for proposal, tried in search.tried if not proposal.extra)
    affordable = min((plan.budget - spent) // plan.epochs, ROUND)
    growing = [edge for edge in _edges(plan, search) if _may_grow(search, *edge)]
    if affordable and not (growing and _settled(plan, search)):
        drawn = _drawn(plan, search, affordable)
        if drawn.proposals:
            return drawn
    if not growing:
        return replace(search, proposals=())
    extended = _extended(plan, search, *growing[0], affordable)
    return extended if extended.proposals else _next_round(plan, extended)


def _drawn(plan: Plan, search: _Search, count: int) -> _Search:
    """A round of the sampler's, without anything that was tried before."""
    known, chosen = [proposal.hyper for proposal, _ in search.tried], []
    for place in _places(plan, search, count):
        exact = {name: limits.at(side) for (name, limits), side in zip(search.ranges.items(), place, strict=True)}
        short = {name: search.ranges[name].short(value) for name, value in exact.items()}
        new = [hyper for hyper in (short, exact) if hyper not in known]
        chosen, known = chosen + new[:1], known + new[:1]
    stop = thresholds(plan, search.tried)
    proposals = tuple(Proposal(hyper, stop) for hyper in chosen[:count])
    return replace(search, proposals=proposals, drawn=search.drawn + count)


def _places(plan: Plan, search: _Search, count: int) -> tuple[Place, ...]:
    """More places than are needed, the sampler's own first: some may turn out to have been tried."""
    sides = len(search.ranges)
    factorial = grid(plan.trials, sides) if plan.sampler == "grid" else ()
    after = max(search.drawn - len(factorial), 0)
    end = 1 << (after + 2 * ROUND - 1).bit_length()  # by powers of two, so that the same sequence is seldom drawn anew
    places = factorial[search.drawn :] + quasi_random(sides, end, plan.seed)[after : after + 2 * ROUND]
    if plan.sampler != "tpe" or search.rounds < 2 or not winners(plan, search.tried):
        return places
    history = tuple(_seen(plan, search.ranges, pair) for pair in search.tried)
    return tree_parzen(history, sides, count, plan.seed, search.rounds) + places


def _seen(plan: Plan, ranges: Mapping[str, Range], pair: Pair) -> Seen:
    proposal, tried = pair
    place = tuple(limits.place(proposal.hyper[name]) for name, limits in ranges.items())
    ended = tried.status not in ("finished", "stopped") or not tried.metrics
    loss = None if ended else loss_of(plan, tried.metrics[-1])
    return Seen(place, None if loss == math.inf else loss, len(tried.metrics), tried.status == "finished")


def _extended(plan: Plan, search: _Search, name: str, side: Side, affordable: int) -> _Search:
    """A round in what a range gains on one side, as dense as the budget fills the range, the rest as in the best."""
    old, winning = search.ranges[name], winners(plan, search.tried)
    middle = {other: limits.short(limits.at(0.5)) for other, limits in search.ranges.items()}
    count = min(math.ceil(plan.trials / max(plan.ranges[name].width, 1)), ROUND)
    values = dict.fromkeys(old.outside(side, count))
    hypers = [{**(winning[0].hyper if winning else middle), name: value} for value in values]
    new = [hyper for hyper in hypers if hyper not in [proposal.hyper for proposal, _ in search.tried]]
    stop = thresholds(plan, search.tried)
    proposals = tuple(Proposal(hyper, stop, i >= affordable) for i, hyper in enumerate(new))
    ranges = {**search.ranges, name: old.grown(side)}
    return replace(search, ranges=ranges, extensions=search.extensions + 1, proposals=proposals)


def _edges(plan: Plan, search: _Search) -> list[tuple[str, Side]]:
    """The sides at which the best value lies outermost of all that were tried.

    A trial that diverged or failed lies beyond the best as one that was worse does. Of equally good trials one inside
    is enough. Where none finished and some diverged, the learning rate was too large.
    """
    winning = [proposal.hyper for proposal in winners(plan, search.tried)]
    if not winning:
        diverged = any(tried.status == "diverged" for _, tried in search.tried)
        return [("lr", "low")] if diverged and "lr" in search.ranges else []
    tried = [proposal.hyper for proposal, _ in search.tried]
    scaled = [name for name, limits in search.ranges.items() if limits.scale != "linear"]
    pairs: list[tuple[str, Side]] = [(name, side) for name in scaled for side in OUTERMOST]
    return [(n, s) for n, s in pairs if {hyper[n] for hyper in winning} == {OUTERMOST[s](hyper[n] for hyper in tried)}]


def _stuck(plan: Plan, search: _Search) -> tuple[str, ...]:
    """At the end: the hyperparameters whose best value is still at an edge; none where there is no best one."""
    names = [name for name, _ in _edges(plan, search)] if winners(plan, search.tried) else []
    return tuple(dict.fromkeys(names))


def _may_grow(search: _Search, name: str, side: Side) -> bool:
    """Whether there are trials enough to tell an edge by, and room beyond it."""
    enough = len(search.tried) >= FEWEST and search.extensions < MOST_EXTENSIONS
    return enough and search.ranges[name].grown(side) != search.ranges[name]


def _settled(plan: Plan, search: _Search) -> bool:
    """Whether so much was tried that a best value at the edge is no accident: half of the budget, or the whole grid."""
    places = len(grid(plan.trials, len(plan.ranges))) if plan.sampler == "grid" else (plan.trials + 1) // 2
    return search.drawn >= max(places, 2 * ROUND)


def summary(plan: Plan, replay: Replay, seconds: float) -> Tuning:
    """What a report says about tuning.

    Args:
        plan: What was tuned.
        replay: What came of it.
        seconds: Training time of all trials.
    """
    trials = tuple(_told(plan, pair) for pair in replay.tried)
    return Tuning(
        sampler=plan.sampler,
        ranges={name: (limits.low, limits.high) for name, limits in replay.ranges.items()},
        started_from={name: (limits.low, limits.high) for name, limits in plan.ranges.items()},
        trials=trials,
        steps=sum(trial.epochs for trial in trials) * plan.steps_per_epoch,
        budget_steps=plan.budget * plan.steps_per_epoch,
        time_seconds=seconds,
        best=best(plan, replay) or {},
        at_edge=replay.at_edge,
        width=width_within(trials, plan.maximize) if "lr" in plan.ranges else None,
        rules=(stopping_rule(plan), edge_rule()),
    )


def _told(plan: Plan, pair: Pair) -> Trial:
    proposal, tried = pair
    metric = tried.metrics[-1] if tried.metrics and tried.status in ("finished", "stopped") else None
    metric = metric if metric is not None and math.isfinite(metric) else None
    return Trial(proposal.hyper, metric, tried.status, charged(plan, tried), proposal.extra)

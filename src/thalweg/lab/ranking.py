"""Several comparisons in one order: performance profiles after Dolan & Moré 2002, and how stable that order is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from thalweg.errors import InputError
from thalweg.lab.answer import until
from thalweg.lab.table import Comparison, Profile, Ranking

WIDEST = 4.0  # AlgoPerf's: an optimizer that needs four times the best one's cost has lost the problem
GAP_UNIT = 1e-3
RESAMPLES = 2000
FEWEST_SEEDS = 5  # below, no way of drawing seeds again covers
STEPS = "steps to the target"
GAP = "1 + gap of the final metric to the best one, in standard deviations between seeds"

Optimizer = tuple[str, str]  # label and kind


@dataclass(frozen=True)
class _Problem:
    """What every optimizer did on one problem, less being better.

    Attributes:
        name: The problem's.
        results: For every optimizer and, in its columns, every seed: the steps to the target, or the final metric
            (negative where more of it is better). Infinite where a run did not get there.
        by_steps: Whether these are steps.
    """

    name: str
    results: np.ndarray
    by_steps: bool


def ranked(comparisons: Sequence[Comparison]) -> Ranking:
    """Rank the optimizers that are in all of several comparisons.

    On each problem an optimizer has a cost: the median over its seeds of the optimizer steps until the target was met
    at the end of an epoch, infinite where it never was, if every problem has a target. If one has none, what counts on
    all of them is how far the median of the final metrics is from the best optimizer's, in standard deviations between
    seeds, plus 1. That unit is the only one which every metric has, whatever its scale and zero, and it says what
    matters: a gap of 1 is what another seed would do as well, and at 3, where a factor of 4 is reached, luck is no
    excuse any more. It is the (lower) median over the optimizers of their standard deviations, lest one erratic
    optimizer blur the rest, and at least 0.001 of the best value, lest rounding decide where seeds make no difference.
    A seed that did not finish counts as infinitely bad.

    An optimizer's profile is the share of problems on which its cost is within a factor of the best one's; its score
    is the mean of that share over the factors from 1 to 4. A problem on which no optimizer has a finite cost counts
    for none of them. The score's interval comes from drawing seeds again on every problem, the same for all
    optimizers. Noise makes the best one look better than it is, so that scores are too low, and drawn ones more so:
    the interval holds the middle 95 % of these and their mirror image. In simulations it covered .87 to .99 from 5
    seeds on; with fewer there is none. The problems themselves are taken as given; what they do to the order is told
    by leaving each out in turn, and each optimizer.

    Args:
        comparisons: One per problem. An optimizer that is not in all of them is left out; where one has a default and
            a tuned row they are two, and their labels say which is which.

    Returns:
        The ranking, the best score first; of equal scores the first in the alphabet.

    Raises:
        InputError: If there are fewer than two problems or optimizers, a problem is there twice, an optimizer has two
            rows alike, or its runs do not tell their steps.
    """
    _check(comparisons)
    optimizers = _in_all(comparisons)
    by_steps = all(one.target is not None for one in comparisons)
    problems = [_problem(one, optimizers, by_steps) for one in comparisons]
    labels = _labels(optimizers)
    rules = {(row.optimizer, row.kind): row.rule for row in comparisons[0].rows}
    everyone = list(range(len(labels)))
    scores = _scores(problems, everyone)
    order = sorted(everyone, key=lambda k: (-scores[k], labels[k]))
    ends = _intervals(problems)
    curves = _curves(problems)
    return Ranking(
        problems=tuple(problem.name for problem in problems),
        cost=STEPS if by_steps else GAP,
        profiles=tuple(Profile(labels[k], *curves[k], float(scores[k]), *ends[k], rules[optimizers[k]]) for k in order),
        changes=_changes(problems, order, labels),
        left_out=len(problems) + (len(order) if len(order) > 2 else 0),
    )


def _check(comparisons: Sequence[Comparison]) -> None:
    names = [one.problem for one in comparisons]
    if len(names) < 2:
        raise InputError(f"expected at least two problems to rank over, got {len(names)}: compare on another one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"expected every problem once, got '{twice[0]}' more often: choose one of its comparisons")


def _in_all(comparisons: Sequence[Comparison]) -> list[Optimizer]:
    rows = [[(row.optimizer, row.kind) for row in one.rows] for one in comparisons]
    for one, found in zip(comparisons, rows, strict=True):
        if len(set(found)) < len(found):
            double = next(pair for pair in found if found.count(pair) > 1)
            raise InputError(f"expected every optimizer once, got '{double[0]}' twice on '{one.problem}': rename one")
    common = sorted(set(rows[0]).intersection(*rows[1:]))
    if len(common) < 2:
        raise InputError(
            f"expected at least two optimizers that are in all {len(comparisons)} comparisons, got {len(common)}: "
            "compare the same ones on every problem"
        )
    return common


def _labels(optimizers: Sequence[Optimizer]) -> list[str]:
    """Their labels, with the kind where one has both."""
    labels = [label for label, _ in optimizers]
    return [f"{label} ({kind})" if labels.count(label) > 1 else label for label, kind in optimizers]


def _problem(comparison: Comparison, optimizers: Sequence[Optimizer], by_steps: bool) -> _Problem:
    """One column per seed that every optimizer has, so that they are compared and drawn again in pairs."""
    runs: dict[Optimizer, dict[int, Mapping[str, Any]]] = {optimizer: {} for optimizer in optimizers}
    for run in comparison.runs:
        own = runs.get((run["optimizer"], run.get("kind", "default")))
        if own is not None:
            own[run["seed"]] = run
    seeds = sorted(set.intersection(*(set(own) for own in runs.values())))
    if not seeds:
        raise InputError(
            f"expected a seed that every optimizer ran with on '{comparison.problem}', got none: let the study end"
        )
    if len(seeds) < 2 and not by_steps:
        raise InputError(
            f"expected at least two seeds on '{comparison.problem}', got one: compare with more, or set a target "
            "on every problem"
        )
    result = _steps if by_steps else _final
    found = [[result(own[seed], comparison) for seed in seeds] for own in runs.values()]
    return _Problem(comparison.problem, np.array(found, dtype=float), by_steps)


def _steps(run: Mapping[str, Any], comparison: Comparison) -> float:
    assert comparison.target is not None
    hit = until(run["epochs"], comparison.maximize, comparison.target)
    if any(epoch.get("steps") is None for epoch in hit):
        raise InputError(
            f"expected the steps of every epoch on '{comparison.problem}', got a run of an older version without: "
            "compare again in a new store"
        )
    return float(sum(epoch["steps"] for epoch in hit)) if hit else math.inf


def _final(run: Mapping[str, Any], comparison: Comparison) -> float:
    last = next((epoch["metric"] for epoch in run["epochs"] if epoch["epoch"] == comparison.epochs), None)
    if run["status"] != "finished" or last is None or not math.isfinite(last):
        return math.inf
    return -last if comparison.maximize else last


def _ratios(problem: _Problem, among: Sequence[int], drawn: np.ndarray | None = None) -> np.ndarray:
    """What the cost of each of these optimizers is to the best one's: one row each, one column per drawing of seeds."""
    results = problem.results[among]
    columns = np.arange(results.shape[1])[None] if drawn is None else drawn
    middle = np.median(results[:, columns], axis=2)
    best = middle.min(axis=0)
    lost = ~np.isfinite(middle)
    known = np.where(lost, 0.0, middle)
    if problem.by_steps:
        ratios = known / np.where(np.isfinite(best), best, 1.0)
    else:
        with np.errstate(over="ignore"):  # a gap where there is neither spread nor size is infinite
            ratios = 1 + (known - np.where(np.isfinite(best), best, 0.0)) / _gap_unit(results)
    return np.where(lost, np.inf, ratios)


def _gap_unit(results: np.ndarray) -> float:
    """The unit of gaps of the final metric, as `ranked` explains it; the same in every drawing of seeds."""
    finite = [own[np.isfinite(own)] for own in results]
    spreads = [statistics.stdev(own.tolist()) for own in finite if len(own) > 1]
    best = min((float(np.median(own)) for own in finite if len(own)), default=0.0)
    spread = statistics.median_low(spreads) if spreads else 0.0
    return max(spread, GAP_UNIT * abs(best)) or float(np.finfo(float).tiny)


def _scores(problems: Sequence[_Problem], among: Sequence[int], drawn: Sequence[np.ndarray] | None = None) -> Any:
    """The area below each profile: a ratio r adds (4 - r) / 3 of its problem's share, and nothing beyond 4."""
    drawings = drawn if drawn is not None else [None] * len(problems)
    areas = [
        np.clip((WIDEST - _ratios(problem, among, columns)) / (WIDEST - 1), 0, 1)
        for problem, columns in zip(problems, drawings, strict=True)
    ]
    scores = np.round(np.mean(areas, axis=0), 12)  # so that rounding breaks no tie
    return scores[:, 0] if drawn is None else scores


def _curves(problems: Sequence[_Problem]) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """For every optimizer the factors at which any profile rises, with both ends, and its shares there."""
    everyone = list(range(len(problems[0].results)))
    ratios = np.array([_ratios(problem, everyone)[:, 0] for problem in problems])
    factors = sorted({1.0, WIDEST, *(float(r) for r in ratios.ravel() if r < WIDEST)})
    return [(tuple(factors), tuple(float(np.mean(ratios[:, k] <= factor)) for factor in factors)) for k in everyone]


def _intervals(problems: Sequence[_Problem]) -> list[tuple[float, float] | tuple[None, None]]:
    """Of every optimizer's score the interval that `ranked` explains; none where a problem has too few seeds."""
    everyone = list(range(len(problems[0].results)))
    counts = [problem.results.shape[1] for problem in problems]
    if min(counts) < FEWEST_SEEDS:
        return [(None, None) for _ in everyone]
    seeded = [np.random.default_rng(list(problem.name.encode())) for problem in problems]  # whatever their order
    drawn = [rng.integers(0, count, (RESAMPLES, count)) for rng, count in zip(seeded, counts, strict=True)]
    low, high = np.quantile(_scores(problems, everyone, drawn), [0.025, 0.975], axis=1)
    score = _scores(problems, everyone)
    lows = np.clip(np.minimum(low, 2 * score - high), 0, 1)
    highs = np.clip(np.maximum(high, 2 * score - low), 0, 1)
    return [(float(lows[k]), float(highs[k])) for k in everyone]


def _changes(
    problems: Sequence[_Problem], order: Sequence[int], labels: Sequence[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    """For every optimizer and problem left out the order of the rest, where it is another."""
    places = range(len(problems))
    trials = [(("problem", problems[p].name), [problems[q] for q in places if q != p], list(order)) for p in places]
    if len(order) > 2:
        trials += [(("optimizer", labels[k]), list(problems), [j for j in order if j != k]) for k in order]
    changes = {}
    for name, kept, rest in trials:
        scores = dict(zip(rest, _scores(kept, rest), strict=True))
        found = sorted(rest, key=lambda k: -scores[k])  # of equal scores the order stays
        if found != rest:
            changes[name] = tuple(labels[k] for k in found)
    return changes

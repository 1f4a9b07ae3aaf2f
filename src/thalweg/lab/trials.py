"""A trial of a tuning: what is asked, what it gave, what it costs, and when it is stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from thalweg.errors import InputError, did_you_mean
from thalweg.lab.space import Range

SAMPLERS = ("qmc", "tpe", "grid")
ROUND = 4  # trials proposed at a time, however many can run at once
UNSTOPPED = 3  # no trial stops in the first third of its epochs


@dataclass(frozen=True)
class Plan:
    """How one optimizer is tuned.

    Attributes:
        sampler: `"qmc"` for quasi-random places, `"tpe"` for Optuna's TPE, `"grid"` for a full factorial.
        trials: The budget: what so many trials of all their epochs train.
        ranges: For each hyperparameter to tune where it is looked for.
        epochs: Of a trial that is not stopped.
        steps_per_epoch: Optimizer steps of an epoch.
        seed: Decides the places.
        maximize: Whether more of the metric is better.
    """

    sampler: str
    trials: int
    ranges: Mapping[str, Range]
    epochs: int
    steps_per_epoch: int
    seed: int
    maximize: bool = False

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"unknown sampler '{self.sampler}': {did_you_mean(self.sampler, list(SAMPLERS))}")
        wanted = {"1 trial": self.trials, "1 epoch": self.epochs, "1 step in an epoch": self.steps_per_epoch}
        for least, given in wanted.items():
            if not isinstance(given, Integral) or given < 1:
                raise InputError(f"tuning needs at least {least}, got {given!r}: give a whole number from 1 on")
        if not self.ranges:
            raise InputError("expected something to tune, got no range: name a hyperparameter, for instance lr")

    @property
    def budget(self) -> int:
        """In epochs."""
        return self.trials * self.epochs


@dataclass(frozen=True)
class Proposal:
    """A trial to run.

    Attributes:
        hyper: The hyperparameters drawn.
        stop: For every epoch the metric that it must reach at its end to go on; None where it always may.
        extra: Whether it goes beyond the budget, because the best value lay at the edge of its range.
    """

    hyper: dict[str, float]
    stop: tuple[float | None, ...]
    extra: bool = False


@dataclass(frozen=True)
class Tried:
    """What a trial gave.

    Attributes:
        status: `"finished"`, `"stopped"`, `"diverged"` or `"failed"`.
        metrics: On the validation data after each epoch that it completed.
    """

    status: str
    metrics: tuple[float, ...]


Pair = tuple[Proposal, Tried]


def charged(plan: Plan, tried: Tried) -> int:
    """The epochs that a trial takes from the budget.

    Those that it began: a trial that diverged began one more than it completed. A failed one is charged in full:
    how far it came says nothing about its settings, and a problem on which all fail comes to an end.

    Example:
        >>> plan = Plan("qmc", 3, {"lr": Range(0.01, 1.0)}, epochs=5, steps_per_epoch=10, seed=0)
        >>> [charged(plan, Tried(status, (0.5, 0.4))) for status in ("stopped", "diverged", "failed")]
        [2, 3, 5]
    """
    begun = {"stopped": len(tried.metrics), "diverged": len(tried.metrics) + 1}
    return min(max(begun.get(tried.status, plan.epochs), 1), plan.epochs)


def winners(plan: Plan, tried: Sequence[Pair]) -> list[Proposal]:
    """The finished proposals with the best last metric, the one with the smallest learning rate first.

    Example:
        >>> plan = Plan("qmc", 3, {"lr": Range(0.01, 1.0)}, epochs=1, steps_per_epoch=10, seed=0)
        >>> metrics = {0.5: 2.0, 0.3: 1.0, 0.2: 1.0}
        >>> tried = [(Proposal({"lr": rate}, (None,)), Tried("finished", (m,))) for rate, m in metrics.items()]
        >>> [proposal.hyper["lr"] for proposal in winners(plan, tried)]
        [0.2, 0.3]
    """
    finished = [(loss_of(plan, r.metrics[-1]), p) for p, r in tried if r.status == "finished" and r.metrics]
    least = min((loss for loss, _ in finished), default=math.inf)
    equal = [proposal for loss, proposal in finished if loss == least < math.inf]
    return sorted(equal, key=lambda proposal: proposal.hyper.get("lr", 0.0))


def loss_of(plan: Plan, metric: float) -> float:
    """A metric as something to make small; what is no finite number is worst."""
    return (-metric if plan.maximize else metric) if math.isfinite(metric) else math.inf


def stopping_rule(plan: Plan) -> str:
    """The rule by which trials are stopped early, in words."""
    first = _first_stop(plan)
    if first >= plan.epochs:
        return "No trial is stopped early: there are too few epochs."
    return (
        f"Every trial but the first {ROUND} may be stopped at the end of epoch {first} to {plan.epochs - 1} "
        f"of {plan.epochs}: when more than half of all trials of earlier rounds were better at the end of that epoch, "
        "where one that had ended before counts as worse. The epochs that it trained are charged to the budget, and "
        "those that it did not train are spent on further trials."
    )


def _first_stop(plan: Plan) -> int:
    return math.ceil(plan.epochs / UNSTOPPED)


def thresholds(plan: Plan, earlier: Sequence[Pair]) -> tuple[float | None, ...]:
    """For every epoch the metric that a trial must reach to go on; None where it always may.

    Args:
        plan: Says how many epochs there are.
        earlier: The trials of complete rounds.

    Example:
        >>> plan = Plan("qmc", 3, {"lr": Range(0.01, 1.0)}, epochs=3, steps_per_epoch=10, seed=0)
        >>> earlier = [(Proposal({}, (None,) * 3), Tried("finished", (m, m, m))) for m in (1.0, 2.0, 3.0)]
        >>> thresholds(plan, earlier)
        (2.0, 2.0, None)
    """
    epochs = range(1, plan.epochs + 1)
    return tuple(_bar(plan, earlier, e) if _first_stop(plan) <= e < plan.epochs else None for e in epochs)


def _bar(plan: Plan, earlier: Sequence[Pair], epoch: int) -> float | None:
    """The metric of the middle one of the earlier trials, of two the worse; those that had ended by then are worst."""
    metrics = [tried.metrics for _, tried in earlier]
    losses = sorted(loss_of(plan, m[epoch - 1]) if len(m) >= epoch else math.inf for m in metrics)
    middle = losses[len(losses) // 2] if losses else math.inf
    return None if middle == math.inf else (-middle if plan.maximize else middle)

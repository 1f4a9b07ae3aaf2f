"""Tuning in words: what it cost each optimizer, and what it found."""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.lab.table import Comparison, Tuning
from thalweg.report import phrases, words
from thalweg.report.rows import shown

SPENT_NOTE = (
    "stopped: given up early as unpromising; extra: beyond the budget, because the best value lay at the edge of its "
    "range; steps: what the trials were charged; budget: the steps that each optimizer was given"
)
FOUND_NOTE = "within 1 %: the widest range around the best learning rate in which every trial came within 1 % of it"


@dataclass(frozen=True)
class Spent:
    """What tuning one optimizer cost."""

    optimizer: str
    trials: str
    stopped: str
    diverged: str
    failed: str
    extra: str
    steps: str
    budget: str
    time: str


@dataclass(frozen=True)
class Found:
    """What tuning found for one hyperparameter of one optimizer.

    Attributes:
        optimizer: Its name.
        name: The hyperparameter.
        searched: The range in the end.
        at_first: The range in the beginning, where it has grown since.
        best: The chosen value.
        edge: A warning where that lies at the edge of the range.
        within: The range within 1 % of the best.
    """

    optimizer: str
    name: str
    searched: str
    at_first: str
    best: str
    edge: str
    within: str


def spent(comparison: Comparison) -> list[Spent]:
    """One entry for every tuned row, in the table's order."""
    return [_spent(optimizer, tuning) for optimizer, tuning in _tuned(comparison)]


def _spent(optimizer: str, tuning: Tuning) -> Spent:
    states = [trial.status for trial in tuning.trials]
    return Spent(
        optimizer=optimizer,
        trials=str(len(states)),
        stopped=str(states.count("stopped")),
        diverged=str(states.count("diverged")),
        failed=str(states.count("failed")),
        extra=str(sum(trial.extra for trial in tuning.trials)),
        steps=phrases.count(tuning.steps),
        budget=phrases.count(tuning.budget_steps),
        time=phrases.brief(tuning.time_seconds),
    )


def found(comparison: Comparison) -> list[Found]:
    """One entry for every hyperparameter that was tuned, in the table's order."""
    return [_found(optimizer, tuning, name) for optimizer, tuning in _tuned(comparison) for name in tuning.best]


def _found(optimizer: str, tuning: Tuning, name: str) -> Found:
    ends, start = tuning.ranges.get(name), tuning.started_from.get(name)
    return Found(
        optimizer,
        words.plain(name),
        phrases.searched(ends),
        f"at first {phrases.searched(start)}" if start and start != ends else "",
        phrases.rounded(tuning.best[name]),
        "at the edge" if name in tuning.at_edge else "",
        phrases.width(tuning.width) if name == "lr" else words.MISSING,
    )


def samplers(comparison: Comparison) -> str:
    """How the trials were drawn, in words."""
    names = {"qmc": "quasi-random points", "tpe": "a tree-structured Parzen estimator", "grid": "a grid"}
    used = dict.fromkeys(tuning.sampler for _, tuning in _tuned(comparison))
    return " and ".join(names.get(name, words.plain(name)) for name in used)


def _tuned(comparison: Comparison) -> list[tuple[str, Tuning]]:
    return [(one.optimizer, one.row.tuning) for one in shown(comparison) if one.row.tuning]

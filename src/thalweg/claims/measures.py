"""Numbers by seed out of the tables of trainings: what contrasts and pictures are made of. Pure, and all of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg.claims.table import Line
from thalweg.errors import InputError
from thalweg.lab.statistics import estimate
from thalweg.lab.table import Comparison, Row

Runs = list[Mapping[str, Any]]


def runs_of(table: Comparison, optimizer: str, kind: str = "default") -> Runs:
    """The runs of a row, by seed; none for a tuned row whose every trial diverged.

    Args:
        table: The comparison.
        optimizer: Its label: the text that was declared.
        kind: `"default"` or `"tuned"`.

    Raises:
        InputError: If the comparison has no such optimizer.
    """
    if optimizer not in {row.optimizer for row in table.rows}:
        known = ", ".join(dict.fromkeys(row.optimizer for row in table.rows))
        raise InputError(f"expected one of the optimizers of '{table.problem}' ({known}), got '{optimizer}': name one")
    found = [run for run in table.runs if (run["optimizer"], run["kind"]) == (optimizer, kind)]
    return sorted(found, key=lambda run: run["seed"])


def row_of(table: Comparison, optimizer: str, kind: str = "default") -> Row | None:
    """The row itself, for settings and tuning; None for a tuned row that there is none of."""
    rows = (row for row in table.rows if (row.optimizer, row.kind) == (optimizer, kind))
    return next(rows, None)


def finals(
    table: Comparison, optimizer: str, kind: str = "default", *, lost: float, name: str = "metric"
) -> dict[int, float]:
    """By seed what a run ended with.

    Args:
        table: The comparison.
        optimizer: Its label.
        kind: `"default"` or `"tuned"`.
        lost: What a run counts as that diverged, or whose number is not finite.
        name: `"metric"`, `"loss"` (both on test data) or `"train_loss"`.
    """
    return by_seed(table, optimizer, kind, lambda epochs: _number(epochs[-1], name), lost)


def mean_over_epochs(
    table: Comparison, optimizer: str, kind: str = "default", *, lost: float, name: str = "metric"
) -> dict[int, float]:
    """By seed the mean over all epochs, which tells how early a run was good."""

    def mean(epochs: Sequence[Mapping[str, Any]]) -> float | None:
        found = [_number(epoch, name) for epoch in epochs]
        return None if None in found else statistics.fmean(value for value in found if value is not None)

    return by_seed(table, optimizer, kind, mean, lost)


def steps_to(
    table: Comparison,
    optimizer: str,
    kind: str = "default",
    *,
    target: float,
    never: float,
    maximize: bool,
    name: str = "metric",
    count: str = "steps",
) -> dict[int, float]:
    """By seed the optimizer's steps until an epoch ended with the target met.

    Args:
        table: The comparison.
        optimizer: Its label.
        kind: `"default"` or `"tuned"`.
        target: What is to be reached.
        never: What a run counts as that never reached it.
        maximize: Whether more is better.
        name: Of what: `"metric"`, `"loss"` or `"train_loss"`.
        count: `"steps"`, or `"time_seconds"` for training time.
    """
    found = {}
    for run in runs_of(table, optimizer, kind):
        spent, reached = 0.0, False
        for epoch in run["epochs"]:
            spent += epoch[count]
            value = _number(epoch, name)
            if value is not None and (value >= target if maximize else value <= target):
                reached = True
                break
        found[run["seed"]] = spent if reached else never
    return found or dict.fromkeys(_seeds(table), never)


def by_seed(
    table: Comparison,
    optimizer: str,
    kind: str,
    measure: Callable[[Sequence[Mapping[str, Any]]], float | None],
    lost: float,
) -> dict[int, float]:
    """By seed a number of the epochs of a run; the declared worst where it did not finish, or there is none.

    Args:
        table: The comparison.
        optimizer: Its label.
        kind: `"default"` or `"tuned"`.
        measure: From all epochs of a finished run to a number.
        lost: The declared worst.
    """
    found: dict[int, float] = {}
    for run in runs_of(table, optimizer, kind):
        value = measure(run["epochs"]) if run["status"] == "finished" else None
        found[run["seed"]] = lost if value is None or not math.isfinite(value) else float(value)
    return found or dict.fromkeys(_seeds(table), lost)


def lost_in(table: Comparison, optimizer: str, kind: str = "default") -> int:
    """How many runs of a row did not finish."""
    found = runs_of(table, optimizer, kind)
    return sum(run["status"] != "finished" for run in found) if found else len(_seeds(table))


def curve(
    table: Comparison,
    optimizer: str,
    kind: str = "default",
    *,
    name: str = "metric",
    label: str = "",
    dashed: bool = False,
    steps: bool = False,
) -> Line:
    """A row's mean by epoch with its 95 % interval, for a picture.

    Args:
        table: The comparison.
        optimizer: Its label.
        kind: `"default"` or `"tuned"`.
        name: `"metric"`, `"loss"` or `"train_loss"`.
        label: How the picture calls it; nothing for the optimizer's own label and kind.
        dashed: Whether it is dashed.
        steps: Whether it lies over steps instead of epochs.
    """
    runs = runs_of(table, optimizer, kind)
    row = row_of(table, optimizer, kind)
    every = sorted({epoch["epoch"] for run in runs for epoch in run["epochs"]})
    each = [[_number(e, name) for run in runs for e in run["epochs"] if e["epoch"] == number] for number in every]
    found = [estimate([v for v in values if v is not None]) for values in each]
    per_epoch = next((run["epochs"][0]["steps"] for run in runs if run["epochs"]), 1) if steps else 1
    return Line(
        label=label or f"{optimizer}{', tuned' if kind == 'tuned' else ''}",
        x=tuple(float(number * per_epoch) for number in every),
        y=tuple(one.mean for one in found),
        low=tuple(one.low for one in found),
        high=tuple(one.high for one in found),
        rule=row.rule if row else "",
        dashed=dashed,
    )


def trials_line(table: Comparison, optimizer: str, *, label: str = "") -> Line:
    """Learning rate against the metric of every trial that finished, for a picture."""
    row = row_of(table, optimizer, "tuned")
    trials = row.tuning.trials if row and row.tuning else ()
    found = sorted((t.hyper["lr"], t.metric) for t in trials if t.status == "finished" and t.metric is not None)
    rule = row.rule if row else ""
    return Line(label or optimizer, tuple(x for x, _ in found), tuple(y for _, y in found), rule=rule, points=True)


def rate(table: Comparison, optimizer: str, kind: str = "tuned") -> float | None:
    """The learning rate of a row; None where there is no such row, or it follows a schedule."""
    row = row_of(table, optimizer, kind)
    value = row.settings.get("lr") if row else None
    return float(value) if isinstance(value, int | float) else None


def _seeds(table: Comparison) -> tuple[int, ...]:
    return max((row.seeds for row in table.rows), key=len, default=())


def _number(epoch: Mapping[str, Any], name: str) -> float | None:
    value = epoch[name]
    return None if value is None or not math.isfinite(value) else float(value)

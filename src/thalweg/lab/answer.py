"""The answer of a comparison: from the runs of every optimizer to the rows of its table, ranked and compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thalweg.lab.spec import digest_of
from thalweg.lab.statistics import chance_better, estimate, paired
from thalweg.lab.table import EpochSummary, Reached, Row, Trial, Tuning

WIDTH_SHARE = 0.01


@dataclass(frozen=True)
class Asked:
    """One row of the table before it is filled: what was asked for, and the runs that were made of it.

    Attributes:
        label: How the table calls the optimizer; the default and the tuned row of one optimizer have the same.
        rule: The rule's name in the catalogue.
        settings: Every hyperparameter after defaults.
        runs: Its runs as the store gives them, one per seed: status, message, key, weights_digest, state_bytes, the
            spec with its seed, and the epochs. They may be fewer than asked for while a study is going on.
        kind: `"default"` or `"tuned"`.
        steps: Optimizer steps of one run; 0 to count those of a finished run.
        tuning: How a tuned row's settings were found.
        notes: What must be known to read the row.
    """

    label: str
    rule: str
    settings: Mapping[str, float | str]
    runs: Sequence[Mapping[str, Any]]
    kind: str = "default"
    steps: int = 0
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()


def rows(asked: Sequence[Asked], *, epochs: int, maximize: bool, target: float | None = None) -> tuple[Row, ...]:
    """The rows of a table, in the order given.

    A row is ranked when all its seeds ended with a finite metric, and no other row has more seeds: one that lacks some
    is still under way. Default and tuned rows stand in one ranking. `difference` is taken to its first row, `chance`
    against the next one. Means decide the ranking; of equal ones the first given comes first.

    Args:
        asked: One entry per row.
        epochs: How many epochs a finished run has.
        maximize: Whether more of the metric is better.
        target: The metric that counts as reached; None for none.

    Returns:
        One row per entry.
    """
    finals = [_finals(one.runs, epochs) for one in asked]
    filled = [_row(one, final, epochs, maximize, target) for one, final in zip(asked, finals, strict=True)]
    order = _ranking(filled, maximize)
    for place, index in enumerate(order):
        ahead, own, following = finals[order[0]], finals[index], order[place + 1 : place + 2]
        filled[index] = replace(
            filled[index],
            difference=paired(own, ahead) if place else None,
            chance=chance_better(own, finals[following[0]], maximize) if following else None,
        )
    return tuple(filled)


def _ranking(among: Sequence[Row], maximize: bool) -> list[int]:
    """The places in the table of the rows that can be ranked, the best first."""
    seeds = max((len(row.seeds) for row in among), default=0)
    means = {
        index: row.final.mean
        for index, row in enumerate(among)
        if row.final.mean is not None and row.final.seeds == len(row.seeds) == seeds
    }
    return sorted(means, key=lambda index: -means[index] if maximize else means[index])


def _row(asked: Asked, finals: Mapping[int, float], epochs: int, maximize: bool, target: float | None) -> Row:
    runs = asked.runs
    every = [epoch for run in runs for epoch in run["epochs"]]
    whole = [run["epochs"] for run in runs if run["status"] == "finished"]
    seconds = [sum(epoch["time_seconds"] for epoch in found) for found in whole]
    total = sum(epoch["time_seconds"] for epoch in every)
    return Row(
        optimizer=asked.label,
        rule=asked.rule,
        settings=asked.settings,
        seeds=tuple(run["spec"]["seed"] for run in runs),
        statuses=tuple(run["status"] for run in runs),
        epochs=tuple(_summary(number, every) for number in range(1, epochs + 1)),
        time_seconds=statistics.fmean(seconds) if seconds else 0.0,
        time_optimizer_share=sum(epoch["time_optimizer_seconds"] for epoch in every) / total if total else 0.0,
        kind=asked.kind,
        final=estimate(list(finals.values())),
        reached=None if target is None else _reached(runs, maximize, target),
        steps=asked.steps or max((_steps(found) or 0 for found in whole), default=0),
        state_bytes=max((b for run in runs if (b := run.get("state_bytes")) is not None), default=None),
        tuning=asked.tuning,
        notes=asked.notes,
    )


def _summary(number: int, every: Sequence[Mapping[str, Any]]) -> EpochSummary:
    here = [epoch for epoch in every if epoch["epoch"] == number]
    metric, loss = (_finite(epoch[name] for epoch in here) for name in ("metric", "loss"))
    return EpochSummary(number, _mean(metric), _spread(metric), _mean(loss), _spread(loss))


def _finite(values: Iterable[float | None]) -> list[float]:
    """Without what is absent or not finite: the store keeps neither NaN nor infinity."""
    return [value for value in values if value is not None and math.isfinite(value)]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _finals(runs: Sequence[Mapping[str, Any]], epochs: int) -> dict[int, float]:
    """For every seed that finished the metric after the last epoch, where that is finite."""
    last = {
        run["spec"]["seed"]: epoch["metric"]
        for run in runs
        if run["status"] == "finished"
        for epoch in run["epochs"]
        if epoch["epoch"] == epochs
    }
    return {seed: metric for seed, metric in last.items() if _finite([metric])}


def _reached(runs: Sequence[Mapping[str, Any]], maximize: bool, target: float) -> Reached:
    hits = [hit for run in runs if (hit := until(run["epochs"], maximize, target))]
    if not hits:
        return Reached(0, None, None, None)
    counts = [count for hit in hits if (count := _steps(hit)) is not None]
    return Reached(
        seeds=len(hits),
        epoch=float(statistics.median(len(hit) for hit in hits)),
        steps=float(statistics.median(counts)) if len(counts) == len(hits) else None,
        time_seconds=float(statistics.median(sum(epoch["time_seconds"] for epoch in hit) for hit in hits)),
    )


def until(epochs: Sequence[Mapping[str, Any]], maximize: bool, target: float) -> Sequence[Mapping[str, Any]]:
    """The epochs of a run up to the first at whose end the metric met the target; none where it never did.

    What became of the run later does not matter: a run that reached its target and diverged then has reached it.

    Example:
        >>> [e["epoch"] for e in until([{"epoch": 1, "metric": 0.5}, {"epoch": 2, "metric": 0.9}], True, 0.9)]
        [1, 2]
    """
    for place, epoch in enumerate(epochs):
        if any(metric >= target if maximize else metric <= target for metric in _finite([epoch["metric"]])):
            return epochs[: place + 1]
    return ()


def _steps(epochs: Sequence[Mapping[str, Any]]) -> int | None:
    """The steps of these epochs; None where one does not tell, as in stores of older versions."""
    counts = [epoch.get("steps") for epoch in epochs]
    return None if None in counts else sum(count for count in counts if count is not None)


def plain_runs(asked: Asked) -> list[dict[str, Any]]:
    """The runs of one row as the table keeps them: plain data, one entry per run."""
    return [
        {
            "optimizer": asked.label,
            "kind": asked.kind,
            "rule": asked.rule,
            "settings": asked.settings,
            "seed": run["spec"]["seed"],
            **{name: run[name] for name in ("status", "message", "key", "weights_digest")},
            "order_digest": digest_of("".join(epoch["order_digest"] for epoch in run["epochs"])),
            "epochs": run["epochs"],
            "time_seconds": sum(epoch["time_seconds"] for epoch in run["epochs"]),
            "time_optimizer_seconds": sum(epoch["time_optimizer_seconds"] for epoch in run["epochs"]),
        }
        for run in asked.runs
    ]


def width_within(trials: Sequence[Trial], maximize: bool, share: float = WIDTH_SHARE) -> tuple[float, float] | None:
    """The lowest and the highest learning rate tried between which every trial is nearly as good as the best.

    Nearly as good means that the trial finished and that its metric differs from the best one by at most `share` of the
    best one's size; so a best value of 0 is met by 0 only. A trial that was stopped early, diverged or failed ends the
    range, and so does one at the same learning rate with other hyperparameters that is worse. Of several best trials
    the one that was proposed first counts. The ends are learning rates that were tried: the true range is wider.

    Args:
        trials: In the order in which they were proposed.
        maximize: Whether more of the metric is better.
        share: Of the best metric's size.

    Returns:
        Both are the best trial's learning rate if no neighbour is as good; None where no trial with a learning rate
        finished with a finite metric.

    Example:
        >>> found = [(0.01, 0.90), (0.1, 0.97), (0.3, 0.975), (1.0, 0.5)]
        >>> width_within([Trial({"lr": lr}, metric, "finished", 10) for lr, metric in found], maximize=True)
        (0.1, 0.3)
    """
    tried = [trial for trial in trials if "lr" in trial.hyper]
    finished = {place: metric for place, trial in enumerate(tried) if (metric := _finished(trial)) is not None}
    if not finished:
        return None
    first = (max if maximize else min)(finished, key=lambda place: finished[place])
    reach, best = share * abs(finished[first]) * (1 + 1e-9), tried[first].hyper["lr"]  # 0.99 is within 1 % of 1
    bad = {
        trial.hyper["lr"]
        for place, trial in enumerate(tried)
        if place not in finished or abs(finished[place] - finished[first]) > reach
    }
    if best in bad:
        return best, best
    floor = max((rate for rate in bad if rate < best), default=-math.inf)
    ceiling = min((rate for rate in bad if rate > best), default=math.inf)
    good = [trial.hyper["lr"] for trial in tried if floor < trial.hyper["lr"] < ceiling]
    return min(good), max(good)


def _finished(trial: Trial) -> float | None:
    return next(iter(_finite([trial.metric])), None) if trial.status == "finished" else None

"""The result of a comparison as plain data: what the report reads and `--json` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg.lab.table_watched import Alarm, Watched


@dataclass(frozen=True)
class EpochSummary:
    """One epoch of one optimizer, over its seeds; None where no seed has a finite value.

    Attributes:
        epoch: Counted from 1.
        metric_mean: Mean of the metric over the seeds.
        metric_sd: Its sample standard deviation; None with one seed.
        loss_mean: Mean of the loss over the seeds.
        loss_sd: Its sample standard deviation; None with one seed.
    """

    epoch: int
    metric_mean: float | None
    metric_sd: float | None
    loss_mean: float | None
    loss_sd: float | None


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % interval.

    Attributes:
        mean: None where no seed has a finite value.
        low: The interval's lower end; None where fewer than two seeds are finite.
        high: Its upper end.
        seeds: How many seeds it comes from.
        method: `"t"`, `"bootstrap"`, or nothing where there is no interval.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    method: str = ""


@dataclass(frozen=True)
class Reached:
    """How soon the target was reached at the end of an epoch: medians over the seeds that reached it, None if none did.

    Attributes:
        seeds: How many seeds reached it.
        epoch: Epochs until then.
        steps: Steps until then.
        time_seconds: Training time until then.
    """

    seeds: int
    epoch: float | None
    steps: float | None
    time_seconds: float | None


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        hyper: The hyperparameters that were drawn.
        metric: On the validation data at the last epoch that was trained; None where it diverged.
        status: `"finished"`, `"stopped"`, `"diverged"` or `"failed"`.
        epochs: How many epochs it was charged for.
        extra: Whether it was added beyond the budget, because the best value lay at the edge of its range.
    """

    hyper: Mapping[str, float]
    metric: float | None
    status: str
    epochs: int
    extra: bool = False


@dataclass(frozen=True)
class Tuning:
    """How a tuned row came to its settings.

    Attributes:
        sampler: `"qmc"`, `"tpe"` or `"grid"`.
        ranges: For each hyperparameter the range in the end, as (low, high).
        started_from: For each hyperparameter the range in the beginning.
        trials: Every trial in the order in which it was proposed.
        steps: Optimizer steps that all of them were charged for.
        budget_steps: The steps that every optimizer was given.
        time_seconds: Training time of all of them.
        best: The chosen values.
        at_edge: Those whose best value still lies at the edge of its range, when the range may grow no more.
        width: Lowest and highest learning rate tried between which every trial's metric lies within 1 % of the best;
            None where the learning rate was not tuned.
        rules: In words, by which rules trials were stopped early and ranges grew.
    """

    sampler: str
    ranges: Mapping[str, tuple[float, float]]
    started_from: Mapping[str, tuple[float, float]]
    trials: tuple[Trial, ...]
    steps: int
    budget_steps: int
    time_seconds: float
    best: Mapping[str, float]
    at_edge: tuple[str, ...] = ()
    width: tuple[float, float] | None = None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One optimizer of a comparison, at its default settings or tuned.

    Attributes:
        optimizer: Its label, for instance "SGD with momentum".
        rule: The rule's name in the catalogue, for instance "momentum_velocity"; of a switch all, joined by "/".
        settings: Every hyperparameter after defaults, and `s_0`-like starts that differ from zero.
        seeds: The seeds that were run.
        statuses: For every seed "finished", "diverged" or "failed".
        epochs: One summary per epoch.
        time_seconds: Mean wall time of one run's training, validation left out.
        time_optimizer_share: The optimizer's share of that time, between 0 and 1.
        kind: `"default"` for the settings asked for, `"tuned"` for those that tuning found.
        final: The metric after the last epoch.
        difference: The final metric minus that of the best row, paired by seed; None for the best row itself, and for
            one that is not ranked.
        chance: How likely its mean is better than that of the next row of the ranking; None for the last.
        reached: How soon it met the target; None where there is none.
        steps: Optimizer steps of one run.
        state_bytes: Memory of the optimizer's state; None where no run told.
        tuning: How its settings were found; None for default rows.
        notes: What must be known to read the row, for instance what a switch did with the state.
        alarms: What went wrong in its watched seeds, the earliest first.
        watched: The figures of its watched seeds; None where none was.
    """

    optimizer: str
    rule: str
    settings: Mapping[str, float | str]
    seeds: tuple[int, ...]
    statuses: tuple[str, ...]
    epochs: tuple[EpochSummary, ...]
    time_seconds: float
    time_optimizer_share: float
    kind: str = "default"
    final: Estimate = Estimate(None)
    difference: Estimate | None = None
    chance: float | None = None
    reached: Reached | None = None
    steps: int = 0
    state_bytes: int | None = None
    tuning: Tuning | None = None
    notes: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    watched: Watched | None = None


@dataclass(frozen=True)
class Comparison:
    """A whole comparison, ready to be shown.

    Attributes:
        problem: The problem's name.
        summary: The problem in one line.
        data: What the data is, in words.
        metric: The metric's name.
        epochs: Passes over the data.
        batch_size: Samples per step; None where the data's loader decides or a batch is all of them.
        rows: Default rows in the order asked for, each followed by its tuned row where there is one.
        environment: Versions and machine, as words.
        runs: Every run of the table as plain data: settings, seed, status, one entry per epoch.
        maximize: Whether more of the metric is better.
        target: The metric's value that counts as reached; None for none.
        caveats: Sentences that the report must show, for instance that tuning saw the test data.
    """

    problem: str
    summary: str
    data: str
    metric: str
    epochs: int
    batch_size: int | None
    rows: tuple[Row, ...]
    environment: Mapping[str, str]
    runs: tuple[Mapping[str, Any], ...]
    maximize: bool = False
    target: float | None = None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """How one optimizer does over several problems, after Dolan & Moré 2002.

    Attributes:
        optimizer: Its label.
        factors: Factors of the best optimizer's cost, rising from 1.
        shares: For each factor the share of problems on which its cost is within that factor of the best's.
        score: The area below the profile divided by its width: between 0 and 1, more is better.
        low: The lower end of the score's 95 % interval over seeds; None where seeds are too few.
        high: Its upper end.
        rule: The rule's name in the catalogue, as a comparison's row has it.
    """

    optimizer: str
    factors: tuple[float, ...]
    shares: tuple[float, ...]
    score: float
    low: float | None = None
    high: float | None = None
    rule: str = ""


@dataclass(frozen=True)
class Ranking:
    """Several comparisons in one order, and how stable that order is.

    Attributes:
        problems: The problems' names.
        cost: What is compared, in words: for instance "steps to the target".
        profiles: One per optimizer, the best score first.
        changes: For everything left out, as ("optimizer" or "problem", its name), the order of the rest where it is
            another than in `profiles`.
        left_out: How many were left out in turn.
    """

    problems: tuple[str, ...]
    cost: str
    profiles: tuple[Profile, ...]
    changes: Mapping[tuple[str, str], tuple[str, ...]]
    left_out: int


@dataclass(frozen=True)
class Outlook:
    """What there is to do, as a progress bar wants to know it.

    Attributes:
        epochs: Epochs in all, extra trials left out.
        known: Epochs that the store has already.
        runs_known: Runs that the store has already.
        runs: Runs in all; None where tuning decides it.
        so_far: The table as it is at the moment of the call.
    """

    epochs: int
    known: int
    runs_known: int
    runs: int | None
    so_far: Callable[[], Comparison]

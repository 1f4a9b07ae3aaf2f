"""The result of a comparison as plain data: what the report reads and `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EpochSummary:
    """One epoch of one optimizer, over its seeds; None where no seed has a finite value.

    Attributes:
        epoch: Counted from 1.
        metric_mean: Mean of the validation metric over the seeds.
        metric_sd: Its sample standard deviation; None with one seed.
        loss_mean: Mean of the validation loss over the seeds.
        loss_sd: Its sample standard deviation; None with one seed.
    """

    epoch: int
    metric_mean: float | None
    metric_sd: float | None
    loss_mean: float | None
    loss_sd: float | None


@dataclass(frozen=True)
class Row:
    """One optimizer of a comparison.

    Attributes:
        optimizer: Its label, for instance "SGD with momentum".
        rule: The rule's name in the catalogue, for instance "momentum_velocity".
        settings: Every hyperparameter after defaults, and `s_0`-like starts that differ from zero.
        seeds: The seeds that were run.
        statuses: For every seed "finished", "diverged" or "failed".
        epochs: One summary per epoch.
        time_seconds: Mean wall time of one run's training, validation left out.
        time_optimizer_share: The optimizer's share of that time, between 0 and 1.
    """

    optimizer: str
    rule: str
    settings: Mapping[str, float | str]
    seeds: tuple[int, ...]
    statuses: tuple[str, ...]
    epochs: tuple[EpochSummary, ...]
    time_seconds: float
    time_optimizer_share: float


@dataclass(frozen=True)
class Comparison:
    """A whole comparison, ready to be shown.

    Attributes:
        problem: The problem's name.
        summary: The problem in one line.
        data: What the data is, in words.
        metric: The metric's name.
        epochs: Passes over the data.
        batch_size: Samples per step.
        rows: One per optimizer, in the order asked for.
        environment: Versions and machine, as words.
        runs: Every run as plain data: spec, status, one entry per epoch.
    """

    problem: str
    summary: str
    data: str
    metric: str
    epochs: int
    batch_size: int
    rows: tuple[Row, ...]
    environment: Mapping[str, str]
    runs: tuple[Mapping[str, Any], ...]

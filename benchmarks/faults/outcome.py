"""One run: trained, watched, and what the alarms said."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch

from faults.fault import BY_NAME
from faults.grounds import ground_of
from faults.training import batches, loaded, optimizer_of, problem_and_data
from faults.trial import Trial

TAIL = 0.2  # of a run: its mean loss is where the run ended


@dataclass(frozen=True)
class Alarmed:
    """An alarm that a run raised.

    Attributes:
        step: When it was raised.
        since: The step that it is about, where that is one.
        alarm: Its name.
        part: The layer or group; empty for the whole optimizer.
        number: What it saw.
        words: What it said.
        layers: The layers that it is about where these are several.
    """

    step: int
    since: int
    alarm: str
    part: str
    number: float
    words: str
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        trial: What was asked for.
        layers: Where the fault was, where it was in layers.
        alarms: What was raised, in order.
        start: The loss of the first tenth of the steps.
        end: The loss of the last fifth.
        time_seconds: Of the training, watched.
    """

    trial: Trial
    layers: tuple[str, ...]
    alarms: tuple[Alarmed, ...]
    start: float
    end: float
    time_seconds: float

    @property
    def found(self) -> Alarmed | None:
        """The first alarm that names the fault, in a layer where it is, once it is there."""
        fault = BY_NAME[self.trial.fault]
        for alarmed in self.alarms:
            place = not self.layers or not {alarmed.part, *alarmed.layers}.isdisjoint(self.layers)
            if alarmed.alarm in fault.alarms and (alarmed.since or alarmed.step) >= self.trial.begins and place:
                return alarmed
        return None


def outcome(trial: Trial) -> Outcome:
    """Train as the trial says."""
    fault, ground = BY_NAME[trial.fault], ground_of(trial.problem)
    _, _, model = loaded(trial.problem, trial.seed)
    model = model.to(getattr(torch, trial.dtype))
    layers = fault.model(model, trial, ground) if trial.faulty else ()
    optimizer = optimizer_of(trial.engine, trial.rule, model, trial.lr, **dict(trial.given))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Thalweg's optimizers warn of updates lost to rounding
        watcher = _watcher(optimizer, model, trial.every)
        losses = trained(trial, model, optimizer, watcher)
        alarms = _alarms(watcher)
    seconds = time.perf_counter() - start
    first, last = losses[: max(1, len(losses) // 10)], losses[-max(1, int(TAIL * len(losses))) :]
    return Outcome(trial, layers, alarms, _mean(first), _mean(last), seconds)


def trained(trial: Trial, model: torch.nn.Module, optimizer: torch.optim.Optimizer, watcher: Any) -> list[float]:
    """The loop that a user would write; the losses of its steps."""
    fault, (problem, data) = BY_NAME[trial.fault], problem_and_data(trial.problem)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(trial, step))
    losses = []
    for step, batch in zip(range(1, trial.steps + 1), batches(data.train, trial.batch, trial.seed), strict=False):
        batch = tuple(_converted(tensor, trial) for tensor in batch)
        now = trial.faulty and step == trial.begins
        if now:
            batch = fault.batch(batch, trial)
        loss = problem.loss(model, batch)
        if now:
            loss = fault.loss(loss)
        optimizer.zero_grad()
        loss.backward()
        if watcher is not None:
            watcher.loss(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _share(trial: Trial, step: int) -> float:
    return (1 + math.cos(math.pi * step / trial.steps)) / 2 if trial.cosine else 1.0


def _converted(tensor: torch.Tensor, trial: Trial) -> torch.Tensor:
    return tensor.to(getattr(torch, trial.dtype)) if tensor.is_floating_point() else tensor


def _watcher(optimizer: torch.optim.Optimizer, model: torch.nn.Module, every: int) -> Any:
    if not every:
        return None
    import thalweg.watch

    return thalweg.watch.attach(optimizer, every=every, model=model, to=())


def _alarms(watcher: Any) -> tuple[Alarmed, ...]:
    if watcher is None:
        return ()
    watcher.close()
    return tuple(_alarmed(raised) for raised in watcher.alarms)


def _alarmed(raised: Any) -> Alarmed:
    found = raised.finding
    since, number = found.since or 0, float(found.number)
    return Alarmed(raised.step, since, raised.alarm, found.part, number, found.words, found.layers)


def _mean(losses: list[float]) -> float:
    return sum(losses) / len(losses)

"""`Sink`, the interface, and what every sink tells of an epoch and of a run."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from thalweg.lab.run import Epoch, Run
    from thalweg.lab.spec import RunSpec
    from thalweg.lab.watched import Noted

NUMBERS = ("metric", "loss", "train_loss", "steps", "time_seconds", "time_optimizer_seconds")


class Sink(Protocol):
    """Something that is told of runs while they run, in one thread, any number of runs at a time."""

    def started(self, spec: RunSpec, label: str) -> None:
        """A run has begun; one that was cut before begins again, and what was told of it then is void."""

    def epoch(self, spec: RunSpec, label: str, epoch: Epoch) -> None:
        """A run has ended an epoch."""

    def ended(self, run: Run, label: str) -> None:
        """A run has ended, in whatever status; what it was alarmed about is in it."""

    def close(self) -> None:
        """The study is over; runs that have not ended were cut."""


def numbers(epoch: Epoch) -> dict[str, float]:
    """What an epoch gave, without what is not finite."""
    named = {name: getattr(epoch, name) for name in NUMBERS}
    return {name: value for name, value in named.items() if math.isfinite(value)}


def alarms(run: Run) -> tuple[Noted, ...]:
    """The alarms of a run; none where it was not watched."""
    return run.watched.alarms if run.watched else ()


def sentence(alarm: Noted) -> str:
    """An alarm as one text: when, what, and what to try."""
    return f"step {alarm.step}: {alarm.words} {alarm.advice}".strip()


def settings(spec: RunSpec) -> dict[str, Any]:
    """What it takes to tell runs apart; of a switch a hyperparameter's name begins with its phase's first epoch."""
    switched = {f"{phase.first}.{name}": value for phase in spec.phases for name, value in phase.hyper}
    return {
        "key": spec.key,
        "problem": spec.problem,
        "rule": "/".join(phase.rule for phase in spec.phases),
        "hyper": dict(spec.phases[0].hyper) if len(spec.phases) == 1 else switched,
        **{name: getattr(spec, name) for name in ("part", "seed", "epochs", "batch_size")},
    }


def run_name(spec: RunSpec, label: str) -> str:
    """A run's name among those of its study: a trial has the same label and seed as others, so the key is in it."""
    return f"{label}, seed {spec.seed}, {spec.key[:8]}"


def file_name(text: str) -> str:
    """A text as the name of a file or folder on any system.

    Example:
        >>> file_name("adam: lr=1e-3/seed 0")
        'adam-lr-1e-3-seed-0'
    """
    return re.sub(r"[^\w.]+(-[^\w.]+)*", "-", text).strip("-.")[:100] or "study"

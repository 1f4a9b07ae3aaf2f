"""Adam without bias correction: the first steps are too long."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups
from thalweg.watch.alarms.words import short
from thalweg.watch.history import History
from thalweg.watch.subject import Group

# Rules that leave both averages as they are.
UNCORRECTED = ("adam_uncorrected", "amsgrad_uncorrected")
OPTIMIZERS = ("BertAdam",)  # optimizers that never correct
SWITCHES = ("bias_correction", "correct_bias")  # what others call it
STEPS = 20_000


@lru_cache(maxsize=64)
def excess(beta1: float, beta2: float) -> np.ndarray:
    """By how much each of the first steps is too long, on gradients of one size.

    Example:
        >>> found = excess(0.9, 0.999)
        >>> round(float(found[0]), 1), int(found.argmax()) + 1, round(float(found.max()), 1)
        (3.2, 12, 6.6)
    """
    t = np.arange(1, STEPS + 1)
    with np.errstate(divide="ignore"):
        return (1 - beta1**t) / np.sqrt(1 - beta2**t)


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups whose rule does not correct, at betas for which that matters, unless lr makes up for it by rising."""
    found = []
    for group, column, name in groups(history):
        if not len(history) or not _uncorrected(group):
            continue
        by = excess(_beta(group, "beta1", 0.9), _beta(group, "beta2", 0.999))
        most = int(by.argmax())
        until = int(np.flatnonzero(by > thresholds["right"])[-1]) + 2 if (by > thresholds["right"]).any() else 0
        rates = np.asarray(history["lr"][:, column], np.float64)
        rises = rates[-1] > 1.05 * rates[0]
        if by[most] < thresholds["excess"] or history.steps[0] > until or rises:
            continue
        end = f"within a tenth of that only from step {until:,}" if until <= STEPS else "never near that"
        words = (
            f"{name or group.called} has no bias correction: step 1 is {short(by[0])} times as long as meant, step "
            f"{most + 1} {short(by[most])} times; they are {end}."
        )
        found.append(Finding(name, float(by[most]), words))
    return found


def _uncorrected(group: Group) -> bool:
    inner = (group.rule or "").rpartition("(")[2].rstrip(")")
    switched_off = any(group.given.get(switch) == 0 for switch in SWITCHES)
    return inner in UNCORRECTED or group.optimizer in OPTIMIZERS or (switched_off and "adam" in group.optimizer.lower())


def _beta(group: Group, letter: str, default: float) -> float:
    value = group.hyper.get(letter, group.given.get(letter, default))
    return float(value) if 0 <= value < 1 else default


ALARM = Alarm(
    name="bias_correction",
    title="No bias correction",
    meaning="Both averages start at zero, and the second fills far more slowly than the first: until then its root is "
    "too small and steps are too long.",
    advice="Use the corrected rule, or let lr rise over the first steps.",
    source="Kingma & Ba 2015, sections 3 and 6.4; MLX leaves it out by default",
    thresholds={"excess": 1.5, "right": 1.1},
    look=look,
)

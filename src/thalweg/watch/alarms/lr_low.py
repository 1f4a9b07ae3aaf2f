"""A learning rate far too low: a straight course on which hardly anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, nan

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import (
    FLOOR,
    ended,
    groups,
    latest,
    median,
    middle,
    of_first_steps,
    spreads,
    steps_seen,
)
from thalweg.watch.alarms.words import about, far, share, short
from thalweg.watch.history import History
from thalweg.watch.subject import Group


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Whether weights keep their course, gradients stay what they were, and neither weights nor loss get anywhere."""
    if steps_seen(history) < thresholds["steps"] or len(history) < thresholds["rows"]:
        return []
    return [finding for each in groups(history) for finding in _of_group(history, thresholds, *each)]


def _of_group(
    history: History, thresholds: Mapping[str, float], group: Group, column: int, name: str
) -> Iterator[Finding]:
    straight = median(latest(history, "heading_cosine", column, max(3, 96 // history.subject.every)))
    if not straight >= thresholds["heading"] or _rises_or_turns(history, column, thresholds):
        return
    start, now = ended(history, of_first_steps(history))
    remains, moved = (now / start if start > 0 else nan), _moved(history, column, thresholds)
    if not _is_low(straight, moved, remains, _change(history, column), thresholds):
        return
    factor, lr = _factor(history, column, moved), float(history["lr"][-1, column])
    way = f", moved by {short(moved)} of their norm" if isfinite(moved) else ""
    loss = f", and the loss is at {share(remains)} of its start" if isfinite(remains) else ""
    words = (
        f"lr {short(lr)} of {name or group.called} is {far(factor)}too low, perhaps {about(factor)} times: after "
        f"{steps_seen(history):,} steps the weights keep their course (cosine {short(straight)}){way}{loss}."
    )
    yield Finding(name, factor, words, _advice(lr, factor))


def _rises_or_turns(history: History, column: int, thresholds: Mapping[str, float]) -> bool:
    """Whether lr is still rising, as in a warm-up, or updates undo one another."""
    rates = np.asarray(history["lr"][:, column], np.float64)
    turning = latest(history, "update_cosine", column, 16)
    turns = len(turning) > 0 and median(turning) < thresholds["turning"]
    return turns or float(middle(rates)) < thresholds["rising"] * float(rates[-1])


def _change(history: History, column: int) -> float:
    """By which factor gradients changed since the start."""
    norms = np.asarray(history["gradient_norm"][:, column], np.float64)
    some = of_first_steps(history)
    return float(middle(norms[-some:])) / max(float(middle(norms[:some])), FLOOR)


def _is_low(straight: float, moved: float, remains: float, change: float, thresholds: Mapping[str, float]) -> bool:
    """Whether steps are far too short: the straighter the course and the shorter the way, the more else is allowed."""
    if not change <= thresholds["risen"] or remains > thresholds["worse"] or thresholds["far"] < moved < np.inf:
        return False  # a way as long as the weights, or a loss above its start, is no sign of steps that are too short
    if moved <= thresholds["moved"] and straight >= thresholds["straight"]:
        return change >= thresholds["gradient"] / 2 and not remains < thresholds["half"]
    near = remains >= thresholds["nothing"] or (remains >= thresholds["little"] and moved <= thresholds["moved"])
    course = thresholds["heading"] if moved < np.inf else thresholds["blind"]
    return straight >= course and change >= thresholds["gradient"] and near


def _moved(history: History, column: int, thresholds: Mapping[str, float]) -> float:
    """The length of the way so far over the weights' norm before it; infinite where they began near zero."""
    ways = np.asarray(history["update_norm"][:, column], np.float64)
    gaps = np.diff(history.steps, prepend=history.steps[0] - 1)
    if not spreads(history, column) >= thresholds["spread"]:
        return np.inf
    way = float(np.sum(np.where(np.isfinite(ways), ways, 0.0) * gaps))
    return way / max(float(history["weight_norm"][0, column]), FLOOR)


def _factor(history: History, column: int, moved: float) -> float:
    """By how much to raise lr: until a step is a hundredth of the weights; where these began near zero, a guess."""
    ratio = latest(history, "update_ratio", column, 16)
    factor = steps_seen(history) / 4 if np.isinf(moved) or not len(ratio) else 0.01 / max(median(ratio), FLOOR)
    return min(max(factor, 3.0), 1000.0)


def _advice(lr: float, factor: float) -> str:
    to = f", to {about(lr * factor)}" if isfinite(lr) and lr > 0 else ""
    return f"Raise lr by about {about(factor)} times{to}, and watch whether the loss still falls."


ALARM = Alarm(
    name="lr_low",
    title="Learning rate far too low",
    meaning="Every step goes the way of the one before, gradients do not change, and neither does the loss: longer "
    "steps would go the same way.",
    advice="Raise lr by 10 to 100 times.",
    source="Goodfellow, Bengio & Courville 2016, section 11.4.1; rules.md",
    thresholds={
        "steps": 96,
        "rows": 6,
        "gradient": 0.6,
        "risen": 3.0,
        "rising": 0.7,
        "turning": -0.05,
        "heading": 0.35,
        "blind": 0.45,
        "straight": 0.85,
        "moved": 0.25,  # of the weights' norm; after 96 steps at good rates 1.6 and more, at rates too low .24 at most
        "half": 0.55,
        "little": 0.78,
        "nothing": 0.95,  # of the first loss; good rates that are low for the weights' size had come to .92
        "worse": 1.1,  # at rates too low losses stay below 1.0 times their start, but for the noise of batches
        "far": 1.0,  # norms of the weights; at rates too low .17 after 96 steps at most, at rates too high 3 and more
        "spread": 0.005,
    },
    look=look,
)

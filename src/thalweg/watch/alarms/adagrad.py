"""A denominator that only grows: steps die."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf, isfinite, log

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, middle
from thalweg.watch.alarms.words import about, share, short
from thalweg.watch.history import History

EARLY = 10  # the step since watching began that the figure "fall" compares with


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups whose steps have fallen far in a long run while their gradients have not vanished."""
    if history.last < thresholds["steps"] or len(history) < 4:
        return []
    found = []
    for group, column, name in groups(history):
        fall = float(middle(history["fall"][-8:, column]))
        norms = np.asarray(history["gradient_norm"][:, column], np.float64)
        alive = float(middle(norms[-32:])) >= thresholds["vanished"] * float(middle(norms[:32]))
        if fall <= thresholds["fall"] and alive:
            slope = _slope(history, column)
            early = history.begun + EARLY
            words = (
                f"The steps of {name or group.called} have fallen to {share(fall)} of those of step {early:,}, like "
                f"t^-{short(slope)}: by ten {_when(history, fall, 0.1, slope)}, by a hundred "
                f"{_when(history, fall, 0.01, slope)}."
            )
            rate = float(np.fmax.reduce(history["lr"][:, column]))  # of a schedule the highest
            found.append(Finding(name, fall, words, _advice(rate, fall)))
    return found


def _slope(history: History, column: int) -> float:
    """The power of t with which steps fell over the last half of the run on a logarithmic scale; 1/2 if unknown."""
    falls, steps = np.asarray(history["fall"][:, column], np.float64), history.steps - history.begun
    known = np.isfinite(falls) & (falls > 0)
    falls, steps = falls[known], steps[known]
    if len(falls) < 2:
        return 0.5
    middle_step = int(np.searchsorted(steps, (EARLY * steps[-1]) ** 0.5))
    middle_step = min(middle_step, len(falls) - 2)
    slope = -log(falls[-1] / falls[middle_step]) / max(log(steps[-1] / steps[middle_step]), 1e-9)
    return min(max(slope, 0.05), 1.0)


def _when(history: History, fall: float, to: float, slope: float) -> str:
    if fall <= to:
        return "already"
    at = log(history.last - history.begun) + log(fall / to) / slope
    at = exp(at) + history.begun if at < 60 else inf
    return f"about step {short(float(f'{at:.2g}'))}" if isfinite(at) else "never"


def _advice(lr: float, fall: float) -> str:
    higher = f", or an lr of {about(lr / fall)} instead of {short(lr)}" if isfinite(lr) and lr > 0 and fall > 0 else ""
    return f"RMSProp or Adam, which forget{higher}."


ALARM = Alarm(
    name="adagrad",
    title="AdaGrad's steps die",
    meaning="The sum of squared gradients never forgets, so that steps fall like one over the root of t, whatever is "
    "left to learn.",
    advice="RMSProp or Adam, which forget; or a larger lr.",
    source="Zeiler 2012, section 2.2; Duchi, Hazan & Singer 2011",
    thresholds={"steps": 1000, "fall": 0.35, "vanished": 0.02},
    look=look,
)

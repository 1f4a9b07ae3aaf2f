"""A denominator that only grows: steps die."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf, isfinite, log

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, middle
from thalweg.watch.alarms.words import about, share, short
from thalweg.watch.history import History

EARLY = 10  # the step that the figure "fall" compares with


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups whose steps have fallen far in a long run while their gradients have not vanished."""
    if history.last < thresholds["steps"] or len(history) < 4:
        return []
    found = []
    for group, column, name in groups(history):
        fall = float(middle(_falls(history, column)[-8:]))
        norms = np.asarray(history["gradient_norm"][:, column], np.float64)
        alive = float(middle(norms[-32:])) >= thresholds["vanished"] * float(middle(norms[:32]))
        if fall <= thresholds["fall"] and alive:
            slope = _slope(history, column)
            words = (
                f"The steps of {name or group.called} have fallen to {share(fall)} of those of step {EARLY}, "
                f"like t^-{short(slope)}: by ten {_when(history.last, fall, 0.1, slope)}, by a hundred "
                f"{_when(history.last, fall, 0.01, slope)}."
            )
            found.append(Finding(name, fall, words, _advice(float(history["lr"][-1, column]), fall)))
    return found


def _falls(history: History, column: int) -> np.ndarray:
    """How far steps have fallen by themselves: what a schedule took from lr is put back, unless that is nearly all."""
    rates = np.asarray(history["lr"][:, column], np.float64)
    then = rates[min(int(np.searchsorted(history.steps, EARLY)), len(rates) - 1)]
    share_left = np.where(np.isfinite(rates / then), rates / then, 1.0)
    return np.where(share_left > 0.01, np.asarray(history["fall"][:, column], np.float64) / share_left, np.nan)


def _slope(history: History, column: int) -> float:
    """The power of t with which steps fell over the last half of the run on a logarithmic scale; 1/2 if unknown."""
    falls, steps = _falls(history, column), history.steps
    known = np.isfinite(falls) & (falls > 0)
    falls, steps = falls[known], steps[known]
    if len(falls) < 2:
        return 0.5
    middle_step = int(np.searchsorted(steps, (EARLY * steps[-1]) ** 0.5))
    middle_step = min(middle_step, len(falls) - 2)
    slope = -log(falls[-1] / falls[middle_step]) / max(log(steps[-1] / steps[middle_step]), 1e-9)
    return min(max(slope, 0.05), 1.0)


def _when(step: int, fall: float, to: float, slope: float) -> str:
    if fall <= to:
        return "already"
    at = log(step) + log(fall / to) / slope
    at = exp(at) if at < 60 else inf
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

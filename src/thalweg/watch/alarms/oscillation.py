"""Steps that undo one another: lr and momentum both high, or updates that alternate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite, nan

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, latest, median, steps_seen
from thalweg.watch.alarms.words import share, short
from thalweg.watch.history import History
from thalweg.watch.subject import Group


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """A swing on which successive gradients agree, momentum that goes uphill for long, or a new sign every step."""
    if len(history) < thresholds["rows"] or steps_seen(history) < thresholds["steps"]:
        return []
    return [finding for each in groups(history) for finding in _of_group(history, thresholds, *each)]


def _of_group(
    history: History, thresholds: Mapping[str, float], group: Group, column: int, name: str
) -> Iterator[Finding]:
    momentum, where = _momentum(group), name or group.called
    turning = _usual(history, "update_cosine", column, 16)
    swings = latest(history, "oscillation", column, max(2, 64 // history.subject.every))
    swing = float(swings.min()) if len(swings) and _lasts(history, column, thresholds) else nan
    noise = _usual(history, "gradient_noise", column, 32)
    uphill, rows = _uphill(history, column)
    much = thresholds["uphill"] if momentum >= thresholds["momentum"] else thresholds["uphill_else"]
    if turning <= thresholds["alternating"]:
        words = f"Updates of {where} change their sign every step (cosine {short(turning)}): lr times curvature is near"
        most = f"{short(2 * (1 + momentum))}, the most that momentum {short(momentum)} bears"
        yield Finding(name, -turning, f"{words} {most}.")
    elif swing >= thresholds["swing"] and noise <= thresholds["noise"]:
        words = (
            f"Steps of {where} swing at momentum {short(momentum)}: {share(swing)} of a step is taken back within 16"
        )
        yield Finding(name, swing, f"{words} steps, and successive gradients agree on it.", _advice(momentum))
    elif rows >= thresholds["uphill_rows"] and uphill >= much:
        words = f"The momentum of {where}, {short(momentum)}, points uphill in {share(uphill)} of the last {rows} steps"
        yield Finding(name, uphill, f"{words} that were measured.", _advice(momentum))


def _lasts(history: History, column: int, thresholds: Mapping[str, float]) -> bool:
    """Whether updates are not much smaller than they were: a swing that dies out does no harm."""
    ways = history["update_norm"][:, column]
    early = ways[history.steps <= history.steps[0] + thresholds["steps"]]
    return not median(np.asarray(ways[-16:], np.float64)) < thresholds["lasts"] * median(np.asarray(early, np.float64))


def _usual(history: History, figure: str, column: int, count: int) -> float:
    values = latest(history, figure, column, count)
    return median(values)


def _uphill(history: History, column: int) -> tuple[float, int]:
    """In which share of the last measurements the momentum pointed uphill, and how many these are."""
    values = latest(history, "momentum_cosine", column, 160)
    return (float(np.mean(values < 0)), len(values)) if len(values) else (0.0, 0)


def _momentum(group: Group) -> float:
    """The momentum that a group has, by its letter in the rule."""
    for letter in ("rho", "mu", "momentum", "beta1"):
        value = group.hyper.get(letter, group.given.get(letter))
        if value is not None and isfinite(value):
            return float(value)
    return 0.0


def _advice(momentum: float) -> str:
    if not 0 < momentum < 1:
        return "Lower lr by 3 to 10 times."
    if momentum <= 0.9:
        return "Lower lr by 3 to 10 times, or momentum to .5."
    factor = short(max(2, round((1 - 0.9) / (1 - momentum))))
    return f"Lower lr by about {factor} times, or momentum to .9: what counts is lr / (1 - momentum)."


ALARM = Alarm(
    name="oscillation",
    title="Oscillation",
    meaning="The weights swing to and fro across a valley instead of going along it: momentum carries them past the "
    "bottom, or a step is as long as the curvature bears.",
    advice="Lower lr as momentum rises; 2 to 10 times where updates alternate.",
    source="Sutskever et al. 2013, section 2; Polyak 1964; rules.md",
    thresholds={
        "rows": 4,
        "steps": 64,
        "swing": 0.76,  # planted ones begin at .77, and noise at good rates reaches .74
        "lasts": 0.1,  # of the first updates
        "noise": 0.65,
        "uphill_rows": 64,
        "uphill": 0.13,
        "uphill_else": 0.45,
        "momentum": 0.95,
        "alternating": -0.85,
    },
    look=look,
)

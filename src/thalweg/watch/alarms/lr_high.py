"""A learning rate far too high from the start: the loss rises, and the first steps outweigh the weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isfinite

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import FLOOR, first_losses, groups, jitter, median, smooth, spreads
from thalweg.watch.alarms.words import about, far, short
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """What the first steps did to the loss and to the weights; nothing once they are long ago."""
    if not len(history) or history.steps[0] > 2 * history.subject.every or history.last > thresholds["until"]:
        return []
    losses = first_losses(history, int(thresholds["losses"]))
    peak = _peak(losses, thresholds)
    found = []
    for group, column, name in groups(history):
        moved, grown = _moved(history, column, thresholds), _grown(history, column, thresholds)
        stuck = _stuck(losses, thresholds)
        signs = [
            (peak > 0, f"the loss rose from {short(losses[0]) if len(losses) else ''} to {short(peak)}"),
            (
                moved >= thresholds["far"] or (moved >= thresholds["moved"] and stuck),
                f"the first 8 steps made {short(moved)} times the way from zero to the weights",
            ),
            (grown >= thresholds["grown"], f"the weights are {short(grown)} times as large as before step 1"),
        ]
        if any(is_seen for is_seen, _ in signs):
            rates = history["lr"][:, column]
            lr = float(np.fmax.reduce(rates))
            warms_up = bool(lr > 1.5 * rates[0])
            factor = _factor(history, column, peak / losses[0] if peak else 0.0, warms_up)
            seen = " and ".join(text for is_seen, text in signs if is_seen)
            words = (
                f"lr {short(lr)} of {name or group.called} is {far(factor)}too high, perhaps {about(factor)} times: "
                f"{seen}."
            )
            found.append(Finding(name, factor, words, _advice(lr, factor, warms_up)))
    return found


def _peak(losses: np.ndarray, thresholds: Mapping[str, float]) -> float:
    """The highest stretch of losses, if it is far above the first loss for how much losses vary anyway; else 0."""
    noise = jitter(losses[:64])
    if not noise <= thresholds["jitter"]:
        return 0.0
    stretches = smooth(losses, 8 if len(losses) >= 24 else 3 if len(losses) >= 6 else 1)
    highest = float(stretches.max()) if len(stretches) else 0.0
    above = thresholds["risen"] * exp(1.2 * noise) * losses[0]
    if highest >= exp(noise**2) * above:
        return highest
    usual = median(losses)  # over many losses chance has less of a say
    return usual if len(losses) >= 64 and usual >= above else 0.0


def _stuck(losses: np.ndarray, thresholds: Mapping[str, float]) -> bool:
    """Whether the loss has hardly fallen after 64 steps."""
    return len(losses) >= 64 and losses.min() > 0 and median(losses[-16:]) >= thresholds["stuck"] * losses[0]


def _known_start(history: History, column: int, thresholds: Mapping[str, float]) -> bool:
    """Whether the weights began as those of a network do, not at zero: only then is their size a measure."""
    return spreads(history, column) >= thresholds["spread"]


def _moved(history: History, column: int, thresholds: Mapping[str, float]) -> float:
    """The way of the first eight steps over the weights before them; 0 if that is no measure."""
    if not _known_start(history, column, thresholds):
        return 0.0
    early = history.steps <= max(8, int(history.steps[0]))
    way = 8 * float(np.mean(history["update_norm"][early, column], dtype=np.float64))
    return way / max(float(history["weight_norm"][0, column]), FLOOR) if isfinite(way) else 0.0


def _grown(history: History, column: int, thresholds: Mapping[str, float]) -> float:
    """How much larger weights became in the first 32 steps; 0 if that is no measure."""
    few = history.subject.parts[column].elements < thresholds["elements"]
    if few or not _known_start(history, column, thresholds):
        return 0.0
    norms = np.asarray(history["weight_norm"][history.steps <= 33, column], np.float64)
    grown = float(norms[-1]) / max(float(norms[0]), FLOOR) if len(norms) else 0.0
    return grown if isfinite(grown) else 0.0


def _factor(history: History, column: int, rise: float, warms_up: bool) -> float:
    """By how much to lower lr: until the first step is a twenty-fifth of the weights, or as the loss's rise says."""
    longest = np.fmax.reduce(history["update_norm"][:, column]) if warms_up else history["update_norm"][0, column]
    first = float(longest) / max(float(history["weight_norm"][0, column]), FLOOR)
    start = spreads(history, column)
    factor = 25 * first if isfinite(first) and start >= 0.01 else 10 * rise
    return min(max(factor, 3.0), 1000.0)


def _advice(lr: float, factor: float, warms_up: bool) -> str:
    to = f", to {about(lr / factor)}" if isfinite(lr) and lr > 0 else ""
    or_slowly = "" if warms_up else "; or let it rise from there over the first steps"
    return f"Lower lr{' where it is highest' * warms_up} by about {about(factor)} times{to}{or_slowly}."


ALARM = Alarm(
    name="lr_high",
    title="Learning rate far too high",
    meaning="The first steps threw the weights far away from where they began, and with them what a good "
    "initialisation gives. What is learned from there on is usually worse, if anything is.",
    advice="Lower lr by 10 to 100 times.",
    source="Goodfellow, Bengio & Courville 2016, section 11.4.1; rules.md",
    thresholds={
        "until": 256,
        "losses": 128,
        "jitter": 0.8,
        "risen": 1.4,
        "moved": 5.0,
        "far": 20.0,
        "stuck": 0.7,
        "grown": 6.0,
        "elements": 256,
        "spread": 0.005,
    },
    look=look,
)

"""A layer whose gradient is exactly zero, or that never gets one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import steps_seen
from thalweg.watch.alarms.words import per_layer
from thalweg.watch.history import History

SEEN = 16  # rows of weights that are looked at


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """The layers that stood still for many steps while others moved."""
    layers, rows = len(history.subject.layers), len(history)
    if rows < thresholds["rows"] or steps_seen(history) < thresholds["steps"]:
        return []
    norms = history["gradient_norm"][:, :layers]
    if (norms[-1] > 0).all():
        return []
    moving = np.any(norms > 0, axis=1)
    missing = _missing(history, moving, thresholds)
    idle = np.equal(norms, 0) & ~(history["zero_share"][:, :layers] < 1)
    last = np.where(idle.all(axis=0), 0, rows - np.argmin(idle[::-1], axis=0))  # first row of the zeros at the end
    last = np.where(idle[-1], last, rows)
    first = np.where(last > 0, history.steps[np.maximum(last, 1) - 1] + 1, history.steps[0])
    steps = np.where(last < rows, history.last - first + 1, 0)
    others = last > rows - 1 - int(np.argmin(moving[::-1])) if not moving.all() else np.ones(layers, bool)
    enough = np.where(others, thresholds["rows"], thresholds["all"])
    dead = (rows - last >= enough) & (steps >= thresholds["steps"]) & ~_moves(history, last, thresholds)
    dead &= ~_converged(norms, last, thresholds)
    since = np.where(missing, history.steps[0], first)

    def sentence(where: str, k: int) -> str:
        what = "there is no gradient" if missing[k] else "the gradient is exactly 0"
        return f"{where} {what} since step {since[k]:,}, for {history.last - since[k] + 1:,} steps."

    return per_layer(history, dead | missing, np.zeros(layers), sentence, since=since)


def _missing(history: History, moving: np.ndarray, thresholds: Mapping[str, float]) -> np.ndarray:
    """The layers that are to learn, never had a gradient at a measured step, and did not move between these either."""
    parts, rows = history.subject.layers, int(thresholds["rows"])
    never = np.isnan(history["gradient_norm"][:, : len(parts)]).all(axis=0)
    if not never.any() or not moving[-rows:].all() or steps_seen(history) < thresholds["missing"]:
        return np.zeros(len(parts), bool)
    still = np.isnan(history["heading_cosine"][-rows:, : len(parts)]).all(axis=0)
    return never & still & np.array([part.learns for part in parts], bool)


def _converged(norms: np.ndarray, last: np.ndarray, thresholds: Mapping[str, float]) -> np.ndarray:
    """Whose gradients became zero little by little, as at a minimum."""
    before = norms[np.maximum(last, 1) - 1, np.arange(norms.shape[1])]
    most = np.max(np.where(np.isfinite(norms), norms, 0.0), axis=0)
    return (last > 0) & (before > 0) & (before < thresholds["converged"] * most)


def _moves(history: History, last: np.ndarray, thresholds: Mapping[str, float]) -> np.ndarray:
    """Whose weights are trained though their measured gradients are zero: those of steps between these are not.

    Decay only shrinks weights, by the same share every time, and what momentum still carries on dies out.
    """
    norms = np.asarray(history["weight_norm"][-SEEN:, : len(last)], np.float64)
    norms = np.where(np.arange(len(history) - len(norms), len(history))[:, None] >= last, norms, np.nan)
    changes, least = np.diff(norms, axis=0), thresholds["moves"] * norms[-1]
    more = np.abs(changes[1:]) > thresholds["more"] * np.abs(changes[:-1]) + least / 10
    return ((changes > least).any(axis=0) | more.any(axis=0)) & (history.subject.every > 1)


ALARM = Alarm(
    name="dead",
    title="A dead layer",
    meaning="No gradient comes through: rectifiers that are off for every sample, an output that is detached or not "
    "used, or weights of zero on both sides. The layer learns nothing any more.",
    advice="Look at what follows the layer: a lower lr or a smaller bias where rectifiers died, a leaky one instead; "
    "and leave out of the optimizer what shall stay as it is.",
    source="Lu et al. 2020, Dying ReLU and Initialization; rules.md",
    thresholds={"rows": 6, "all": 32, "steps": 64, "missing": 128, "moves": 1e-5, "more": 1.05, "converged": 1e-5},
    look=look,
)

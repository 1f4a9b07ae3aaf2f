"""A saddle or a plateau: gradients almost vanished, the loss stands still, and it is no minimum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, latest, median, smooth, steps_seen
from thalweg.watch.alarms.words import share, short
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Tiny gradients that are no noise, where the loss is flat and high, or where they grow again."""
    if steps_seen(history) < thresholds["steps"] or len(history) < thresholds["rows"]:
        return []
    flat, remains = _flat(history, thresholds)
    found = []
    for _, column, name in groups(history):
        norms = np.asarray(history["gradient_norm"][:, column], np.float64)
        norms = norms[np.isfinite(norms)]
        agreed = latest(history, "gradient_cosine", column, 32)
        if len(norms) < thresholds["rows"] or not len(agreed) or median(agreed) < thresholds["agreed"] or not flat:
            continue
        now, most = median(norms[-8:]), float(norms.max())
        tiny = now <= thresholds["tiny"] * most
        where = f" of {name}" if name else ""
        if tiny and remains >= thresholds["remains"]:
            words = (
                f"The loss stands still at {share(remains)} of its start, and the gradient{where} is "
                f"{short(now / most)} of what it was, in the same direction every step: no noise, and no minimum."
            )
            found.append(Finding(name, now / most, words))
        elif lowest := _rises(norms, thresholds):
            words = (
                f"The gradient{where} fell to {short(lowest / most)} of what it was and has grown "
                f"{short(now / lowest)} times since, while the loss stands still: a saddle is being left."
            )
            found.append(Finding(name, now / lowest, words))
    return found


def _flat(history: History, thresholds: Mapping[str, float]) -> tuple[bool, float]:
    """Whether the loss did not change in the second half of the run, and what part of the first loss it is."""
    losses = history.loss[np.isfinite(history.loss)]
    if len(losses) < thresholds["rows"]:
        return False, 0.0
    start, late = median(losses[:4]), losses[len(losses) // 2 :]
    half = len(late) // 2
    change = abs(median(late[half:]) - median(late[:half]))
    now = median(losses[-16:])
    return change <= thresholds["flat"] * max(abs(start), abs(now)), now / start if start > 0 else 0.0


def _rises(norms: np.ndarray, thresholds: Mapping[str, float]) -> float:
    """The lowest gradient, if it was tiny and grew at every stretch since, and by much; else 0."""
    stretches = smooth(norms, 8)
    place = int(np.argmin(stretches))
    lowest, since = float(stretches[place]), stretches[place:]
    grows = len(since) > thresholds["stretches"] and bool((np.diff(since) > 0).all())
    far = lowest <= thresholds["tiny"] * norms.max() and since[-1] >= thresholds["grown"] * lowest
    return lowest if grows and far and lowest > 0 else 0.0


ALARM = Alarm(
    name="plateau",
    title="A saddle or a plateau",
    meaning="The gradient is tiny though the loss is far from what it could be: the weights are in a flat region or at "
    "a saddle, which plain gradient descent leaves only after very many steps.",
    advice="An adaptive rule or momentum, whose steps do not shrink with the gradient; or another initialisation.",
    source="Dauphin et al. 2014; rules.md",
    thresholds={
        "steps": 200,
        "rows": 32,
        "agreed": 0.8,
        "tiny": 0.02,
        "remains": 0.7,
        "flat": 0.005,
        "stretches": 5,
        "grown": 5.0,
    },
    look=look,
)

"""Updates of an Adam-like rule that double before the loss does: the second moment is stale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import FLOOR, middle, tail
from thalweg.watch.alarms.words import per_layer, short
from thalweg.watch.history import History

STRETCH = 8  # rows


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Layers whose updates, in units of lr, doubled for some steps since second moments did not follow the first.

    A step of nearly lr a coordinate, or more, is one that was not meant: at equal gradients it is lr, and where these
    vary, as those of batches do, a third of that.
    """
    parts = history.subject.layers
    now, before = int(thresholds["rows"]), int(thresholds["before"])
    betas = {group.number: group.hyper.get("beta2") for group in history.subject.groups}
    slow = np.array([betas.get(part.group) is not None for part in parts], bool)
    if len(history) < now + before or history.last < thresholds["steps"] or not slow.any():
        return []
    root = np.sqrt(np.array([part.elements for part in parts], np.float64))
    length = _stretches(_lengths(history, now, root))
    long = slow & (length >= thresholds["length"])
    if not long.any():
        return []
    first, second = (tail(history, name, now + before)[:, : len(parts)] for name in ("first_moment", "second_moment"))
    grown = length / np.maximum(middle(_lengths(history, now + before, root)[:before], STRETCH), FLOOR)
    first, second = (_stretches(rows[before:]) / middle(rows[:before], STRETCH) for rows in (first, second))
    doubled = long & (np.minimum(grown, first / second) >= thresholds["grown"])
    at = np.argmax(np.where(doubled, grown, 0.0), axis=0), np.arange(len(parts))  # for each layer its worst stretch

    def sentence(where: str, k: int) -> str:
        return (
            f"{where} updates grew to {short(grown[at][k])} times what they were in the {before} measurements before, "
            f"{short(length[at][k])} lr a coordinate: the first moment grew {short(first[at][k])}-fold, the root of "
            f"the second {short(second[at][k])}-fold."
        )

    return per_layer(history, np.asarray(doubled.any(axis=0)), grown[at], sentence)


def _lengths(history: History, rows: int, root: np.ndarray) -> np.ndarray:
    """Root mean square updates in units of lr."""
    norms, rates = (tail(history, figure, rows)[:, : len(root)] for figure in ("update_norm", "lr"))
    return norms / rates / root


def _stretches(rows: np.ndarray) -> np.ndarray:
    """The usual numbers of stretches of a few rows, of shape (stretches, layers)."""
    return np.stack([middle(rows[k : k + STRETCH], STRETCH // 2) for k in range(0, len(rows), STRETCH)])


ALARM = Alarm(
    name="update_growth",
    title="Updates double before a spike",
    meaning="Gradients grew faster than the second moment can follow, so that steps are longer than lr means them to "
    "be; a spike of the loss often follows within ten to a hundred steps.",
    advice="Lower beta2 (.95 remembers 20 steps, .999 a thousand), clip the update's norm, or lower lr.",
    source="marin-community/marin#1368; Shazeer & Stern 2018, sections 5 and 6",
    # A network that leaves a plateau reached a length of .8, gradients ten times larger than before one of 1.02.
    thresholds={"rows": 32, "before": 64, "steps": 100, "grown": 2.0, "length": 0.9},
    look=look,
)

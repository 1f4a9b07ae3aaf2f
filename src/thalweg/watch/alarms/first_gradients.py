"""Most of AdaGrad's sum stems from the first few gradients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import FLOOR, groups, middle
from thalweg.watch.alarms.words import about, share, short
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups that sum squares for ever, and whose first gradients were far larger than those behind them."""
    first, rows = int(thresholds["first"]), int(thresholds["rows"])
    if len(history) < rows or history.steps[first - 1] != first:
        return []
    found = []
    for group, column, name in groups(history):
        if not np.isfinite(history["fall"][-1, column]):
            continue
        norms = np.asarray(history["gradient_norm"][:, column], np.float64)
        squares = np.where(np.isfinite(norms), norms, 0.0) ** 2 * np.diff(history.steps, prepend=0)
        part = float(squares[:first].sum() / max(squares.sum(), FLOOR))
        ratio = float(norms[:first].max() / max(float(middle(norms[first : 2 * rows])), FLOOR))
        if part >= thresholds["share"] and ratio >= thresholds["ratio"]:
            shorter = (1 / max(1 - part, 1e-12)) ** 0.5
            words = (
                f"{share(part)} of the sum of {name or group.called} stems from its first {first} gradients, up to "
                f"{short(ratio)} times as large as those behind: steps are {short(shorter)} times shorter for it."
            )
            advice = (
                f"Clip the first gradients, restart the sum, or raise lr by about {about(shorter)} times. A warm-up "
            )
            found.append(Finding(name, part, words, f"{advice}does not help: the sum does not know lr."))
    return found


ALARM = Alarm(
    name="first_gradients",
    title="First gradients too large",
    meaning="A sum that never forgets keeps the first gradients for good, and if these were large all later steps are "
    "short.",
    advice="Clip the first gradients, restart the sum, or raise lr. A warm-up does not help: the sum does not know lr.",
    source="rules.md; Duchi, Hazan & Singer 2011",
    thresholds={"first": 5, "rows": 64, "share": 0.9, "ratio": 10.0},
    look=look,
)

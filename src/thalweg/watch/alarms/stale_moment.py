"""A second moment in 16 bits that does not move any more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import middle, tail
from thalweg.watch.alarms.rounding import SHORT_TYPES
from thalweg.watch.alarms.words import per_layer, share, short
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Layers whose averages are kept in 16 bits, and whose second moments mostly stay where they are."""
    parts, rows = history.subject.layers, int(thresholds["rows"])
    kept = np.array([not SHORT_TYPES.keys().isdisjoint(part.state_dtype.split(", ")) for part in parts], bool)
    if not kept.any() or len(history) < rows:
        return []
    stale = middle(tail(history, "stale_share", rows)[:, : len(parts)], rows // 2)
    hyper = {group.number: group.hyper for group in history.subject.groups}

    def sentence(where: str, k: int) -> str:
        beta = hyper.get(parts[k].group, {}).get("beta2", hyper.get(parts[k].group, {}).get("beta"))
        moves = f": with {short(beta)} they move by {share(1 - beta)} a step" if beta is not None else ""
        return f"{where} {share(stale[k])} of the second moments stay as they are in {parts[k].state_dtype}{moves}."

    return per_layer(history, kept & (stale >= thresholds["share"]), stale, sentence)


ALARM = Alarm(
    name="stale_moment",
    title="Second moments are lost to rounding",
    meaning="At beta2 .999 a second moment moves by a thousandth a step, which is less than half a digit of a 16-bit "
    "number: it stays where it was when gradients were large, and steps keep the wrong length.",
    advice='Keep it in float32 (state_dtype="float32"), or round stochastically.',
    source="rules.md, last row of the pitfalls; Kingma & Ba 2015, section 2",
    thresholds={"share": 0.5, "rows": 8},
    look=look,
)

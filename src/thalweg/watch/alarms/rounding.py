"""Weights in 16 bits that stand still because updates are smaller than half the distance to the next number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import middle, tail
from thalweg.watch.alarms.words import per_layer, share, short
from thalweg.watch.history import History

SHORT_TYPES = {"bfloat16": 2.0**-9, "float16": 2.0**-12}  # and half the distance to the next number, at the least


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Layers in 16 bits that lose a large share of their updates."""
    parts, rows = history.subject.layers, int(thresholds["rows"])
    kept = np.array([part.dtype in SHORT_TYPES for part in parts], bool)
    if not kept.any() or len(history) < rows:
        return []
    lost = middle(tail(history, "lost_share", rows)[:, : len(parts)], rows // 2)
    ratios = middle(tail(history, "update_ratio", rows)[:, : len(parts)])

    def sentence(where: str, k: int) -> str:
        return (
            f"{where} {share(lost[k])} of the weights that should have moved did not: a step is {short(ratios[k])} of "
            f"the weights, and half a digit of {parts[k].dtype} {short(SHORT_TYPES[parts[k].dtype])}."
        )

    return per_layer(history, kept & (lost >= thresholds["share"]), lost, sentence)


ALARM = Alarm(
    name="rounding",
    title="Updates are lost to rounding",
    meaning="A 16-bit weight changes by whole digits only; what is less than half of one is rounded away, however "
    "often it comes.",
    advice='Stochastic rounding (rounding="stochastic"), Kahan summation, or float32 weights of which the 16-bit ones '
    "are copies.",
    source="Zamirai et al. 2021, Revisiting BFloat16 Training; rules.md",
    thresholds={"share": 0.25, "rows": 8},
    look=look,
)

"""Gradients that are infinite or NaN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.words import per_layer
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """The first batch of the last stretch of batches that had such gradients, as long as that is not long ago."""
    layers = len(history.subject.layers)
    counts = history["nonfinite"][:, :layers]
    if not np.greater_equal(counts[-int(thresholds["rows"]) :], thresholds["coordinates"]).any():
        return []
    bad = np.greater_equal(counts, thresholds["coordinates"])
    rows = np.any(bad, axis=1)
    last = len(rows) - 1 - int(np.argmax(rows[::-1]))
    good = np.flatnonzero(~rows[:last])
    first = int(good[-1]) + 1 if len(good) else 0
    numbers = np.asarray(history["nonfinite"][first, :layers], np.float64)
    return per_layer(
        history,
        bad[first],
        numbers,
        lambda where, k: f"{where} {_values(numbers[k], history, k)} {_when(history, first, last)}",
        since=np.full(layers, history.steps[first]),
    )


def _values(number: float, history: History, column: int) -> str:
    return f"{number:,.0f} of {history.subject.parts[column].elements:,} values of the gradient are infinite or NaN"


def _when(history: History, first: int, last: int) -> str:
    steps = history.steps
    if first == last:
        return f"in step {steps[first]:,}."
    until = "" if last == len(steps) - 1 else f" until step {steps[last]:,}"
    return f"since step {steps[first]:,}{until}."


ALARM = Alarm(
    name="nonfinite",
    title="Gradients that are infinite or NaN",
    meaning="A batch, or an operation on it, gave a number that is none. Weights that took the step are lost, and an "
    "average of gradients keeps it for good.",
    advice="Look at that batch for missing values, and at logarithms, roots and divisions of zero. Skip such steps, "
    "and go back to weights from before the step.",
    source="tensorflow/tensorflow#3212; IEEE 754",
    thresholds={"coordinates": 1, "rows": 32},
    look=look,
)

"""A layer whose gradients are a tiny part of the other layers'."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import FLOOR, biases, middle, tail
from thalweg.watch.alarms.words import per_layer, short
from thalweg.watch.history import History

NEAR = 10.0  # sizes that leave out zeros are at most so many times those that do not, by "sparse"


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Root mean square gradients per coordinate, of those that have one, against the upper quartile of the others'.

    Not against their median: one module, a recurrent one for instance, may hold half of all layers.
    """
    parts = history.subject.layers
    rows = int(thresholds["rows"])
    if len(history) < rows or len(parts) < 2:
        return []
    elements = np.array([max(part.elements, 1) for part in parts], np.float64)
    roots = np.sqrt(elements)
    if not _may_be(np.asarray(history["gradient_norm"][-1, : len(parts)], np.float64) / roots, thresholds["ratio"]):
        return []
    norms = middle(tail(history, "gradient_norm", rows)[:, : len(parts)], rows // 2)
    zero = middle(tail(history, "zero_share", rows)[:, : len(parts)])
    zero = np.where(np.isfinite(zero), zero, 0.0)
    sizes = norms / np.maximum(roots * np.sqrt(1 - zero), 1.0)
    counts = np.isfinite(sizes) & (sizes > 0)
    if counts.sum() < 2:
        return []
    ratio = sizes / np.maximum(_others(sizes, counts), FLOOR)
    seen = counts & (zero <= thresholds["sparse"]) & (ratio <= thresholds["ratio"])

    def sentence(where: str, k: int) -> str:
        return f"{where} gradients are {short(ratio[k])} of those of other layers ({short(sizes[k])} a coordinate)."

    return per_layer(history, seen & ~biases(parts), ratio, sentence, lowest=True) if seen.any() else []


def _may_be(sizes: np.ndarray, ratio: float) -> bool:
    """Whether the last gradients leave it open that there is such a layer."""
    known = np.sort(sizes[sizes > 0])
    return len(known) > 1 and bool(known[0] <= NEAR * ratio * known[_upper(len(known))])


def _others(sizes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """For every layer the upper quartile of the others."""
    ordered = np.sort(sizes[counts])
    place = np.searchsorted(ordered, sizes)
    at = _upper(len(ordered) - 1)
    return np.where(place <= at, ordered[min(at + 1, len(ordered) - 1)], ordered[at])


def _upper(count: int) -> int:
    """The place of the upper quartile among so many numbers in order.

    Example:
        >>> [_upper(count) for count in (1, 2, 3, 4, 5, 9)]
        [0, 1, 2, 2, 3, 6]
    """
    return round(0.75 * (count - 1))


ALARM = Alarm(
    name="small",
    title="A layer with tiny gradients",
    meaning="With plain gradient descent or momentum the layer hardly learns while the others do; an adaptive rule "
    "makes up for it until the gradients come near epsilon.",
    advice="Look for a factor that is too small on the way to that layer, or for saturated activations; give the layer "
    "a larger lr, or take an adaptive rule with a smaller epsilon.",
    source="Glorot & Bengio 2010, section 4.2; rules.md",
    thresholds={"ratio": 3e-5, "rows": 16, "sparse": 0.9},
    look=look,
)

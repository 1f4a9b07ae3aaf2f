"""The loss leaves what it had reached, and does not come back."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, latest, median, smooth
from thalweg.watch.alarms.words import share, short
from thalweg.watch.history import History


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """What the last losses say: no numbers, or far above the best stretch of the run."""
    lost = _lost(history, int(thresholds["lost"]))
    if lost:
        return [Finding("", inf, f"The loss is no number any more: {lost}.")]
    return _risen(history, thresholds)


def _lost(history: History, count: int) -> str:
    told = history.losses[-count:]
    if len(told) < count or any(isfinite(loss) for _, loss in told):
        return ""
    finite = [step for step, loss in history.losses[-256:] if isfinite(loss)]
    return f"{short(told[-1][1])} since step {finite[-1] + 1:,}" if finite else f"{short(told[-1][1])}"


def _risen(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    width = int(thresholds["rows"])
    losses = history.loss[np.isfinite(history.loss)]
    stretches = smooth(losses, width)
    if len(stretches) < 2:
        return []
    best = int(np.argmin(stretches))
    now, low, start = median(losses[-width:]), float(stretches[best]), median(losses[:4])
    noise = median(np.abs(losses[-width:] - now))
    fallen = start - low
    grows = now >= thresholds["multiple"] * low if low > 0 else True
    far = now - low >= max(thresholds["part"] * fallen, thresholds["noise"] * noise)
    if fallen > thresholds["fallen"] * abs(start) and grows and far:
        part = (now - low) / fallen
        words = f"The loss was {short(low)} and is {short(now)}: {share(part)} of what was gained is lost again."
        return [Finding("", now / low if low > 0 else part, words)]
    return _never_fell(history, thresholds, now, start)


def _never_fell(history: History, thresholds: Mapping[str, float], now: float, start: float) -> list[Finding]:
    """A loss above its start counts only if steps are huge as well: that of reinforcement learning may just grow."""
    ratios = [latest(history, "update_ratio", column, 16) for _, column, _ in groups(history)]
    ratio = max((median(each) for each in ratios if len(each)), default=0.0)
    if not (start > 0 and now >= thresholds["start"] * start and ratio >= thresholds["ratio"]):
        return []
    words = (
        f"The loss began at {short(start)} and is {short(now)}, and every step changes the weights by {share(ratio)} "
        "of their norm."
    )
    return [Finding("", now / start, words)]


ALARM = Alarm(
    name="divergence",
    title="The loss diverges",
    meaning="Training has left the region that it had reached: steps are too long for the curvature there, or a bad "
    "batch threw the weights away.",
    advice="Go back to earlier weights and lower lr by 3 to 10 times from there, or clip the gradient's norm.",
    source="Lightning's LR finder stops at 4 times the best loss; rules.md",
    thresholds={
        "rows": 32,
        "lost": 3,
        "multiple": 2.0,
        "part": 0.3,
        "noise": 3.0,
        "fallen": 0.2,
        "start": 3.0,
        "ratio": 0.05,
    },
    look=look,
)

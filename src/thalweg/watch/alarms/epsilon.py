"""Epsilon is larger than what it is added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import biases, middle, tail
from thalweg.watch.alarms.words import about, per_layer, share, short
from thalweg.watch.history import History
from thalweg.watch.subject import Group

PARTS_OF_THE_METHOD = ("adadelta",)  # its epsilon is where the first steps come from


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Layers in which epsilon shortens most steps, though training did not bring their gradients near zero."""
    parts, rows = history.subject.layers, int(thresholds["rows"])
    owners = {group.number: group for group in history.subject.groups}
    if len(history) < rows or not np.any(history["epsilon_share"][-1] >= thresholds["share"]):
        return []
    ruled = middle(tail(history, "epsilon_share", rows)[:, : len(parts)], rows // 2)
    if not (ruled >= thresholds["share"]).any():
        return []
    moments = middle(tail(history, "second_moment", rows)[:, : len(parts)])
    norms = np.asarray(history["gradient_norm"][:, : len(parts)], np.float64)
    most = np.max(np.where(np.isfinite(norms), norms, 0.0), axis=0)
    alive = middle(norms[-rows:]) >= thresholds["vanished"] * most
    most_moved = float(np.fmax.reduce(moments, initial=0.0))
    alive &= ~(biases(parts) & (moments <= thresholds["rounding"] * most_moved))
    meant = np.array([_inner(owners.get(part.group)) not in PARTS_OF_THE_METHOD for part in parts])

    def sentence(where: str, k: int) -> str:
        eps = _epsilon(owners.get(parts[k].group))
        sizes = f": it is {short(eps)}, and gradients about {short(moments[k])}" if eps is not None else ""
        return f"{where} epsilon makes {share(ruled[k])} of the steps less than half as long{sizes}."

    found = per_layer(history, (ruled >= thresholds["share"]) & alive & meant, ruled, sentence)
    places = {part.name: k for k, part in enumerate(parts)}
    worst = [places[f.layers[0] if f.layers else f.part] for f in found]
    return [
        replace(f, advice=_advice(owners.get(parts[k].group), moments[k])) for f, k in zip(found, worst, strict=True)
    ]


def _inner(group: Group | None) -> str:
    return (group.rule or "").rpartition("(")[2].rstrip(")") if group else ""


def _epsilon(group: Group | None) -> float | None:
    return group.hyper.get("eps", group.given.get("eps")) if group else None


def _advice(group: Group | None, moment: float) -> str:
    """Lower an epsilon that is large; where it is small, the scale of the loss is off."""
    eps = _epsilon(group)
    if eps is None or not moment > 0:
        return ""
    if eps > 1e-6:
        return f"Lower epsilon to {about(moment / 1000)} or less, unless gradient descent with lr / epsilon is meant."
    return f"Gradients are as small as epsilon: multiply the loss by {about(1000 * eps / moment)}, or lower epsilon."


ALARM = Alarm(
    name="epsilon",
    title="Epsilon rules the denominator",
    meaning="Where epsilon is larger than the root of the second moment the rule is not adaptive any more: it is "
    "gradient descent with lr / epsilon.",
    advice="Raise or lower epsilon on purpose: tasks with small gradients are known to need 1e-4 to 1e-3, and else the "
    "scale of the loss is off.",
    source="Choi et al. 2019; AdeDZY/K-NRM#10, dgriff777/rl_a3c_pytorch#29",
    thresholds={"share": 0.5, "rows": 8, "vanished": 1e-3, "rounding": 1e-4},  # of the largest layer's moment
    look=look,
)

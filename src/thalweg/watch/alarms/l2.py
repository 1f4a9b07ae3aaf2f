"""L2 regularisation through an adaptive rule: the decay is divided by the gradient's scale."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from thalweg.errors import InputError
from thalweg.rules.setting import find_rule
from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, middle, tail
from thalweg.watch.alarms.words import short
from thalweg.watch.history import History
from thalweg.watch.subject import Group

# Rules that divide by the gradient's size, though not from the first step on or not exactly, so that none declares it.
NEARLY = ("adagrad_inside", "radam", "radam_eps_after")


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups whose rule is adaptive and has L2 decay inside."""
    found = []
    for group, _, name in groups(history):
        inner, decay = _decayed(group)
        if not inner or not decay > thresholds["decay"] or not len(history):
            continue
        words = (
            f"{name or group.called} adds {short(decay)} times the weights to the gradient, and {inner} divides "
            f"that by the gradient's size{_unequal(history, group)}."
        )
        found.append(Finding(name, decay, words, _advice(inner)))
    return found


def _decayed(group: Group) -> tuple[str, float]:
    """The adaptive rule that a group wraps in L2, and its decay; an empty name if it does not."""
    rule = group.rule or ""
    if not rule.startswith("l2("):
        return "", 0.0
    inner = rule[3:-1].replace("ascent(", "").rstrip(")")
    try:
        adaptive = inner in NEARLY or "scale_invariant" in find_rule(inner).facts
    except InputError:
        return "", 0.0
    return (inner if adaptive else ""), float(group.hyper.get("decay", group.given.get("weight_decay", 0.0)))


def _unequal(history: History, group: Group) -> str:
    """How unequally the layers' weights decay, if that is known."""
    columns = [k for k, part in enumerate(history.subject.layers) if part.group == group.number]
    moments = middle(tail(history, "second_moment", 8)[:, columns])
    moments = moments[np.isfinite(moments) & (moments > 0)]
    if len(moments) < 2 or moments.max() < 2 * moments.min():
        return ""
    return f": one layer decays {short(float(moments.max() / moments.min()))} times as fast as another"


def _advice(inner: str) -> str:
    decoupled = "AdamW" if inner == "adam" else f"decoupled({inner}), as in AdamW"
    return f"Take {decoupled}, with the same lr and decay to begin with."


ALARM = Alarm(
    name="l2",
    title="L2 with an adaptive rule",
    meaning="Weights with large gradients decay less than those with small ones, so that decay is no regularisation of "
    "a known strength, and its best value depends on lr.",
    advice="Decoupled decay: AdamW.",
    source="Loshchilov & Hutter 2019, section 2",
    thresholds={"decay": 0.0},
    look=look,
)

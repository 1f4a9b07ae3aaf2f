"""A setting that is known to be bad, or was made for another purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from thalweg.watch.alarm import Alarm, Finding
from thalweg.watch.alarms.evidence import groups, latest, median
from thalweg.watch.alarms.words import share, short
from thalweg.watch.history import History


@dataclass(frozen=True)
class Known:
    """A setting that is known to be bad.

    Attributes:
        rules: Of which rules.
        figure: The hyperparameter that decides, or the figure.
        bad: Whether a number of it is.
        words: What is seen, with the number in it.
        advice: The setting to take instead.
    """

    rules: tuple[str, ...]
    figure: str
    bad: Callable[[float, Mapping[str, float]], bool]
    words: str
    advice: str


KNOWN = (
    Known(
        ("adadelta",),
        "lr",
        lambda lr, thresholds: 0 < lr <= thresholds["adadelta"],
        "{where} has lr {number}: AdaDelta finds its steps by itself, and an lr below 1 only makes them shorter. "
        "10,000 equal gradients then move a weight by {moved}.",
        "lr 1, as in the paper; .001 is the default of Keras and TensorFlow.",
    ),
    Known(
        ("rprop_minus", "rprop_plus", "irprop_minus"),
        "gradient_noise",
        lambda noise, thresholds: noise >= thresholds["noise"],
        "{where} goes by the signs of gradients of which {part} is noise: on mini-batches they flip by chance, and "
        "steps shrink.",
        "Full batches, or RMSProp, which is the same idea for mini-batches.",
    ),
    Known(
        ("lion",),
        "lr",
        lambda lr, thresholds: lr >= thresholds["lion"],
        "{where} has lr {number}, as Adam would: a step of Lion moves every weight by all of lr.",
        "A third to a tenth of Adam's lr, 1e-4 by default, with that much more decay.",
    ),
)


def look(history: History, thresholds: Mapping[str, float]) -> list[Finding]:
    """Groups with such a setting."""
    found = []
    for group, column, name in groups(history):
        inner = (group.rule or "").rpartition("(")[2].rstrip(")")
        for known in KNOWN:
            if inner in known.rules and len(history):
                number = _number(history, column, known.figure)
                if known.bad(number, thresholds):
                    words = known.words.format(
                        where=name or group.called,
                        number=short(number),
                        part=share(number),
                        moved=short(50 * number),
                    )
                    found.append(Finding(name, number, words, known.advice))
    return found


def _number(history: History, column: int, figure: str) -> float:
    """What decides: the largest lr so far, so that a warm-up or an end at zero is none, or the usual noise."""
    values = latest(history, figure, column, len(history) if figure == "lr" else 64)
    if figure != "lr":
        return median(values) if len(values) >= 32 else float("nan")
    return float(values.max()) if len(values) and len(history) >= 16 else float("nan")


ALARM = Alarm(
    name="known_default",
    title="A setting known to be bad",
    meaning="The setting is a default somewhere, or was taken over from another rule, and is known not to work.",
    advice="The setting that the paper has.",
    source="Zeiler 2012, Algorithm 1; Riedmiller & Braun 1993; Chen et al. 2023, section 5",
    thresholds={"adadelta": 0.05, "noise": 0.6, "lion": 1e-3},
    look=look,
)

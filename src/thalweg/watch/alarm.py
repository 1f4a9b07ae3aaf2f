"""`Alarm`: a way in which training goes wrong, how it is recognised, what it means and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from thalweg.watch.history import History

SEVERAL = "several layers"


@dataclass(frozen=True)
class Finding:
    """What an alarm sees now, in one part or in the whole.

    Attributes:
        part: The layer's or group's name, or `SEVERAL`; empty for the whole optimizer.
        number: What decides, for instance a share or a ratio: the alarm is repeated when it has changed a lot.
        words: One sentence with the part and the number in it.
        advice: What to try, with numbers where they are known; empty where the alarm's own advice says it.
        since: The step at which it began, where that is known: what was over for a while is told again.
        layers: The layers that it is about where its part is `SEVERAL`.
    """

    part: str
    number: float
    words: str
    advice: str = ""
    since: int = 0
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alarm:
    """A way in which training goes wrong.

    Attributes:
        name: In files and programs, for instance `"epsilon"`.
        title: For people.
        meaning: What it means when it is seen.
        advice: What to try.
        source: Where that is known from.
        thresholds: The numbers that `look` compares with, by name, so that a table can show them and a test vary them.
        look: From the history, and the thresholds, to what is seen now; pure.
    """

    name: str
    title: str
    meaning: str
    advice: str
    source: str
    thresholds: Mapping[str, float]
    look: Callable[[History, Mapping[str, float]], Iterable[Finding]]


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised.

    Attributes:
        step: When.
        alarm: The alarm's name.
        finding: What was seen.
    """

    step: int
    alarm: str
    finding: Finding

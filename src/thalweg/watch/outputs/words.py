"""An alarm that was raised, in words: what its declaration says, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from thalweg.watch.alarm import Alarm, Raised


@dataclass(frozen=True)
class Words:
    """What to tell of an alarm.

    Attributes:
        title: A few words.
        found: What was seen, with layer and number.
        meaning: What that means; empty for an alarm of one's own that is not in the catalogue.
        advice: What to try.
    """

    title: str
    found: str
    meaning: str
    advice: str


def words_of(raised: Raised) -> Words:
    """The words for an alarm; the advice is the finding's own where it has some."""
    declared = _declared().get(raised.alarm)
    advice = raised.finding.advice or (declared.advice if declared else "")
    title, meaning = (declared.title, declared.meaning) if declared else (raised.alarm, "")
    return Words(title, raised.finding.words, meaning, advice)


@cache
def _declared() -> Mapping[str, Alarm]:
    from thalweg.watch.alarms import ALARMS  # when the first one is raised

    return {alarm.name: alarm for alarm in ALARMS}

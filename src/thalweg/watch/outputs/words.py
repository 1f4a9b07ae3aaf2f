"""An alarm that was raised, in words: what its declaration says, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from thalweg.watch.alarm import Raised


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
    from thalweg.watch.alarms import BY_NAME  # when the first one is raised

    declared = BY_NAME.get(raised.alarm)
    advice = raised.finding.advice or (declared.advice if declared else "")
    title, meaning = (declared.title, declared.meaning) if declared else (raised.alarm, "")
    return Words(title, raised.finding.words, meaning, advice)

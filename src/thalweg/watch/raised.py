"""Which alarms are new: each is raised once per layer, and again only when it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thalweg.watch.alarm import Alarm, Finding, Raised
from thalweg.watch.alarms import ALARMS
from thalweg.watch.history import History
from thalweg.watch.working import AT_FIRST, block_length

CHANGED = 2.0  # a number that grew or shrank by this factor is news
QUIET = 32  # steps before an alarm may be repeated, twice as many after every repetition
LAYERS = 4  # parts of which an alarm may tell without delay

# These are looked for in every block of measurements, the others in every second one after the first few.
PROMPT = ("nonfinite", "divergence", "spike")
TURNS = 2


def due(history: History) -> Sequence[Alarm]:
    """The alarms whose turn it is at the end of a block; all of them at first.

    Example:
        >>> from thalweg.watch.subject import Subject
        >>> due(History(Subject(parts=(), groups=()))) == ALARMS
        True
    """
    every = history.subject.every
    blocks = history.last // (every * block_length(every))
    if blocks <= AT_FIRST:
        return ALARMS
    return [alarm for k, alarm in enumerate(ALARMS) if alarm.name in PROMPT or (blocks + k) % TURNS == 0]


def raised(history: History, so_far: Sequence[Raised], alarms: Sequence[Alarm] = ALARMS) -> list[Raised]:
    """The alarms that are to be raised now.

    An alarm is raised once for each part, and again when its number has doubled or halved, or when it was over and is
    back. The first repetition comes no sooner than 32 steps after the alarm, each later one after twice as many: what
    comes and goes all the time is told seldom. So is what goes from layer to layer: the first four are told at once.

    Args:
        history: What was measured.
        so_far: All that was raised in this run.
        alarms: What to look for.

    Example:
        >>> from thalweg.watch.subject import Subject
        >>> raised(History(Subject(parts=(), groups=())), [])
        []
    """
    found: list[Raised] = []
    with np.errstate(all="ignore"):
        for alarm in alarms:
            for finding in alarm.look(history, alarm.thresholds):
                earlier = [each for each in so_far if each.alarm == alarm.name]
                if _is_news(finding, history.last, earlier):
                    found.append(Raised(history.last, alarm.name, finding))
    return found


def _is_news(finding: Finding, step: int, earlier: Sequence[Raised]) -> bool:
    same = [each for each in earlier if each.finding.part == finding.part]
    if not same:
        return len(earlier) < LAYERS or _is_quiet(step, earlier, len(earlier) - LAYERS)
    last = same[-1].finding
    news = finding.since > same[-1].step or _differs(finding.number, last.number)
    return news and _is_quiet(step, same, len(same) - 1)


def _is_quiet(step: int, earlier: Sequence[Raised], times: int) -> bool:
    """Whether it was quiet for long enough."""
    return step - earlier[-1].step >= QUIET * 2 ** min(times, 40)


def _differs(now: float, before: float) -> bool:
    """Whether a number doubled or halved; two that are no numbers, or infinite, are alike.

    Example:
        >>> _differs(0.9, 0.5), _differs(1.0, 0.5), _differs(float("nan"), float("nan")), _differs(1.0, -1.0)
        (False, True, False, True)
    """
    if now == before or (now != now and before != before):
        return False
    low, high = sorted((abs(now), abs(before)))
    return now * before <= 0 or not high < CHANGED * low

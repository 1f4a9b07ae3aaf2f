"""Alternating measurement: both sides in turn, and the ratio pair by pair.

A shared machine drifts, and what drifts falls on both sides of a pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from thalweg.bench.table import Row

WARM_UP = 3  # calls before the first that counts: state is made, kernels are loaded, memory is touched
CHOOSING = 3  # rounds that decide which setting of a peer is the fastest

Clock = Callable[[], float]


def nothing() -> None:
    """What most measurements need before each call."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        call: What is timed.
        prepare: What must be done before each call, outside the time.
    """

    call: Callable[[], object]
    prepare: Callable[[], object] = nothing


def seconds(side: Side, clock: Clock = time.perf_counter) -> float:
    """How long one call of a side takes."""
    side.prepare()
    start = clock()
    side.call()
    return clock() - start


def rounds(sides: Sequence[Side], count: int, clock: Clock = time.perf_counter) -> list[tuple[float, ...]]:
    """Every side once in each round, one after the other.

    Args:
        sides: What to time; two of them make pairs.
        count: How many rounds.
        clock: Gives seconds.

    Returns:
        For each round the seconds of each side.

    Example:
        >>> ticks = iter(range(100))
        >>> rounds([Side(nothing), Side(lambda: next(ticks))], 2, clock=lambda: next(ticks))
        [(1, 2), (1, 2)]
    """
    return [tuple(seconds(side, clock) for side in sides) for _ in range(count)]


def warmed(sides: Iterable[Side]) -> None:
    """Call every side a few times, without a look at the clock."""
    for side in sides:
        for _ in range(WARM_UP):
            side.prepare()
            side.call()


def fastest(settings: Mapping[str, Side], clock: Clock = time.perf_counter) -> str:
    """Which setting of a peer is the fastest on this work, by the median of a few rounds.

    Args:
        settings: A side, warmed up, for the name of each setting.
        clock: Gives seconds.
    """
    columns = zip(*rounds(list(settings.values()), CHOOSING, clock), strict=True)
    medians = dict(zip(settings, map(median, columns), strict=True))
    return min(medians, key=medians.__getitem__)


@dataclass(frozen=True)
class Question:
    """What a row asks.

    Attributes:
        group: The kind of measurement.
        work: What Thalweg does.
        against: What it is measured against.
        target: What the ratio should reach, if anything is asked.
        weight: By what the ratio of the times is multiplied: our share of the work where both sides do not do the same.
        at_most: Whether the ratio is our time as a share of the other's, and the target a limit from above.
        best: Which of the peer's settings this is.
    """

    group: str
    work: str
    against: str
    target: float | None = None
    weight: float = 1.0
    at_most: bool = False
    best: str = ""


def answered(question: Question, pairs: Sequence[tuple[float, ...]]) -> Row:
    """The row of some measured pairs.

    Args:
        question: What was asked.
        pairs: Our seconds and the peer's.

    Example:
        >>> answered(Question("large", "adam", "torch fused"), [(1.0, 2.0), (2.0, 6.0), (1.0, 9.0)]).ratio
        3.0
    """
    ours, peer = zip(*pairs, strict=True)
    shares = [(a / b if question.at_most else b / a) * question.weight for a, b in pairs]
    return Row(
        group=question.group,
        work=question.work,
        against=question.against,
        ours_ms=median(ours) * 1e3,
        peer_ms=median(peer) * 1e3,
        ratio=median(shares),
        target=question.target,
        pairs=len(pairs),
        at_most=question.at_most,
        best=question.best,
    )


def compared(question: Question, ours: Side, peer: Side, count: int) -> Row:
    """Measure two sides in pairs, after a warm-up."""
    warmed([ours, peer])
    return answered(question, rounds([ours, peer], count))


def alone(group: str, work: str, ours: Side, count: int) -> Row:
    """Measure a side that has no peer, after a warm-up."""
    warmed([ours])
    own = median(first for (first,) in rounds([ours], count))
    return Row(group, work, "", own * 1e3, None, None, None, count)

"""How a learning rate is found: short trainings on a grid of rates, in rungs, and what they say about a longer one.

Nothing here trains: `search` asks for scores, and `answer` reads them. The numbers were fitted on problems that are not
those of the lab (`docs/decisions/0020-learning-rate-finder.md`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

PER_DECADE = 3
LOWEST, FIRST, LAST, HIGHEST = -27, -18, 6, 15  # places on the grid: 1e-9, 1e-6, 1e2 and 1e5
# Parts of the budget: how long the trainings of each rung are. With BUDGET trainings they are 1/64, 1/16, 1/8
# and 1/2 of what is planned; a last rung of whole trainings costs twice as much and is no nearer to the best.
PARTS, BUDGET = (192, 48, 24, 6), 3
# The same for budgets of less than two trainings, whose first rung would say nothing and whose last not enough.
PARTS_SMALL, SMALL = (64, 16, 8), 2
BESIDE = ((2, 1), (1, 1), (1, 1))  # places below and above the best of one rung that the next begins with
# Trainings of so many steps are tried to their end, whatever share that is: of fewer little can be said.
SHORT, BUDGET_SHORT = 150, 24

# By how many places the best rate falls whenever a training gets twice as long, how many more if its best score gains
# nothing by that, how much of its last fall goes on, and how many places it falls at most.
FALL, FALL_SETTLED, FALL_GOES_ON, FALL_MOST = 0.25, 0.6, 0.2, 1.5
# Parts of the scale of the scores. Settling: the best gained less while trainings got twice as long. Alike: nearer
# together than that, and so many of them leave the rate open. Bump: a curve with one this high has no one lowest point.
SETTLING, ALIKE, MANY, BUMP = 0.08, 0.01, 4, 0.05
FREE = 3.0  # parts of the scale, gained per doubling: a score that falls tenfold is bound by stability alone
FARTHEST = 4  # doublings that a rung can look ahead
STEADY = 2.0  # places that the best rate may move while trainings get twice as long
LATER = 0.7  # weight of what the last rung foretells against the one before, which has other luck
RISE = 1.0  # places that it may rise in the last rung: it should fall, and a rise is luck


@dataclass(frozen=True)
class Rung:
    """Trainings of the same length.

    Attributes:
        steps: Their length.
        scores: For every place on the grid, which is three times the rate's logarithm, the score in the end: less is
            better, and infinite what diverged.
    """

    steps: int
    scores: Mapping[int, float]

    @property
    def best(self) -> int:
        """The place with the lowest score, of equals the lowest."""
        return min(self.scores, key=lambda place: (self.scores[place], place))

    @property
    def score(self) -> float:
        """The lowest score."""
        return self.scores[self.best]

    @property
    def bottom(self) -> float:
        """The place where a parabola through the best and its neighbours is lowest.

        Example:
            >>> Rung(8, {-1: 2.0, 0: 1.0, 1: 2.0}).bottom, Rung(8, {-1: 1.5, 0: 1.0, 1: math.inf}).bottom
            (0.0, -0.3)
        """
        left, right = (self.scores.get(self.best + side, math.inf) - self.score for side in (-1, 1))
        least = min(left, right)
        if not math.isfinite(least) or least <= 0:
            return float(self.best)
        # A wall of divergence is no parabola: it counts for no more than four times the other side.
        left, right = min(left, 4 * least), min(right, 4 * least)
        return self.best + (left - right) / (2 * (left + right))


@dataclass(frozen=True)
class Answer:
    """A place on the grid, not rounded, and whether to rely on it."""

    place: float
    sure: bool
    reason: str


def rate(place: float) -> float:
    """The learning rate at a place on the grid.

    Example:
        >>> rate(-9), round(rate(-8), 5)
        (0.001, 0.00215)
    """
    return float(f"{10.0 ** (place / PER_DECADE):.12g}")


def lengths(planned: int, budget: int | None) -> list[int]:
    """How many steps the trainings of each rung take.

    Args:
        planned: Steps of the training that the rate is for: no rung is longer.
        budget: About how many steps all of them may take together; None for three trainings, or for what it takes to
            try a short one to its end.

    Example:
        >>> lengths(640, None), lengths(100, None), lengths(640, 640), lengths(5, None)
        ([10, 40, 80, 320], [13, 50, 100], [10, 40, 80], [1, 3, 5])
    """
    allowed = budget or planned * (BUDGET if planned > SHORT else BUDGET_SHORT)
    parts = PARTS if allowed >= SMALL * planned else PARTS_SMALL
    return sorted({min(planned, math.ceil(allowed / part)) for part in parts})


def search(score: Callable[[int, int], float], steps: Iterable[int]) -> list[Rung]:
    """The rungs, from short to long: each looks around the best place of the one before, until that lies inside.

    Args:
        score: From a place and a number of steps to the score then.
        steps: The length of each rung.

    Returns:
        The rungs; none after one in which all diverged.

    Example:
        >>> [rung.best for rung in search(lambda place, steps: (place + 5.2) ** 2, (8, 32))]
        [-5, -5]
    """
    rungs: list[Rung] = []
    places: Iterable[int] = range(FIRST, LAST + 1, 2)
    for length, (below, above) in zip(steps, (*BESIDE, (0, 0)), strict=False):
        scores = {place: score(place, length) for place in places}
        while unknown := _beside_best(Rung(length, scores)):
            scores |= {place: score(place, length) for place in unknown}
        rungs.append(Rung(length, scores))
        if not math.isfinite(rungs[-1].score):
            break
        places = range(rungs[-1].best - below, rungs[-1].best + above + 1)
    return rungs


def _beside_best(rung: Rung) -> list[int]:
    beside = (rung.best - 1, rung.best + 1)
    return [place for place in beside if place not in rung.scores and LOWEST <= place <= HIGHEST]


def answer(rungs: list[Rung], start: float, planned: int) -> Answer:
    """What the rungs say about a longer training.

    The best rate of the last rung is lowered for every doubling of the length that is left: a little always, more once
    the best score has settled (what is left to gain is then noise, or is lost to overfitting), and by a share of what
    it fell between the last rungs. It stays where the score falls tenfold: then nothing but stability binds it. After
    all four rungs the third foretells a rate too, and the answer lies between both.

    Args:
        rungs: From short to long.
        start: The score before training.
        planned: Steps of the longer training.
    """
    last, before = rungs[-1], rungs[max(0, len(rungs) - 2)]
    if not math.isfinite(last.score):
        lowest = min(last.scores)
        return Answer(lowest, False, f"every rate from {rate(lowest):.2g} up diverged within {last.steps:,} steps")
    left = math.log2(max(1.0, planned / last.steps))
    place = _ahead(rungs, start, planned)
    if left and len(rungs) > len(BESIDE):
        place = LATER * place + (1 - LATER) * _ahead(rungs[:-1], start, planned)
    place = max(float(LOWEST), place)
    if doubt := _doubt(last, before, start) or (_unsteady(rungs, start) if left else ""):
        return Answer(_modest(place, rungs, start), False, doubt)
    if left > FARTHEST:
        return Answer(place, False, f"{last.steps:,} steps say too little about {planned:,}: allow a larger budget")
    was = f"{rate(last.bottom):.2g} was best after {last.steps:,} steps"
    if last.steps >= planned:
        return Answer(place, True, f"{was}, which is all that is planned")
    then = "the best rate falls" if place < last.bottom else "it should stay about there"
    return Answer(place, True, f"{was}, and {then} until the {planned:,} that are planned")


def _ahead(rungs: list[Rung], start: float, planned: int) -> float:
    """The best place of a longer training, as the last rung foretells it."""
    last, before = rungs[-1], rungs[max(0, len(rungs) - 2)]
    left = math.log2(max(1.0, planned / last.steps))
    return last.bottom - min(FALL_MOST, left * _fall(last, before, start))


def _fall(last: Rung, before: Rung, start: float) -> float:
    """By how many places the best rate falls per doubling of the length."""
    between = math.log2(last.steps / before.steps) or 1.0
    moved = max(-STEADY, min(STEADY, (last.bottom - before.bottom) / between))
    gained = (before.score - last.score) / between / (_scale(last, start) or 1.0)
    if gained > FREE:
        return 0.0
    settled = max(0.0, min(1.0, 1 - gained / SETTLING))
    return max(0.0, FALL + FALL_SETTLED * settled - FALL_GOES_ON * moved)


def _doubt(last: Rung, before: Rung, start: float) -> str:
    """Why not to rely on the last rungs; nothing where there is no reason."""
    if last.score >= start:
        return f"no rate was better after {last.steps:,} steps than no training at all"
    if last.best in (LOWEST, HIGHEST):
        return f"the best rate lies at the edge of what is tried, {rate(last.best):.2g}"
    for rung in (before, last):
        level = rung.score + ALIKE * _scale(rung, start)
        alike = [place for place, score in rung.scores.items() if score <= level]
        if len(alike) >= MANY:
            low, high = rate(min(alike)), rate(max(alike))
            return f"rates from {low:.2g} to {high:.2g} did equally well in {rung.steps:,} steps"
    if _bump(last) > BUMP * _scale(last, start):
        return f"the curve after {last.steps:,} steps has no one lowest point: the rate may be too noisy to find"
    return ""


def _unsteady(rungs: list[Rung], start: float) -> str:
    """Why the rungs tell little about a longer training; nothing where there is no reason."""
    for shorter, longer in pairwise(rungs):
        if longer.score > shorter.score + BUMP * _scale(longer, start):
            worse = f"the best of {longer.steps:,} steps is worse than that of {shorter.steps:,}"
            return f"{worse}: it overfits, or is noise"
    before, last = rungs[max(0, len(rungs) - 2)], rungs[-1]
    moved = last.bottom - before.bottom
    if moved > RISE or -moved > STEADY * math.log2(last.steps / before.steps):
        was, now = f"{rate(before.bottom):.2g}", f"{rate(last.bottom):.2g}"
        return f"the best rate moved from {was} after {before.steps:,} steps to {now} after {last.steps:,}"
    return ""


def _modest(place: float, rungs: list[Rung], start: float) -> float:
    """A guess above all that is usually tried becomes the lowest rate that did about as well in the first rung."""
    first = rungs[0]
    if place <= LAST:
        return place
    level = first.score + BUMP * _scale(first, start)
    return min(place, *(place for place, score in first.scores.items() if score <= level))


def _scale(rung: Rung, start: float) -> float:
    """What differences are measured by: the way from the start, or thrice the best score where that is less.

    A start may be arbitrarily bad; a score may have any constant added.
    """
    return min(max(0.0, start - rung.score), 3 * abs(rung.score))


def _bump(rung: Rung) -> float:
    """How much a score falls somewhere on the way from the best to higher or lower rates, where it should rise."""
    places = sorted(rung.scores)
    here = places.index(rung.best)
    sides = ([rung.scores[p] for p in reversed(places[: here + 1])], [rung.scores[p] for p in places[here:]])
    return max((one - other for side in sides for one, other in pairwise(side) if one < math.inf), default=0.0)

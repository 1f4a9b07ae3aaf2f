"""From a situation to advice: the candidates, what is told and not so, what nobody knows, and how to decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from thalweg.advise.decide import decision, plan_of
from thalweg.advise.evidence import Evidence
from thalweg.advise.likeness import DEFAULT
from thalweg.advise.questions import QUESTIONS, said
from thalweg.advise.ranked import Ranked, family_of, ranked
from thalweg.advise.reason import Judged, judged
from thalweg.advise.situation import Situation
from thalweg.advise.table import Advice, Known
from thalweg.advise.told import HINTS
from thalweg.version import __version__

CLOSE = 1.0  # scores that differ by less prefer nothing: no measurement lies between them
LARGE = 10_000_000  # weights from which on a network is larger by far than all that was measured


@dataclass(frozen=True)
class Asked:
    """What advice is wanted for.

    Attributes:
        given: The situation.
        seen: Those of its facts that were seen and not answered.
        saw: What was seen, in sentences.
        problem: The problem that was looked at: of the lab, or a file; nothing where there was none.
    """

    given: Situation
    seen: frozenset[str] = frozenset()
    saw: tuple[str, ...] = ()
    problem: str = ""

    @property
    def of_the_lab(self) -> str:
        """The problem if it is one of the lab's."""
        return "" if self.problem.endswith(".py") else self.problem


def advise(asked: Asked, found: Evidence) -> Advice:
    """Advice for a situation.

    Args:
        asked: The situation, and what was looked at.
        found: What was measured.

    Example:
        >>> from thalweg.advise.evidence import evidence
        >>> advice = advise(Asked(Situation(memory=0)), evidence())
        >>> [candidate.rule for candidate in advice.candidates]
        ['sgd', 'sign_sgd']
    """
    given, order = asked.given, ranked(asked.given, found, asked.of_the_lab)
    plan = plan_of(given.trainings, len(order.candidates))
    candidates = order.candidates[: plan.candidates]
    hints = [judged(hint, found, order.where) for hint in HINTS if hint.when(given)]
    every = (*order.verdicts, *hints)
    return Advice(
        understood=tuple(_understood(asked)),
        saw=asked.saw,
        candidates=candidates,
        passed=order.passed,
        refuted=tuple(one.point(True) for one in every if one.status in ("refuted", "opposed")),
        unknown=tuple(_unknown(given, found, order, every)),
        turning=tuple(_turning(asked, found, order)),
        left_out=order.left_out,
        hints=tuple(one.point(True) for one in hints if one.status == "supported"),
        decision=decision(candidates, plan, given, asked.problem),
        version=__version__,
    )


def _understood(asked: Asked) -> Iterable[Known]:
    for name, value in asked.given.given.items():
        yield Known(name, said(name, value), value, "seen" if name in asked.seen else "answered")


def _unknown(given: Situation, found: Evidence, order: Ranked, every: Sequence[Judged]) -> Iterable[str]:
    where, candidates = order.where, order.candidates
    if len(candidates) > 1 and candidates[0].score - candidates[1].score < CLOSE:
        tied = [one.rule for one in candidates if candidates[0].score - one.score < CLOSE]
        yield f"Which of {', '.join(tied[:-1])} and {tied[-1]} is better: no evidence prefers one. Compare."
    if not set(where.alike) & set(found.problems):
        nearest = f" (the nearest of the lab: {', '.join(where.alike)})" if where.alike else ""
        yield f"How they rank on a problem like yours{nearest}: counted is what is true of all measured problems."
    if given.is_long or (given.parameters or 0) > LARGE:
        yield "Large networks and long trainings: nothing of that size was measured."
    if where.kind == DEFAULT:
        yield "Whether the defaults suit your problem: without trainings to spend nobody can tell."
    yield from (f"{one.words[0].upper()}{one.words[1:]}." for one in every if one.status == "unplaced")
    if silent := [f"{one.reason.told} (claim {one.reason.claim})" for one in every if one.status == "open"]:
        yield f"Whether it is true for you, for no verdict says so: {'; '.join(silent)}."


def _turning(asked: Asked, found: Evidence, order: Ranked) -> Iterable[str]:
    """The questions without an answer whose answer could make other candidates, each tried."""
    chosen = set(map(family_of, order.candidates))
    for question in QUESTIONS:
        answers = [True, False] if question.kind == "yes or no" else [name for name, _ in question.choices]
        if getattr(asked.given, question.name) is None:
            others = (ranked(replace(asked.given, **{question.name: a}), found, asked.of_the_lab) for a in answers)
            if any(set(map(family_of, other.candidates)) != chosen for other in others):
                yield question.name

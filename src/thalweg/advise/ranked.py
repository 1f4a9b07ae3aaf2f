"""The rules that fit a situation, with what speaks for and against each, the best supported first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from thalweg.advise.candidates import BY_RULE, OPTIONS, Option, Storage, fitting, rates, storages
from thalweg.advise.decide import kind_of
from thalweg.advise.evidence import Evidence
from thalweg.advise.likeness import resembled
from thalweg.advise.reason import Judged, Where, judged
from thalweg.advise.rows import points
from thalweg.advise.settings import settings
from thalweg.advise.situation import Situation
from thalweg.advise.table import Candidate, Left, Passed
from thalweg.advise.told import REASONS

MOST = 3


@dataclass(frozen=True)
class Ranked:
    """What became of every rule.

    Attributes:
        where: What verdicts were read for.
        verdicts: The reasons that matter in the situation, judged.
        candidates: Two or three, the best supported first.
        passed: Rules that a reason favours and that are no candidates.
        left_out: Rules that do not fit.
    """

    where: Where
    verdicts: tuple[Judged, ...]
    candidates: tuple[Candidate, ...]
    passed: tuple[Passed, ...]
    left_out: tuple[Left, ...]


def ranked(given: Situation, found: Evidence, problem: str = "") -> Ranked:
    """The rules in order: of each family one, two at least and three at most.

    Args:
        given: The situation.
        found: What was measured.
        problem: A problem of the lab that was looked at; nothing for none.
    """
    where = Where(given, resembled(given, problem), kind_of(given))
    verdicts = tuple(judged(reason, found, where) for reason in REASONS if reason.when(given))
    every = [
        (option, _candidate(option, storage, found, where, verdicts))
        for option in OPTIONS
        if not _unfit(option, given) and (storage := fitting(option, given))
    ]
    chosen = _chosen(every)
    return Ranked(where, verdicts, chosen, tuple(_passed(every, chosen, verdicts)), tuple(_left_out(given)))


def _chosen(every: Sequence[tuple[Option, Candidate]]) -> tuple[Candidate, ...]:
    order = sorted(every, key=lambda one: -one[1].score)  # of equals the catalogue's order
    first: dict[str, Candidate] = {}
    for option, candidate in order:
        if not option.fallback:
            first.setdefault(option.family, candidate)
    best = [one for place, one in enumerate(first.values()) if place < 2 or one.score > 0][:MOST]
    fallbacks = [candidate for option, candidate in order if option.fallback]
    return tuple(best if len(best) > 1 else sorted([*best, *fallbacks], key=lambda one: -one.score))


def _passed(
    every: Sequence[tuple[Option, Candidate]], chosen: Sequence[Candidate], verdicts: Iterable[Judged]
) -> Iterable[Passed]:
    told = {rule for one in verdicts if one.says_something for rule in one.reason.favours}
    for option, candidate in every:
        if option.rule in told and option.family not in map(family_of, chosen):
            yield Passed(candidate.rule, candidate.score, candidate.reasons, candidate.against)


def family_of(candidate: Candidate) -> str:
    """The family of a candidate, whose rule may be in a wrapper.

    Example:
        >>> from thalweg.advise.evidence import evidence
        >>> sorted(family_of(one) for one in ranked(Situation(decay=True), evidence()).candidates)
        ['adam', 'momentum', 'rmsprop']
    """
    return BY_RULE[candidate.rule.removesuffix(")").rpartition("(")[2]].family


def _candidate(
    option: Option, storage: Storage, found: Evidence, where: Where, verdicts: Iterable[Judged]
) -> Candidate:
    every = points(option, found, where)
    for one in (one for one in verdicts if one.says_something):
        every += [one.point(True)] if option.rule in one.reason.favours else []
        every += [one.point(False)] if option.rule in one.reason.disfavours else []
    span = rates(option, found, where.alike, where.kind, where.given)
    chosen = settings(option, span, storage, where.given)
    return Candidate(
        rule=chosen.rule,
        optimizer=chosen.optimizer,
        torch=chosen.torch,
        settings=chosen.hyper,
        rates=(span.low, span.high),
        rates_from=span.origin,
        state_bytes=storage.bytes_of(option),
        score=round(sum(point.weight for point in every), 6),
        reasons=tuple(sorted((p for p in every if p.weight > 0), key=lambda p: -p.weight)),
        against=tuple(sorted((p for p in every if p.weight <= 0), key=lambda p: p.weight)),
        notes=chosen.notes,
    )


def _unfit(option: Option, given: Situation) -> str:
    """Why a rule cannot be a candidate whatever speaks for it; nothing if it can."""
    if option.rule == "irprop_minus" and not given.full_batch:
        return "it is meant for full batches (claim 24 measures it)"
    if option.rule == "irprop_minus" and given.decay:
        return "its steps do not know the size of the gradient, nor of the weight: decay would be another method"
    if option.rule == "adam" and given.decay:
        return "adamw is the same, with the decay that is wanted (claim 16 measures it)"
    return "without decay it is adam" if option.rule == "adamw" and not given.decay else ""


def _left_out(given: Situation) -> Iterable[Left]:
    fit = {option.family for option in OPTIONS if not _unfit(option, given) and fitting(option, given)}
    for option in OPTIONS:
        if option.family in fit or option.fallback:
            continue
        if why := _unfit(option, given):
            yield Left(option.rule, why)
        elif fitting(option, given) is None:
            least = min(way.bytes_of(option) for way in storages(option, given.dtype))
            yield Left(option.rule, f"it keeps {least} bytes per weight at least, and {given.memory:g} are allowed")

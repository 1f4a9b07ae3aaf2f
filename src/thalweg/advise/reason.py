"""`Reason`: a declared link from a situation to optimizers, and how it is weighed by what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from thalweg.advise.evidence import CLAIMS_PAGE, Claim, Contrast, Evidence, Part
from thalweg.advise.likeness import on_your_side
from thalweg.advise.situation import Situation
from thalweg.advise.table import Point
from thalweg.claims.table import DECIDED

MEASURED, PUBLISHED = 2.0, 1.0  # what a measurement of this project counts, and what stands elsewhere
AGAINST = "against "  # what a setting says that names what the claim's arm was compared with


@dataclass(frozen=True)
class Source:
    """Where something is published, or which formula it follows from.

    Attributes:
        words: Authors and year, or the formula.
        link: Its address, or a page of the documentation.
        kind: `"source"` or `"formula"`.
    """

    words: str
    link: str
    kind: str = "source"


@dataclass(frozen=True)
class Reason:
    """Something that is told of optimizers, and how it can be known.

    Attributes:
        told: It as a sentence without a point: "AdaGrad is right for rare features".
        when: The situations in which it matters.
        favours: The rules that it speaks for.
        disfavours: The rules that it speaks against.
        claim: The claim that measures it; 0 for none.
        about: Words of the claim's sentences that are about this; none for all of them.
        on: The problems of the claim that are about this; none for those that the situation resembles.
        source: Counts as long as the claim has no verdict.
    """

    told: str
    when: Callable[[Situation], bool | None]
    favours: tuple[str, ...] = ()
    disfavours: tuple[str, ...] = ()
    claim: int = 0
    about: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True)
class Where:
    """What a verdict that depends on something is read for.

    Attributes:
        given: The situation.
        alike: The problems that it resembles.
        kind: Whether there are trainings to tune with.
    """

    given: Situation
    alike: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Judged:
    """What became of a reason.

    Attributes:
        status: `"supported"`, `"opposed"` (the contrary was measured), `"refuted"` (no such difference was measured),
            `"unplaced"` (it depends, and the situation's side is not known), or `"open"` (no verdict, and no source).
        strength: From -2 to 2: for what it favours, and with the other sign for what it disfavours.
        words: It and what it rests on.
        kind: `"claim"`, `"source"` or `"formula"`.
        link: Where to look it up.
        reason: What was judged.
    """

    status: str
    strength: float
    words: str
    kind: str
    link: str
    reason: Reason

    @property
    def says_something(self) -> bool:
        """Whether it is known to be so, or not to be so, in the situation."""
        return self.status in ("supported", "opposed", "refuted")

    def point(self, favourable: bool) -> Point:
        """It as a point for what it favours, or for what it disfavours."""
        claim = self.reason.claim if self.kind == "claim" else 0
        return Point(
            words=self.words,
            kind=self.kind,
            weight=self.strength if favourable else -self.strength,
            claims=(claim,) if claim else (),
            link=self.link,
            command=f"thalweg claims {claim}" if claim else "",
        )


def judged(reason: Reason, found: Evidence, where: Where) -> Judged:
    """What the evidence says of a reason in a situation: its claim's verdict; as long as there is none, its source."""
    claim = found.claims.get(reason.claim)
    if claim and (read := _by_claim(reason, claim, where)):
        status, strength, how = read
        return Judged(
            status, strength, f"{reason.told}: claim {claim.number} {how}", "claim", link_of(claim.number), reason
        )
    if reason.source:
        told = "could not tell here" if claim and claim.verdict in DECIDED else "has no verdict"
        measured = f"claim {reason.claim}, which measures it, {told}" if reason.claim else "not measured here"
        how = reason.source.words if reason.source.kind == "formula" else f"{reason.source.words}; {measured}"
        return Judged("supported", PUBLISHED, f"{reason.told} ({how})", reason.source.kind, reason.source.link, reason)
    words = f"{reason.told}: claim {reason.claim} has no verdict"
    return Judged("open", 0.0, words, "claim", link_of(reason.claim), reason)


def link_of(claim: int) -> str:
    """Where the documentation has a claim."""
    return f"{CLAIMS_PAGE}#claim-{claim}"


Read = tuple[str, float, str]  # status, strength, and the end of a sentence that begins with the claim's number


def _by_claim(reason: Reason, claim: Claim, where: Where) -> Read | None:
    """What a claim says of a reason; None where it has no verdict about this, or could not tell in such a situation."""
    every = claim.parts or (Part(claim.short, claim.verdict, claim.variable),)
    parts = [part for part in every if any(word in part.text.lower() for word in reason.about)] or every
    verdicts = {part.verdict for part in parts}
    if verdicts.isdisjoint(DECIDED):
        return None
    contrasts = [one for part in parts for one in part.contrasts]
    yours = on_your_side(contrasts, reason.on or where.alike, where.kind, where.given)
    if reason.source and yours and {one.outcome for one in yours} == {"unclear"}:
        return None
    variable = " and ".join(dict.fromkeys(part.variable for part in parts if part.variable)) or claim.variable
    if len(verdicts) == 1 and (plain := verdicts & {"holds", "does not hold"}):
        return _on_side(yours, plain.pop()) or _everywhere(parts)
    begun = f"depends on {variable}" if variable else "holds in part"
    return (
        _on_side(yours, begun)
        or _against(contrasts, begun)
        or ("unplaced", 0.0, f"{begun}, and which side is yours is not known{_sides(contrasts)}")
    )


def _everywhere(parts: Sequence[Part]) -> Read:
    """What holds, or does not, wherever it was measured."""
    if parts[0].verdict == "holds":
        return "supported", MEASURED, "was measured and holds"
    return _refuted(parts)


def _refuted(parts: Sequence[Part]) -> Read:
    outcomes = [one.outcome for part in parts for one in part.contrasts]
    opposed = outcomes.count("opposes") / len(outcomes) if outcomes else 0.0
    words = "was measured and does not hold"
    if opposed > 1 / 2:
        return "opposed", -MEASURED * opposed, f"{words}; the contrary was measured"
    return "refuted", 0.0, words


def _on_side(yours: Sequence[Contrast], begun: str) -> Read | None:
    """What was measured on the situation's side; None where nothing was, or not clearly."""
    outcomes = [one.outcome for one in yours]
    words = f"{begun}; on your side ({', '.join(dict.fromkeys(one.setting for one in yours))})"
    supports, opposes = outcomes.count("supports"), outcomes.count("opposes")
    if supports and not opposes:
        return "supported", MEASURED * supports / len(outcomes), f"{words} it was measured to hold"
    if opposes and not supports:
        return "opposed", -MEASURED * opposes / len(outcomes), f"{words} the contrary was measured"
    if outcomes and set(outcomes) == {"none"}:
        return "refuted", 0.0, f"{words} no difference was measured"
    return None


def _against(contrasts: Sequence[Contrast], begun: str) -> Read | None:
    """Where what differs is what it was compared with: won against some and lost against others."""
    if not contrasts or not all(AGAINST in one.setting for one in contrasts):
        return None
    outcomes = [one.outcome for one in contrasts]
    strength = MEASURED * (outcomes.count("supports") - outcomes.count("opposes")) / len(outcomes)
    status = "supported" if strength > 0 else "opposed" if strength < 0 else "refuted"
    return status, strength, f"{begun}{_sides(contrasts)}"


def _sides(contrasts: Sequence[Contrast]) -> str:
    """Which settings say what, as the end of a sentence."""
    words = {"supports": "it holds", "opposes": "the contrary", "none": "no difference"}
    named = [
        f"{said} in {', '.join(names)}"
        for outcome, said in words.items()
        if (names := dict.fromkeys(one.setting for one in contrasts if one.outcome == outcome))
    ]
    return f": {'; '.join(named)}".replace(" in against", " against") if named else ""

"""From a claim and its evidence to its result; and the store's copy of it, which only the same declaration may use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from thalweg.claims.claim import Claim, Part, digest_of
from thalweg.claims.evidence import Computed, Evidence, Trained
from thalweg.claims.said import said
from thalweg.claims.table import NO_VERDICT, ClaimResult, Cost, PartResult
from thalweg.claims.verdict import together
from thalweg.lab.document import from_plain, to_plain
from thalweg.lab.spec import environment
from thalweg.lab.store import keep, kept
from thalweg.lab.table import Comparison


def result(claim: Claim, evidence: Evidence, computing_seconds: float = 0.0) -> ClaimResult:
    """What the evidence says, by the declared rules.

    Args:
        claim: The claim.
        evidence: All of its evidence.
        computing_seconds: What its direct computations took.
    """
    parts = tuple(_part(part, evidence) for part in claim.parts)
    verdict = together([part.verdict for part in parts]) if parts else NO_VERDICT
    variables = dict.fromkeys(part.variable for part in parts if part.verdict == "depends")
    return ClaimResult(
        number=claim.number,
        name=claim.name,
        short=claim.short,
        text=claim.text,
        source=claim.source,
        method=claim.method,
        verdict=verdict,
        variable=" and ".join(variables),
        said=said(verdict, parts, claim.needs),
        parts=parts,
        digest=digest_of(claim),
        cost=cost(claim, evidence, computing_seconds) if claim.evidence else None,
        command=f"thalweg claims {claim.number}",
        needs=claim.needs,
        remarks=claim.remarks,
        picture=claim.picture(evidence) if claim.picture else None,
        environment=environment(),
    )


def _part(part: Part, evidence: Evidence) -> PartResult:
    contrasts = tuple(part.contrasts(evidence))
    verdict = part.rule.verdict([one.outcome for one in contrasts], part.variable)
    return PartResult(
        text=part.text,
        rule=part.rule.words(len(contrasts), part.variable),
        verdict=verdict,
        variable=part.variable,
        contrasts=contrasts,
        clock=part.clock,
    )


def cost(claim: Claim, evidence: Evidence, computing_seconds: float) -> Cost:
    """What the evidence took: of trainings all runs and trials of their tables."""
    tables = [_cost_of(evidence.tables[one.name]) for one in claim.evidence if isinstance(one, Trained)]
    direct = [given.get("steps", 0) for units in evidence.computed.values() for given in units.values()]
    return Cost(
        units=", ".join(_units(claim.evidence)),
        runs=sum(runs for runs, _, _ in tables),
        steps=int(sum(steps for _, steps, _ in tables) + sum(direct)),
        time_seconds=sum(seconds for _, _, seconds in tables) + computing_seconds,
    )


def _cost_of(table: Comparison) -> tuple[int, int, float]:
    epochs = [epoch for run in table.runs for epoch in run["epochs"]]
    tunings = [row.tuning for row in table.rows if row.tuning]
    return (
        len(table.runs) + sum(len(tuning.trials) for tuning in tunings),
        sum(epoch["steps"] for epoch in epochs) + sum(tuning.steps for tuning in tunings),
        sum(epoch["time_seconds"] for epoch in epochs) + sum(tuning.time_seconds for tuning in tunings),
    )


def _units(evidence: Iterable[Trained | Computed]) -> list[str]:
    """For instance "5 seeds", "40 starts": each once."""
    counts = [(one.seeds, "seed") if isinstance(one, Trained) else (one.units, one.unit) for one in evidence]
    several = [(count, unit) for count, unit in counts if count > 1]
    return list(dict.fromkeys(f"{count} {unit}s" for count, unit in several))


def save(store: Path, found: ClaimResult) -> None:
    """Keep a result; it replaces the one of the same claim."""
    keep(store, _key(found.number), to_plain(found))


def saved(store: Path, claim: Claim) -> ClaimResult | None:
    """The result of a claim as it is declared now; None where there is none, or only one of another declaration."""
    document = kept(store, _key(claim.number))
    if document is None or document.get("digest") != digest_of(claim):
        return None
    return from_plain(ClaimResult, document)


def outdated(store: Path, claim: Claim) -> bool:
    """Whether the store has a result, but of another declaration."""
    document = kept(store, _key(claim.number))
    return document is not None and document.get("digest") != digest_of(claim)


def _key(number: int) -> str:
    return f"claim {number} result"

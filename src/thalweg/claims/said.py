"""A verdict in a sentence, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from thalweg.claims.table import (
    DEPENDS,
    NO_VERDICT,
    NONE,
    OPPOSES,
    SUPPORTS,
    UNCLEAR,
    UNDECIDED,
    Contrast,
    PartResult,
)

MOST_NAMES = 3  # settings that a sentence names; the chart names all


def said(verdict: str, parts: Sequence[PartResult], needs: str = "") -> str:
    """What a verdict rests on, in a sentence to stand behind it.

    Args:
        verdict: Of the claim.
        parts: Its sentences.
        needs: What a decision would need.
    """
    if verdict == NO_VERDICT:
        return f"It would need {needs}."
    if len(parts) == 1:
        told = counted(parts[0].contrasts)
        return f"{told[:1].upper()}{told[1:]}."
    return f"{'; '.join(map(_told, parts))}."


def _told(part: PartResult) -> str:
    return f"“{part.text.rstrip('.')}” {_ended(part)}"


def _ended(part: PartResult) -> str:
    if part.verdict == DEPENDS:
        return f"depends on {part.variable} ({counted(part.contrasts)})"
    return f"{'is undecided' if part.verdict == UNDECIDED else part.verdict} ({counted(part.contrasts)})"


def counted(contrasts: Sequence[Contrast]) -> str:
    """How many settings say what, and which.

    Example:
        >>> from thalweg.lab.table import Estimate
        >>> ends = Estimate(1, 1, 1, 5)
        >>> one = Contrast("digits", "a", "b", "loss", "seed", "difference", 0, 0, ends, "supports", (1, 0))
        >>> counted([one])
        'supported on digits'
    """
    words = {SUPPORTS: "supported on", OPPOSES: "opposed on", NONE: "no difference on", UNCLEAR: "unclear on"}
    groups = ((word, [one.setting for one in contrasts if one.outcome == outcome]) for outcome, word in words.items())
    return ", ".join(f"{word} {_listed(names)}" for word, names in groups if names)


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMES:
        return f"{len(names)} settings"
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])} and {names[-1]}"

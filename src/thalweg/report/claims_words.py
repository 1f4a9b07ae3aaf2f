"""Phrases about claims, the same in the terminal, on the page and in the documentation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thalweg.claims.table import DEPENDS, NO_VERDICT, OPPOSES, SUPPORTS, ClaimResult, Contrast
from thalweg.report import words

OUTCOMES = {"supports": "supports it", "opposes": "opposes it", "none": "no difference", "unclear": "unclear"}


def verdict(one: ClaimResult) -> str:
    """The verdict with what it depends on.

    Example:
        >>> from thalweg.claims.table import ClaimResult
        >>> found = ClaimResult(3, "", "", "", "", "", "depends", "the problem", "", (), "", None, "", "", (), None, {})
        >>> verdict(found)
        'depends on the problem'
    """
    return f"depends on {words.plain(one.variable)}" if one.verdict == DEPENDS else words.plain(one.verdict)


def headline(count: int, decided: int) -> str:
    """How many of the claims are decided."""
    return f"{decided} of {words.counted(count, 'claim')} decided."


def counted_verdicts(found: Sequence[ClaimResult]) -> str:
    """How often each verdict came out."""
    order = ("holds", "holds in part", "depends", "does not hold", "undecided", NO_VERDICT)
    counts = ((kind, sum(one.verdict == kind for one in found)) for kind in order)
    return ", ".join(f"{kind}: {count}" for kind, count in counts if count) + "." if found else ""


def key_contrasts(one: ClaimResult) -> list[Contrast]:
    """The contrasts that speak loudest: the largest effect; where it depends, the largest of each side."""
    deciding = [part for part in one.parts if part.verdict == one.verdict] or one.parts
    every = [c for part in deciding[:1] for c in part.contrasts if c.estimate.mean is not None]
    sides = [[c for c in every if c.outcome == outcome] for outcome in (SUPPORTS, OPPOSES)]
    loudest = [max(side, key=_effect) for side in sides if side]
    return loudest or sorted(every, key=_effect)[-1:]


def _effect(one: Contrast) -> float:
    mean = one.estimate.mean or 0.0
    return abs(math.log(mean / one.threshold)) if one.scale == "factor" else abs(mean - one.threshold)


def key_number(one: ClaimResult) -> str:
    """The key contrasts in a few words."""
    found = key_contrasts(one)
    if not found:
        return f"needs {one.needs}" if one.needs else ""
    told = [f"{measured(c)} ({c.setting})" for c in found]
    return f"{found[0].measure}: {'; '.join(told)}"


def measured(one: Contrast) -> str:
    """A contrast's estimate with its interval.

    Example:
        >>> from thalweg.lab.table import Estimate
        >>> ends = Estimate(5.0, 4.5, 5.6, 20, "bootstrap")
        >>> measured(Contrast("k", "a", "b", "steps", "seed", "factor", 1.0, 1.1, ends, "supports", (10.0, 50.0)))
        '5.0x [4.5x, 5.6x]'
    """
    mean, low, high = one.estimate.mean, one.estimate.low, one.estimate.high
    interval = "" if low is None else f" [{short(low, one.scale)}, {short(high, one.scale)}]"
    return f"{short(mean, one.scale)}{interval}"


def short(value: float | None, scale: str = "difference") -> str:
    """A number in few digits: factors with two, differences with their sign and three.

    Example:
        >>> short(12.345, "factor"), short(0.0123, "difference"), short(-3.0, "difference"), short(7.0, "amount")
        ('12x', '+0.0123', '-3', '7')
    """
    if value is None or not math.isfinite(value):
        return words.MISSING
    if scale == "factor":
        return f"{_digits(value, 2)}x"
    return ("+" if value > 0 and scale == "difference" else "") + _digits(value, 3)


def _digits(value: float, digits: int) -> str:
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits}g}")
    if digits == 2 and 0 < abs(rounded) < 10:  # factors: 4.0x
        return f"{rounded:.{digits - 1 - math.floor(math.log10(abs(rounded)))}f}"
    return f"{rounded:g}" if abs(rounded) < 1e5 else f"{rounded:.0f}"

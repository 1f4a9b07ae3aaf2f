"""Contrasts: paired numbers of two arms in one setting, and what their interval says about the claim."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

from thalweg.claims.table import NONE, OPPOSES, SUPPORTS, UNCLEAR, Contrast
from thalweg.errors import InputError
from thalweg.lab.statistics import estimate, paired
from thalweg.lab.table import Estimate

DIGITS = 6  # of the values of single units that a result keeps


def difference(  # noqa: PLR0913  (what a contrast declares)
    setting: str,
    claimed: tuple[str, Mapping[int, float]],
    other: tuple[str, Mapping[int, float]],
    *,
    measure: str,
    more_is_better: bool,
    none: float,
    threshold: float = 0.0,
    unit: str = "seed",
    lost: tuple[int, int] = (0, 0),
) -> Contrast:
    """The one arm minus the other, unit by unit, turned so that positive is as claimed.

    Args:
        setting: The value of the variable.
        claimed: Label and, by unit, the numbers of the arm that the claim prefers.
        other: The same of the arm it is compared with.
        measure: What the numbers are.
        more_is_better: Whether the claim says that its arm has more of it.
        none: A difference within this much of the threshold counts as none.
        threshold: The claim needs more than this.
        unit: What is paired.
        lost: How many units of each count as the declared worst value.

    Example:
        >>> found = difference(
        ...     "digits", ("adam", {0: 0.97, 1: 0.96, 2: 0.98}), ("sgd", {0: 0.90, 1: 0.91, 2: 0.92}),
        ...     measure="accuracy", more_is_better=True, none=0.005,
        ... )
        >>> found.outcome, round(found.estimate.mean, 3)
        ('supports', 0.06)
    """
    first, second = (claimed, other) if more_is_better else (other, claimed)
    found = paired(first[1], second[1])
    units = sorted(claimed[1].keys() & other[1].keys())
    return Contrast(
        setting=setting,
        claimed=claimed[0],
        other=other[0],
        measure=measure,
        unit=unit,
        scale="difference",
        threshold=threshold,
        none=none,
        estimate=found,
        outcome=outcome(found, threshold, none),
        means=(_mean(claimed[1], units), _mean(other[1], units)),
        lost=lost,
        values=tuple(_short(first[1][k] - second[1][k]) for k in units),
    )


def factor(  # noqa: PLR0913  (what a contrast declares)
    setting: str,
    claimed: tuple[str, Mapping[int, float]],
    other: tuple[str, Mapping[int, float]],
    *,
    measure: str,
    more_is_better: bool,
    none: float = 1.0,
    threshold: float = 1.0,
    unit: str = "seed",
    lost: tuple[int, int] = (0, 0),
) -> Contrast:
    """By what factor the arm is better, unit by unit: how often less it needs, or how often more it has.

    Intervals are of logarithms, so that half and double weigh the same.

    Args:
        setting: The value of the variable.
        claimed: Label and, by unit, the numbers of the arm that the claim prefers, above zero.
        other: The same of the arm it is compared with.
        measure: What the numbers are.
        more_is_better: Whether the claim says that its arm has more of it.
        none: A factor within this factor of the threshold counts as none.
        threshold: The claim needs more than this.
        unit: What is paired.
        lost: How many units of each count as the declared worst value.

    Example:
        >>> steps = {0: 100.0, 1: 120.0, 2: 110.0}
        >>> found = factor(
        ...     "condition 100", ("momentum", steps), ("sgd", {k: 5 * v for k, v in steps.items()}),
        ...     measure="steps", more_is_better=False, none=1.1,
        ... )
        >>> found.outcome, round(found.estimate.mean, 6)
        ('supports', 5.0)
    """
    first, second = (claimed, other) if more_is_better else (other, claimed)
    logs = [_logs(one[1], setting, measure) for one in (first, second)]
    found = paired(*logs)
    units = sorted(logs[0].keys() & logs[1].keys())
    first_means, second_means = (_mean(one, units) for one in logs)
    means = (first_means, second_means) if more_is_better else (second_means, first_means)
    return Contrast(
        setting=setting,
        claimed=claimed[0],
        other=other[0],
        measure=measure,
        unit=unit,
        scale="factor",
        threshold=threshold,
        none=none,
        estimate=_exponential(found),
        outcome=outcome(found, math.log(threshold), math.log(none)),
        means=(_exp(means[0]), _exp(means[1])),
        lost=lost,
        values=tuple(_short(math.exp(logs[0][k] - logs[1][k])) for k in units),
    )


def amount(  # noqa: PLR0913  (what a contrast declares)
    setting: str,
    name: str,
    values: Mapping[int, float],
    *,
    measure: str,
    threshold: float,
    none: float = 0.0,
    more_is_claimed: bool = True,
    unit: str = "seed",
    lost: int = 0,
) -> Contrast:
    """One number per unit against a declared number, for a claim that says how much of something there is.

    Args:
        setting: The value of the variable.
        name: Whose number it is.
        values: By unit.
        measure: What it is.
        threshold: What the claim says that it exceeds, or stays below.
        none: Within this much of the threshold it counts as neither.
        more_is_claimed: Whether the claim says more than the threshold.
        unit: What is counted.
        lost: How many units count as the declared worst value.

    Example:
        >>> amount("digits", "adam", {0: 3.1, 1: 3.3, 2: 3.2}, measure="first step", threshold=2.0).outcome
        'supports'
    """
    found = estimate(list(values.values()))
    sign = 1 if more_is_claimed else -1
    ends = (found.low, found.high) if sign > 0 else (found.high, found.low)
    mean, low, high = (None if end is None else sign * end for end in (found.mean, *ends))
    turned = Estimate(mean, low, high, found.seeds, found.method)
    return Contrast(
        setting=setting,
        claimed=name,
        other=f"{'more' if more_is_claimed else 'less'} than {threshold:g}",
        measure=measure,
        unit=unit,
        scale="amount" if more_is_claimed else "amount below",
        threshold=threshold,
        none=none,
        estimate=found,
        outcome=outcome(turned, sign * threshold, none),
        means=(found.mean, None),
        lost=(lost, 0),
        values=tuple(_short(values[k]) for k in sorted(values)),
    )


def outcome(found: Estimate, threshold: float, none: float) -> str:
    """What an interval says: beyond the threshold on one side, within a margin around it, or neither.

    Example:
        >>> outcome(Estimate(0.02, 0.01, 0.03, 5), 0.0, 0.005), outcome(Estimate(0.0, -0.001, 0.001, 5), 0.0, 0.005)
        ('supports', 'none')
    """
    if found.low is None or found.high is None:
        return UNCLEAR
    low, high = found.low - threshold, found.high - threshold
    if -none <= low and high <= none:
        return NONE
    if low > 0:
        return SUPPORTS
    return OPPOSES if high < 0 else UNCLEAR


def _logs(values: Mapping[int, float], setting: str, measure: str) -> dict[int, float]:
    if any(not 0 < value < math.inf for value in values.values()):
        raise InputError(
            f"expected finite {measure} above 0 for a factor in '{setting}', got {list(values.values())}: "
            "declare what a run that is lost counts as, and a floor"
        )
    return {unit: math.log(value) for unit, value in values.items()}


def _exponential(found: Estimate) -> Estimate:
    return Estimate(_exp(found.mean), _exp(found.low), _exp(found.high), found.seeds, found.method)


def _exp(value: float | None) -> float | None:
    return None if value is None else math.exp(value)


def _mean(values: Mapping[int, float], units: list[int]) -> float | None:
    return statistics.fmean(values[k] for k in units) if units else None


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")

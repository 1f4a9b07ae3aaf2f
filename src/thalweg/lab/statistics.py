"""What a few seeds allow to be said: a mean and its 95 % interval, the seed being the unit.

Below 20 seeds the interval is Student's t: with so few values a bootstrap is too narrow. From 20 on it is the
symmetric bootstrap of Student's ratio ("bootstrap-t"): of those tried (BCa, and a tail on each side) it alone covered
at least .93 of skewed single rows and of heavy-tailed differences alike. So does Student's t below, but for single rows
whose values crowd against a bound; `tests/test_statistics.py` has the figures.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.errors import InputError
from thalweg.lab.table import Estimate

COVERAGE = 0.95
BOOTSTRAP_FROM = 20
_RESAMPLES = 1000  # each of them is used twice, once mirrored
_ROUNDING = 4 * 2.0**-52


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of one number per seed, and its 95 % interval.

    The order of the values does not matter, and the same values always give the same interval. Values that are all the
    same give an interval of no width: the seed decides nothing then.

    Args:
        values: One finite number per seed.

    Returns:
        No mean without a value, no interval with one.

    Raises:
        InputError: If a value is not finite: what became of such a seed must be said, not averaged.

    Example:
        >>> found = estimate([0.96, 0.97, 0.98])
        >>> f"{found.mean:.3f}, {found.low:.3f} to {found.high:.3f}, from {found.seeds} seeds by {found.method}"
        '0.970, 0.945 to 0.995, from 3 seeds by t'
        >>> estimate([0.97])
        Estimate(mean=0.97, low=None, high=None, seeds=1, method='')
    """
    ordered = sorted(_finite(values))
    if len(ordered) < 2 or ordered[0] == ordered[-1]:
        only = ordered[0] if ordered else None
        known = only if len(ordered) > 1 else None
        return Estimate(only, known, known, len(ordered), "" if known is None else "t")
    scaled, unit = _scaled(ordered)
    low, high, method = _interval(scaled)
    return Estimate(statistics.fmean(scaled) * unit, low * unit, high * unit, len(ordered), method)


def _finite(values: Sequence[float]) -> list[float]:
    if not all(map(math.isfinite, values)):
        raise InputError(f"expected finite numbers, one per seed, got {list(values)}: leave the others out and say so")
    return [float(value) for value in values]


def _scaled(values: Sequence[float]) -> tuple[list[float], float]:
    """The values in units of the largest, so that neither sums nor squares overflow, and that unit."""
    unit = max(map(abs, values))
    return [value / unit for value in values], unit


def _interval(ordered: Sequence[float]) -> tuple[float, float, str]:
    mean, error = statistics.fmean(ordered), _standard_error(ordered)
    ratio = _bootstrapped_ratio(ordered) if len(ordered) >= BOOTSTRAP_FROM else math.inf
    if math.isfinite(ratio):
        return mean - ratio * error, mean + ratio * error, "bootstrap"
    reach = _student_quantile(len(ordered) - 1, (1 + COVERAGE) / 2) * error
    return mean - reach, mean + reach, "t"


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def _bootstrapped_ratio(ordered: Sequence[float]) -> float:
    """What 95 % of |mean of a resample - mean| / (standard error of that resample) do not exceed.

    Infinite where too many resamples have no spread, as when nearly all values are the same: it is unknown then.
    """
    import numpy as np

    values = np.asarray(ordered)
    drawn = values[_resamples(len(values))]
    gaps = np.abs(drawn.mean(axis=1) - values.mean())
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(len(values))
    flat = drawn.min(axis=1) == drawn.max(axis=1)
    ratios = np.where(flat, np.inf, gaps / np.where(flat, 1, errors))
    return float(np.quantile(ratios, COVERAGE, method="higher"))


@functools.lru_cache(maxsize=8)
def _resamples(count: int) -> Any:
    """Which of the sorted values each resample holds; mirrored too, so that -values have the mirrored interval."""
    import numpy as np

    drawn = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
    return np.concatenate([drawn, count - 1 - drawn])


def _student_quantile(freedom: int, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate:
    """The mean of `a` minus `b`, seed by seed, and its 95 % interval.

    Args:
        a: For each seed its number.
        b: The numbers that are subtracted; seeds that only one of the two has are left out.

    Returns:
        The estimate over the seeds that both have.

    Raises:
        InputError: If a number is not finite.

    Example:
        >>> paired({0: 3.0, 1: 5.0, 7: 9.0}, {0: 1.0, 1: 2.0}).mean
        2.5
    """
    return estimate(_differences(a, b))


def chance_better(a: Mapping[int, float], b: Mapping[int, float], maximize: bool) -> float | None:
    """How likely it is that the mean of `a` over all seeds there could be is better than that of `b`.

    It is the posterior probability that the mean difference has the better sign, for normal differences and the flat
    prior (uniform on the mean and on the logarithm of the spread): Student's t distribution with n - 1 degrees of
    freedom, centred at the mean difference and scaled by its standard error. So it is 1 minus the one-sided p-value of
    the paired t test. It is about means: not how often a single run of `a` beats a single run of `b`.

    Args:
        a: For each seed its number.
        b: The same of the other; seeds that only one of the two has are left out.
        maximize: Whether more is better.

    Returns:
        Between 0 and 1; with differences that are all the same 0, 0.5 or 1; None below two common seeds.

    Raises:
        InputError: If a number is not finite.

    Example:
        >>> round(chance_better({0: 3.0, 1: 5.0, 2: 4.5}, {0: 1.0, 1: 2.0, 2: 3.0}, maximize=True), 3)
        0.98
    """
    found = _differences(a, b) if maximize else _differences(b, a)
    if estimate(found).low is None:
        return None
    if min(found) == max(found):
        return 0.5 if found[0] == 0 else float(found[0] > 0)
    from scipy.special import stdtr

    scaled, _ = _scaled(found)
    return float(stdtr(len(found) - 1, statistics.fmean(scaled) / _standard_error(scaled)))


def _differences(a: Mapping[int, float], b: Mapping[int, float]) -> list[float]:
    """`a` minus `b` by seed; what differs by no more than the rounding of a subtraction is made equal."""
    seeds = sorted(a.keys() & b.keys())
    found = _finite([a[seed] - b[seed] for seed in seeds])
    noise = _ROUNDING * max((max(abs(a[seed]), abs(b[seed])) for seed in seeds), default=0.0)
    if not found or max(found) - min(found) > noise:
        return found
    middle = statistics.median(found)
    return [middle if abs(middle) > noise else 0.0] * len(found)

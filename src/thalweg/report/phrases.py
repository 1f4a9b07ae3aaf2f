"""What the columns of the answer say: intervals, differences, chances, targets, memory, ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from thalweg.lab.table import Estimate, Reached, Row
from thalweg.report.words import MISSING, number, plain, setting


def interval(estimate: Estimate | None) -> str:
    """Both ends of an interval, nothing where there is none.

    Example:
        >>> interval(Estimate(0.97, 0.965, 0.975, 5, "t")), interval(Estimate(0.97))
        ('0.9650 to 0.9750', '')
    """
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{result(estimate.low)} to {result(estimate.high)}"


def result(value: float | None) -> str:
    """A final metric: small losses keep two digits, which four decimals would lose.

    Example:
        >>> result(0.97123), result(0.000123), result(None)
        ('0.9712', '1.2e-04', '–')
    """
    return f"{value:.1e}" if value is not None and 0 < abs(value) < 1e-3 else number(value)


def signed(value: float | None) -> str:
    """A difference with its sign, a dash where there is none.

    Example:
        >>> signed(0.0042), signed(-0.0042), signed(0.0), signed(None)
        ('+0.0042', '-0.0042', '0.0000', '–')
    """
    return f"+{number(value)}" if value is not None and 0 < value < math.inf else number(value)


def signed_interval(estimate: Estimate | None) -> str:
    """Both ends of a difference's interval with their signs, nothing where there is none.

    Example:
        >>> signed_interval(Estimate(0.01, -0.005, 0.025, 5, "t"))
        '-0.0050 to +0.0250'
    """
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{signed(estimate.low)} to {signed(estimate.high)}"


def chance(value: float | None) -> str:
    """A chance in percent that never claims certainty.

    Example:
        >>> chance(0.973), chance(0.9996), chance(0.0001), chance(None)
        ('97%', '>99%', '<1%', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value > 0.99:
        return ">99%"
    return "<1%" if value < 0.01 else f"{100 * value:.0f}%"


def brief(seconds: Any) -> str:
    """A time: milliseconds, seconds below a minute, then minutes and seconds, then hours too.

    Example:
        >>> brief(0.0123), brief(3.21), brief(83.0), brief(3723.0), brief(None)
        ('12 ms', '3.2 s', '1:23', '1:02:03', '–')
    """
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return MISSING
    if 0 < seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def memory(size: int | None) -> str:
    """Bytes with a unit; none where the optimizer keeps no state.

    Example:
        >>> memory(1_200_000), memory(0), memory(512), memory(None)
        ('1.2 MB', 'none', '512 B', '–')
    """
    if size is None:
        return MISSING
    if size == 0:
        return "none"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def count(value: float | None) -> str:
    """A number of steps, grouped by thousands; a dash where it is not known.

    Example:
        >>> count(12600), count(252.5), count(None), count(1.5e9)
        ('12,600', '252.5', '–', '1.5e+09')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value >= 1e7:
        return f"{value:.1e}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def met(row: Row) -> str:
    """How many seeds met the target.

    Example:
        >>> met(Row("SGD", "sgd", {}, (0, 1, 2, 3, 4), (), (), 1.0, 0.1, reached=Reached(3, 4.0, 252.0, 5.6)))
        '3 of 5'
    """
    if row.reached is None:
        return MISSING
    return f"{row.reached.seeds} of {len(row.seeds)}" if row.reached.seeds else "never"


def steps_to(reached: Reached | None) -> str:
    """Steps until the target; epochs where the steps are not known.

    Example:
        >>> steps_to(Reached(3, 4.0, 252.0, 5.6)), steps_to(Reached(3, 4.0, None, 5.6)), steps_to(None)
        ('252', 'epoch 4', '–')
    """
    if reached is None or (reached.steps is None and reached.epoch is None):
        return MISSING
    return count(reached.steps) if reached.steps is not None else f"epoch {reached.epoch:g}"


def rounded(value: float) -> str:
    """A drawn hyperparameter with three digits: more say nothing.

    Example:
        >>> rounded(0.00123456), rounded(1.0), rounded(3.16e-6)
        ('0.00123', '1', '3.16e-06')
    """
    return f"{value:.3g}"


def searched(ends: tuple[float, float] | None) -> str:
    """A range of a hyperparameter.

    Example:
        >>> searched((1e-5, 1.0)), searched(None)
        ('1e-05 to 1', '–')
    """
    return f"{rounded(ends[0])} to {rounded(ends[1])}" if ends else MISSING


def width(ends: tuple[float, float] | None) -> str:
    """A range with the factor between its ends, which is how wide it is on a logarithmic scale.

    Example:
        >>> width((0.0005, 0.003)), width((0.01, 0.01))
        ('0.0005 to 0.003 (6x)', 'only 0.01')
    """
    if ends is None:
        return MISSING
    low, high = ends
    if not 0 < low < high:
        return f"only {rounded(low)}" if low == high else searched(ends)
    return f"{searched(ends)} ({high / low:.2g}x)" if high / low < 99.5 else f"{searched(ends)} ({high / low:.0f}x)"


def chosen(settings: Mapping[str, Any]) -> str:
    """Hyperparameters as one would type them.

    Example:
        >>> chosen({"lr": 0.00123456, "momentum": 0.9, "eps": "cosine(1, 5)"})
        'lr=0.00123, momentum=0.9, eps=cosine(1, 5)'
    """
    parts = (f"{plain(name)}={rounded(v) if isinstance(v, float) else setting(v)}" for name, v in settings.items())
    return ", ".join(parts)


def rate(row: Row) -> str:
    """A row's kind and its learning rate, in the words of a table.

    Example:
        >>> rate(Row("SGD", "sgd", {"lr": 0.1}, (), (), (), 1.0, 0.1))
        'default, lr 0.1'
    """
    lr = row.settings.get("lr")
    if lr is None:
        return row.kind
    shown = rounded(lr) if row.kind == "tuned" and isinstance(lr, float) else setting(lr)
    return f"{plain(row.kind)}, lr {shown}"

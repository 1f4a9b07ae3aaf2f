"""How alarms say numbers and layers."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, isfinite, isnan, log10

import numpy as np

from thalweg.watch.alarm import SEVERAL, Finding
from thalweg.watch.history import History

FEW = 3  # layers that are told one by one; more are told together


def short(number: float) -> str:
    """A number with at most three digits that say something.

    Example:
        >>> short(1234.5), short(0.012345), short(1.2e-5), short(3.0), short(2.5e9), short(float("inf"))
        ('1,230', '0.0123', '1.2e-5', '3', '2.5e9', 'infinity')
    """
    if not isfinite(number):
        return "NaN" if isnan(number) else "infinity" if number > 0 else "-infinity"
    rounded = float(f"{number:.3g}")
    if rounded == 0 or 1e-4 <= abs(rounded) < 1e6:
        return f"{rounded:,.12g}"
    digits, _, exponent = f"{rounded:.2e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"


def share(part: float) -> str:
    """A share in percent.

    Example:
        >>> share(0.5), share(0.0123), share(1.0), share(0.0001)
        ('50 %', '1.2 %', '100 %', '0.01 %')
    """
    return f"{float(f'{100 * part:.2g}'):,.12g} %"


def about(factor: float) -> str:
    """An estimate, in one digit.

    Example:
        >>> about(43.0), about(2.6), about(1234.0)
        ('40', '3', '1,000')
    """
    if not isfinite(factor) or factor <= 0:
        return short(factor)
    unit = 10.0 ** floor(log10(factor))
    return short(round(factor / unit) * unit)


def far(factor: float) -> str:
    """The word for a factor of ten and more.

    Example:
        >>> far(30.0), far(3.0)
        ('far ', '')
    """
    return "far " if factor >= 9.5 else ""


def per_layer(
    history: History,
    seen: np.ndarray,
    numbers: np.ndarray,
    sentence: Callable[[str, int], str],
    *,
    lowest: bool = False,
    since: np.ndarray | None = None,
) -> list[Finding]:
    """A finding for every layer that shows something; one for all of them where they are more than three.

    That one names the three worst, or the first three where all are alike, and says how many there are.

    Args:
        history: What was measured.
        seen: For every layer whether it shows it.
        numbers: For every layer the number that decides.
        sentence: From the words "In ..." and the layer's column to the sentence.
        lowest: Whether the worst is the one with the lowest number.
        since: For every layer the step at which it began.
    """
    columns = np.flatnonzero(seen)
    if not len(columns):
        return []
    order = columns[np.argsort(numbers[columns] * (1.0 if lowest else -1.0), kind="stable")]
    names = [history.subject.parts[column].name for column in order]

    def finding(column: int, part: str, where: str, layers: tuple[str, ...] = ()) -> Finding:
        began = 0 if since is None else int(since[column])
        return Finding(part, float(numbers[column]), sentence(where, column), since=began, layers=layers)

    if len(order) <= FEW:
        return [finding(int(column), name, f"In {name}") for column, name in zip(order, names, strict=True)]
    worst = f"{', '.join(names[: FEW - 1])} and {names[FEW - 1]}"
    where = f"In {len(order):,} of {len(history.subject.layers):,} layers, most of all {worst},"
    return [finding(int(order[0]), SEVERAL, where, tuple(names))]

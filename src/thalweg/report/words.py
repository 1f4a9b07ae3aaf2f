"""Numbers and short phrases as every report writes them."""

from __future__ import annotations

import math
from typing import Any

from thalweg.lab.table import Comparison, EpochSummary, Row

MISSING = "–"
_NO_SUMMARY = EpochSummary(0, None, None, None, None)


def number(value: Any) -> str:
    """A measured number in at most eight characters, a dash where there is none.

    Args:
        value: A number, or anything else for a dash.

    Returns:
        Four decimals below ten, about five digits above, powers of ten at the far ends.

    Example:
        >>> [number(value) for value in (0.9772, 12.34567, 3.2e-7, 123456.0, None, float("nan"))]
        ['0.9772', '12.346', '3.2e-07', '1.2e+05', '–', '–']
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return MISSING
    size = abs(value)
    if size != 0 and (size < 1e-4 or size >= 1e4):
        return f"{value:.1e}"
    return f"{value:.4f}" if size < 10 else f"{value:.5g}"


def setting(value: Any) -> str:
    """A hyperparameter as one would type it.

    Args:
        value: A number, or a schedule as text.

    Returns:
        The shortest text that says it exactly.

    Example:
        >>> [setting(value) for value in (0.001, 1e-07, 1.0, "cosine(1e-3,10)")]
        ['0.001', '1e-07', '1', 'cosine(1e-3,10)']
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return plain(value)


def spread(value: float | None) -> str:
    """A standard deviation behind its sign, nothing where one seed has none.

    Example:
        >>> spread(0.0031), spread(None)
        ('±0.0031', '')
    """
    return "" if value is None else f"±{number(value)}"


def duration(seconds: Any) -> str:
    """Seconds as minutes and seconds.

    Example:
        >>> duration(482.4), duration(None)
        ('8:02', '–')
    """
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return MISSING
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def seconds(value: Any) -> str:
    """Seconds with one decimal.

    Example:
        >>> seconds(33.21), seconds(None)
        ('33.2 s', '–')
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return MISSING
    return f"{value:.1f} s"


def percent(share: float) -> str:
    """A share between 0 and 1 in whole percent.

    Example:
        >>> percent(0.123), percent(0.001)
        ('12%', '<1%')
    """
    if not math.isfinite(share):
        return MISSING
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def plain(text: Any) -> str:
    """Text from a run without control characters, which could move a terminal's cursor.

    Example:
        >>> plain("a" + chr(27) + "[2Jb")
        'a�[2Jb'
    """
    return "".join(letter if letter.isprintable() else "�" for letter in str(text))


def trouble(row: Row) -> str:
    """How many of an optimizer's seeds did not finish, nothing when all did.

    Args:
        row: The optimizer.

    Returns:
        For instance "1 of 3 diverged".
    """
    counts = ((status, row.statuses.count(status)) for status in ("diverged", "failed"))
    return ", ".join(f"{count} of {len(row.statuses)} {status}" for status, count in counts if count)


def shown_epochs(epochs: int) -> tuple[int, ...]:
    """The first, the middle and the last epoch.

    Args:
        epochs: How many there are.

    Returns:
        One to three numbers, rising.

    Example:
        >>> shown_epochs(10), shown_epochs(2), shown_epochs(1)
        ((1, 5, 10), (1, 2), (1,))
    """
    return tuple(sorted({1, (epochs + 1) // 2, epochs}))


def at_epoch(row: Row, epoch: int) -> EpochSummary:
    """What is known of an optimizer after an epoch; a summary without values when it did not get there.

    Args:
        row: The optimizer.
        epoch: Counted from 1.

    Returns:
        The summary.
    """
    return next((summary for summary in row.epochs if summary.epoch == epoch), _NO_SUMMARY)


def title(comparison: Comparison) -> str:
    """The problem and the data, in one line.

    Args:
        comparison: The comparison.

    Returns:
        A line without a full stop.
    """
    return plain(f"{comparison.problem}: {comparison.data}")


def trained(comparison: Comparison) -> str:
    """How much was trained, in one line.

    Args:
        comparison: The comparison.

    Returns:
        A line without a full stop.
    """
    size = comparison.batch_size
    batches = "batches as the data gives them" if size is None else f"batch size {size}"
    return " · ".join([counted(comparison.epochs, "epoch"), batches, counted(_seeds(comparison), "seed")])


def amount(comparison: Comparison) -> str:
    """How much was trained, and what the numbers of a table by epochs are.

    Args:
        comparison: The comparison.

    Returns:
        A line without a full stop.
    """
    numbers = "mean ± standard deviation on test data" if _seeds(comparison) > 1 else "results on test data"
    return f"{trained(comparison)} · {numbers}"


def _seeds(comparison: Comparison) -> int:
    return max((len(row.seeds) for row in comparison.rows), default=0)


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "seed"), counted(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def unique_labels(rows: tuple[Row, ...]) -> list[str]:
    """The rows' labels, told apart: a tuned row says so, and two that are still the same are numbered.

    Args:
        rows: The optimizers.

    Returns:
        One label per row.
    """
    return told_apart([plain(row.optimizer) + (", tuned" if row.kind == "tuned" else "") for row in rows])


def told_apart(labels: list[str]) -> list[str]:
    """The same labels, those that occur more than once numbered.

    Example:
        >>> told_apart(["Adam", "SGD", "Adam"])
        ['Adam (1)', 'SGD', 'Adam (2)']
    """
    return [
        f"{label} ({labels[: index + 1].count(label)})" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]

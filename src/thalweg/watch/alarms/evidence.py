"""How alarms read a history: medians that leave out what is unknown, and what a loss did so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, nan

import numpy as np

from thalweg.watch.history import History
from thalweg.watch.subject import Group, Part

FLOOR = 1e-300


def middle(rows: np.ndarray, least: int = 1) -> np.ndarray:
    """The median of every column over what is finite in it; NaN where fewer than `least` numbers are.

    Example:
        >>> middle(np.array([[1.0, np.nan], [3.0, np.nan], [9.0, 2.0]])).tolist()
        [3.0, 2.0]
    """
    if not len(rows):
        return np.full(rows.shape[1:], nan)
    known = np.isfinite(rows)
    ordered, count = np.sort(np.where(known, rows, nan), axis=0), known.sum(axis=0)
    if rows.ndim == 1:
        return np.asarray(median(ordered[:count]) if count >= least else nan)
    last, columns = np.maximum(count - 1, 0), np.arange(rows.shape[1])
    found = ordered[last // 2, columns] / 2 + ordered[(last + 1) // 2, columns] / 2
    return np.where(count >= least, found, nan)


def median(values: np.ndarray) -> float:
    """The median of finite numbers; NaN if there are none. NumPy's own takes several times as long for a few numbers.

    Example:
        >>> median(np.array([4.0, 1.0, 2.0, 3.0]))
        2.5
    """
    if not len(values):
        return nan
    ordered, last = np.sort(values), len(values) - 1
    return float(ordered[last // 2] / 2 + ordered[(last + 1) // 2] / 2)


def tail(history: History, figure: str, rows: int) -> np.ndarray:
    """The last rows of a figure, in float64."""
    return np.asarray(history[figure][-rows:], np.float64)


def latest(history: History, figure: str, column: int, count: int) -> np.ndarray:
    """The last finite numbers of a figure that not every row has, at most `count`."""
    values = history[figure][:, column]
    return np.asarray(values[np.isfinite(values)][-count:], np.float64)


def groups(history: History) -> Iterator[tuple[Group, int, str]]:
    """Every group with its column, and the name of its part; that of an only group is empty: it is the whole."""
    subject = history.subject
    columns = {part.group: k for k, part in enumerate(subject.parts) if part.is_group}
    for group in subject.groups:
        if group.number in columns:
            column = columns[group.number]
            yield group, column, "" if len(subject.groups) == 1 else subject.parts[column].name


def first_losses(history: History, most: int) -> np.ndarray:
    """The losses that were told from the first step on, up to the first that is not finite; none if those are gone."""
    if not history.losses or history.losses[0][0] > 2:
        return np.zeros(0)
    losses = np.array([loss for _, loss in history.losses[:most]], np.float64)
    finite = np.isfinite(losses)
    return losses if finite.all() else losses[: int(np.argmin(finite))]


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Medians of stretches that follow one another; the rest at the end is left out."""
    count = len(values) // width
    ordered = np.sort(values[: count * width].reshape(count, width), axis=1)
    return ordered[:, (width - 1) // 2] / 2 + ordered[:, width // 2] / 2


def jitter(losses: np.ndarray) -> float:
    """By how much the logarithm of a loss usually differs from that of the loss before; NaN if one is not positive."""
    if len(losses) < 2 or not losses.min() > 0:
        return nan
    return median(np.abs(np.diff(np.log(losses))))


def ended(history: History, rows: int) -> tuple[float, float]:
    """The usual loss of the first and of the last rows that have one; NaN where there are none."""
    known = history.loss[np.isfinite(history.loss)]
    return median(known[:rows]), median(known[-rows:])


def of_first_steps(history: History) -> int:
    """How many measurements stand for the start, or for now: those of 16 steps, and at least two."""
    return max(2, 16 // history.subject.every)


def steps_seen(history: History) -> int:
    """How many steps there were since watching began."""
    return history.last - int(history.steps[0]) + 1 if len(history) else 0


def spreads(history: History, column: int) -> float:
    """Root mean square of the weights of a part when they were first measured; NaN if unknown."""
    if not len(history):
        return nan
    first = float(history["weight_norm"][0, column])
    return first / max(history.subject.parts[column].elements, 1) ** 0.5 if isfinite(first) else nan


def biases(parts: Sequence[Part]) -> np.ndarray:
    """Which layers are biases.

    Before a normalisation or a softmax, and of attention's keys, these have no gradient but rounding. A bias is what
    has weights of the same name beside it; where layers have no names, what is as large as a row of the larger layer
    before it.
    """
    names, before, found = {part.name for part in parts}, 0, []
    for part in parts:
        head, bias, end = part.name.rpartition("bias")
        beside = bool(bias) and any(f"{head}{kind}{end}" in names for kind in ("weight", "kernel"))
        unnamed = part.name.startswith("parameter ") and before > part.elements and before % part.elements == 0
        found.append(beside or unnamed)
        before = part.elements
    return np.array(found, bool)

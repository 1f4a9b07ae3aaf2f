"""How far the figures of a sample may lie from those of every coordinate: standard errors, as sampling theory has them.

A share is binomial. A cosine is a ratio of sums, whose error is that of its linear part (the delta method); so is the
root of a mean. A quantile's error is half the way between the values one standard deviation of ranks below and above.
All shrink by `sqrt(1 - n/N)` where n of N coordinates are in the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from thalweg.watch.columns import QUARTILES, Columns
from thalweg.watch.figure import FIGURES

SAMPLED = {figure.name for figure in FIGURES if figure.sampled}
QUANTILES = dict(zip(("effective_lr", "effective_lr_low", "effective_lr_high"), QUARTILES, strict=True))
COSINES = {
    "update_cosine": ("update", "past update"),
    "gradient_cosine": ("g", "past g"),
    "momentum_cosine": ("first", "g"),
}
SHARES = ("epsilon_share", "lost_share", "stale_share")
ROOTS = {"first_moment": ("first", "first"), "second_moment": ("second", "factor")}


def error_of(figure: str, last: Mapping[str, np.ndarray], columns: Columns) -> np.ndarray:
    """The standard error of the last measurement of a figure, a number per part; NaN where it is not known.

    Args:
        figure: Its name.
        last: Of that measurement, by name, a number for each coordinate: see `thalweg.watch.blocks`.
        columns: Which coordinates belong to which part.
    """
    if figure not in SAMPLED:
        return np.zeros(columns.parts)
    if not last:
        return np.full(columns.parts, np.nan)
    with np.errstate(all="ignore"):
        if figure in QUANTILES:
            return _of_quantile(last["effective_lr"], QUANTILES[figure], columns)
        if figure == "zero_share":
            return _of_mean(np.where(np.isnan(last["g"]), np.nan, last["g"] == 0), columns)
        if figure in SHARES:
            return _of_mean(last[figure], columns)
        if figure in COSINES:
            a, b = (last[name] for name in COSINES[figure])
            return _of_cosine(a, b, columns)
        if figure in ROOTS:
            a, b = (last[name] for name in ROOTS[figure])
            return _of_root(a * b, columns)
    return np.full(columns.parts, np.nan)


def _variance(linear: np.ndarray, columns: Columns) -> np.ndarray:
    """The variance of the sum over all coordinates of a quantity that is known in the sample."""
    sample = columns.sample
    count, size = sample.counts.astype(float), sample.sizes.astype(float)
    known = np.where(np.isnan(linear), 0.0, linear)
    mean = np.bincount(columns.layer_of, known, columns.layers) / count
    square = np.bincount(columns.layer_of, (known - mean[columns.layer_of]) ** 2, columns.layers)
    by_layer = size * (size - count) / count * square / np.maximum(count - 1, 1)
    return columns.pooled(np.where(count > 0, by_layer, 0.0))


def _by_part(linear: Callable[[np.ndarray], np.ndarray], columns: Columns) -> np.ndarray:
    """The variance for each part of the sum of a quantity that depends on the part in which coordinates are seen."""
    layer = columns.layer_of
    in_layers = _variance(linear(layer), columns)[: columns.layers]
    return np.concatenate(
        [in_layers, _variance(linear(columns.layers + columns.group[layer]), columns)[columns.layers :]]
    )


def _of_mean(values: np.ndarray, columns: Columns) -> np.ndarray:
    known = ~np.isnan(values)
    number = columns.sums(known.astype(float))
    mean = columns.sums(np.where(known, values, 0.0)) / number
    return np.sqrt(_by_part(lambda part: np.where(known, values - mean[part], 0.0), columns)) / number


def _of_cosine(a: np.ndarray, b: np.ndarray, columns: Columns) -> np.ndarray:
    product, left, right = columns.sums(np.stack([a * b, a * a, b * b]))
    root = np.sqrt(left * right)
    cosine = product / root

    def linear(part: np.ndarray) -> np.ndarray:
        return a * b / root[part] - cosine[part] / 2 * (a * a / left[part] + b * b / right[part])

    return np.where(np.isnan(cosine), np.nan, np.sqrt(_by_part(linear, columns)))


def _of_root(squares: np.ndarray, columns: Columns) -> np.ndarray:
    total = columns.sums(squares)
    return np.sqrt(_variance(squares, columns)) / (2 * np.sqrt(total * columns.count))


def _of_quantile(values: np.ndarray, share: float, columns: Columns) -> np.ndarray:
    known = np.isfinite(values).astype(float)
    weight = np.where(known > 0, columns.weight[columns.layer_of], 0.0)
    number = np.bincount(columns.layer_of, weight > 0, columns.layers).astype(float)
    group = columns.group[columns.layer_of]
    total, squared = (np.bincount(group, part, columns.groups) for part in (weight, weight**2))
    number = np.concatenate([number, total**2 / squared])  # of equal ones that would be as good
    sampled = np.concatenate([columns.sample.counts, np.bincount(columns.group, columns.sample.counts, columns.groups)])
    deviation = np.sqrt(share * (1 - share) / number * (1 - sampled / columns.count))
    low, high = np.full((2, columns.parts), np.nan)
    for k in np.flatnonzero(np.isfinite(deviation)):
        edges = np.clip([share - deviation[k], share + deviation[k]], 0.0, 1.0)
        low[k], high[k] = columns.quantiles(values, edges.tolist())[:, k]
    return (high - low) / 2

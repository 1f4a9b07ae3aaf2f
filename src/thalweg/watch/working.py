"""From raw readings to figures: pure functions on arrays, a block of measurements at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FEWEST, SPARSE = 4, 64  # measurements of a block, and the distance of theirs from which on there are twice as many
AT_FIRST = 4  # blocks of which everything is worked out and looked for; later some of it in every second one
WINDOW = 32  # steps over which oscillation and heading look, and pairs of gradients are averaged
SHORTEST = WINDOW // 2  # updates in a row, below which nothing is said of oscillation
REFERENCE = 10  # the step with which the fall of an accumulating rule is compared
COSINES = ("descent_cosine", "update_cosine", "gradient_cosine", "momentum_cosine")


def block_length(every: int) -> int:
    """How many measurements are worked out together; one alone costs nearly as much as eight.

    Example:
        >>> [block_length(every) for every in (1, 5, 16, 64)]
        [32, 7, 4, 8]
    """
    return max(FEWEST, -(-WINDOW // every)) if every < SPARSE else 2 * FEWEST


@dataclass(frozen=True)
class Block:
    """Some measurements; all arrays are of shape (measurements, parts), but for the first.

    Attributes:
        sums: The sums of `thalweg.compile.measured.SUMS` over every coordinate, of shape (sums, measurements, parts).
        nonfinite: How many coordinates of the gradient are infinite or NaN.
        lr: The learning rate.
        count: For each part how many coordinates its sample stands for; or one array each for the first moment, the
            second, and zeros, where some layers are not known.
        products: Over the sample: the products of weights' updates (`uu`), of updates with those of the step before
            (`up`) and of these (`pp`), of gradients likewise (`gg`, `gq`, `qq`), of the first moment (`ff`, `fg`), and
            the sums of the second moment (`v`) and of coordinates whose gradient is zero (`zero`).
    """

    sums: np.ndarray
    nonfinite: np.ndarray
    lr: np.ndarray
    count: np.ndarray
    products: Mapping[str, np.ndarray]


def figures(block: Block) -> dict[str, np.ndarray]:
    """The figures of each measurement that need neither the formula nor a window."""
    gradient, _, update, along = block.sums
    sampled = block.products
    cosines = cosine(
        np.array([-along, sampled["up"], sampled["gq"], sampled["fg"]]),
        np.array([gradient, sampled["uu"], sampled["gg"], sampled["ff"]]),
        np.array([update, sampled["pp"], sampled["qq"], sampled["gg"]]),
    )
    norms = np.sqrt(block.sums[:3])
    first, second, zero = np.array([sampled["ff"], sampled["v"], sampled["zero"]]) / block.count
    return {
        "lr": block.lr,
        "gradient_norm": norms[0],
        "weight_norm": norms[1],
        "update_norm": norms[2],
        "update_ratio": over(norms[2], norms[1]),
        "nonfinite": block.nonfinite,
        **dict(zip(COSINES, cosines, strict=True)),
        "first_moment": np.sqrt(first),
        "second_moment": np.sqrt(second),
        "zero_share": zero,
    }


def noise(pairs: np.ndarray) -> np.ndarray:
    """The share of the squared gradient that is noise.

    Two gradients of one place have the same mean, so their product is the mean's square; their own squares have the
    noise in them too.

    Args:
        pairs: For some pairs of successive gradients twice their product, and the sum of their squares; of shape
            (2, pairs, parts).

    Returns:
        For each pair the share over the pairs up to it, at most `WINDOW` of them.
    """
    run = np.cumsum(np.nan_to_num(pairs, posinf=0.0, neginf=0.0), axis=1)
    run[:, WINDOW:] -= run[:, :-WINDOW].copy()
    return np.minimum(np.maximum(1.0 - over(run[0], run[1]), 0.0), 1.0)


def oscillation(squares: np.ndarray, lagged: np.ndarray) -> np.ndarray:
    """Minus the lowest autocorrelation of successive updates, a number per part; 0 if none is negative.

    Args:
        squares: Of each update its square, of shape (steps, parts).
        lagged: For each of `lags(steps)` the sum of the products of updates so many steps apart, of shape
            (lags, parts).

    Returns:
        NaN where nothing moved.
    """
    run = np.concatenate([np.zeros((1, squares.shape[1])), np.cumsum(squares, axis=0)])
    back = list(lags(len(squares)))
    starts, ends = run[[len(squares) - k for k in back]], run[-1] - run[back]
    return np.maximum(-cosine(lagged, starts, ends).min(axis=0), 0.0)


def lags(steps: int) -> tuple[int, ...]:
    """The lags that are looked at in a window of some steps; none if it is too short.

    Example:
        >>> lags(32)[-1], lags(8)
        (16, ())
    """
    return tuple(range(1, steps // 2 + 1)) if steps >= SHORTEST else ()


def cosine(product: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A cosine from a product and two squares; NaN where one of these is zero."""
    return np.minimum(np.maximum(over(product, np.sqrt(a) * np.sqrt(b)), -1.0), 1.0)


def over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A quotient, NaN where it would be by zero."""
    return a / np.where(b == 0, np.nan, b)

"""Normal noise that depends on nothing but seed, run, step and component, the same in every backend.

Two parts. The first makes two whole numbers below 2**32 for a seed, a run and a step, in 32-bit integer arithmetic that
wraps around (in JavaScript: `Math.imul`, `>>>` and `| 0`, then `>>> 0`). With `mix(h)` for the end of MurmurHash3
(Appleby 2011), that is

    h ^= h >>> 16; h *= 0x85EBCA6B; h ^= h >>> 13; h *= 0xC2B2AE35; h ^= h >>> 16

and GOLDEN = 0x9E3779B9:

    run_key  = mix(mix(seed + 1) + run * GOLDEN)              once per run, from 0
    key_1    = mix(mix(seed + 2) + (2 * step) * GOLDEN)       once per step, from 1
    key_2    = mix(mix(seed + 2) + (2 * step + 1) * GOLDEN)
    a, b     = mix(run_key ^ key_1), mix(run_key ^ key_2)

The second part, Box and Muller's (1958), makes of these two numbers the noise of both components. It is a formula of
the language, without log or cos, of operations that every backend rounds alike: the noise is equal to the last bit
everywhere. `trace_normal` is its program, for printers.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from thalweg.compile.evaluate import evaluate
from thalweg.compile.lines import numbered
from thalweg.compile.numpy import FLUSHING, OPERATIONS, flushed
from thalweg.compile.program import EXACT, Program
from thalweg.formula import Expr, sqrt, where

GOLDEN = 0x9E3779B9  # 2**32 over the golden ratio
WORD = 2**32


def mix(h: int) -> int:
    """The end of MurmurHash3: one to one on 32 bits, and every bit depends on every bit.

    Example:
        >>> hex(mix(1))
        '0x514e28b7'
    """
    h %= WORD
    h = ((h ^ h >> 16) * 0x85EBCA6B) % WORD
    h = ((h ^ h >> 13) * 0xC2B2AE35) % WORD
    return h ^ h >> 16


def _mixed(h: np.ndarray) -> np.ndarray:
    """`mix` of an array of uint32, which wraps around by itself."""
    h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return h ^ h >> np.uint32(16)


def run_keys(seed: int, runs: Any) -> np.ndarray:
    """The key of each run, uint32.

    Args:
        seed: From 0 to 2**32 - 1.
        runs: The runs' numbers, from 0: an array of whole numbers.
    """
    numbers = np.atleast_1d(np.asarray(runs, np.int64)).astype(np.uint32)
    keys = _mixed(numbers * np.uint32(GOLDEN) + np.uint32(mix(seed + 1)))
    return keys.reshape(np.shape(runs))


def step_keys(seed: int, step: int) -> tuple[int, int]:
    """The two keys of a step, which counts from 1."""
    base = mix(seed + 2) + 2 * step * GOLDEN
    return mix(base), mix(base + GOLDEN)


def normal(seed: int, runs: Any, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal noise for both components of a point, for every run.

    Args:
        seed: From 0 to 2**32 - 1.
        runs: The runs' numbers, from 0: an array of whole numbers.
        step: The step's number, from 1.

    Returns:
        For x and for y an array of float64 of the shape of `runs`.

    Example:
        >>> x, y = normal(0, np.arange(3), 1)
        >>> x.round(4).tolist(), y.round(4).tolist()
        ([1.9208, -0.9534, 1.1906], [-1.1298, 0.2069, 1.4953])
    """
    keys = np.atleast_1d(run_keys(seed, runs))
    a, b = (_mixed(keys ^ np.uint32(key)).astype(np.float64) for key in step_keys(seed, step))
    for_x, for_y = evaluate(trace_normal(), OPERATIONS, {"a": a, "b": b})
    return for_x.reshape(np.shape(runs)), for_y.reshape(np.shape(runs))


def noisy(slopes: np.ndarray, noise: float, normal_: np.ndarray) -> np.ndarray:
    """Gradients with noise of a standard deviation, without subnormal numbers."""
    with np.errstate(all="ignore"):
        return FLUSHING["add"](slopes, FLUSHING["mul"](flushed(np.float64(noise)), normal_))


@functools.cache
def trace_normal() -> Program:
    """The program that makes normal noise `n_x`, `n_y` from two whole numbers `a`, `b` below 2**32, given as floats."""
    a, b = Expr("a", varies=True), Expr("b", varies=True)
    results = box_muller(a, b)
    _, body, labels = numbered("noise", results, {}, {"a", "b"}, EXACT)
    outputs = tuple(labels[id(each)] for each in results)
    return Program("normal", ("a", "b"), (), (), body, outputs, ("n_x", "n_y"), frozenset())


def box_muller(a: Any, b: Any) -> tuple[Any, Any]:
    """Two independent standard normal numbers from two independent whole ones below 2**32 (Box & Muller 1958).

    Example:
        >>> [round(n, 12) for n in box_muller(2.0**31 - 1, 2.0**29)], math.sqrt(2 * math.log(2))
        ([1.177410022515, 0.0], 1.1774100225154747)
    """
    radius = sqrt(-2 * _log((a + 1) / 2.0**32))
    # The two upper bits of b are the quarter of the circle, the others an angle from -45 to 45 degrees.
    quarters = b / 2.0**30
    second = where(quarters >= 2.0, 1.0, 0.0)
    first = where(quarters - 2 * second >= 1.0, 1.0, 0.0)
    angle = (quarters - 2 * second - first - 0.5) * (math.pi / 2)
    cosine, sine = _series(angle * angle, 0), angle * _series(angle * angle, 1)
    turned_x, turned_y = where(first > 0.5, -sine, cosine), where(first > 0.5, cosine, sine)
    sign = 1 - 2 * second
    return radius * (sign * turned_x), radius * (sign * turned_y)


def _log(u: Any) -> Any:
    """The logarithm of a number from 2**-32 to 1: halvings are counted, the rest is a series around 1."""
    small = u < math.sqrt(0.5)
    halvings = where(small, 1.0, 0.0)
    u = where(small, 2 * u, u)
    for places in (16, 8, 4, 2, 1):
        small = u < 2.0**-places * math.sqrt(2)
        u, halvings = where(small, u * 2.0**places, u), halvings + where(small, float(places), 0.0)
    s = (u - 1) / (u + 1)
    z, total = s * s, 1 / 15
    for power in (13, 11, 9, 7, 5, 3, 1):
        total = total * z + 1 / power
    return 2 * s * total - halvings * math.log(2)


def _series(z: Any, first: int) -> Any:
    """Taylor's series of the cosine (0), or of the sine over its angle (1), in the square of the angle."""
    total: Any = 1 / math.factorial(16 + first)
    for power in range(14 + first, -1, -2):
        total = total * z + (-1) ** (power // 2) / math.factorial(power)
    return total

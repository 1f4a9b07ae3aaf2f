"""What several test modules run through: every rule, plain and wrapped, and gradients that are hard to get right."""

import numpy as np

from thalweg.formula import Rule
from thalweg.rules import RULES
from thalweg.rules.decay import ascent, decoupled, independent, l2
from thalweg.rules.hyper import starts

WRAPPED = (l2(RULES["adam"]), decoupled(RULES["rmsprop"]), independent(RULES["momentum"]), ascent(l2(RULES["sgd"])))
EVERY_RULE = (*RULES.values(), *WRAPPED)


def first_state(rule: Rule, x: np.ndarray) -> dict[str, np.ndarray]:
    """The rule's state before the first step."""
    numbers = starts(rule.every_start, rule.hyper)
    return {s: np.full_like(x, numbers[s]) for s in rule.state}


def hard_gradients(rng: np.random.Generator, size: int, dtype: str) -> np.ndarray:
    """Of every size that the type has: ordinary, zero, negative zero, subnormal and huge numbers."""
    info = np.finfo(dtype)
    ordinary = rng.standard_normal(size) * 10.0 ** rng.uniform(-8, 4, size)
    special = np.array(
        [0.0, -0.0, info.smallest_subnormal, -info.smallest_normal / 3, info.max, -info.max / 2, info.smallest_normal]
    )
    chosen = np.where(rng.random(size) < 0.2, rng.choice(special, size), ordinary)
    return chosen.astype(dtype)


def assert_same_bits(a: np.ndarray, b: np.ndarray, what: str) -> None:
    """Equal to the last bit, the sign of zero included; NaNs count as equal whatever their bits."""
    assert a.dtype == b.dtype and a.shape == b.shape, what
    integer = {4: np.uint32, 8: np.uint64}[a.dtype.itemsize]
    same = (a.view(integer) == b.view(integer)) | (np.isnan(a) & np.isnan(b))
    assert same.all(), f"{what}: {(~same).sum()} of {a.size} differ, first {a[~same][:1]} and {b[~same][:1]}"

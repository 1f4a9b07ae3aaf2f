"""Branin's function: three minima, all equally low.

Source: Branin 1972, in the form of Dixon & Szegö 1978.
"""

import math

from thalweg.formula import cos
from thalweg.formula.surface import surface


@surface(
    "Branin 1972; Dixon & Szegö 1978",
    minima=((-math.pi, 12.275), (math.pi, 2.275), (3 * math.pi, 2.475)),
    window=((-5.0, 10.0), (0.0, 15.0)),
    starts=((6.0, 14.0), (2.5, 12.5), (-4.0, 2.0)),
    rates=(0.015, 0.4),
    steps=150,
    teaches="Which of the three minima a run finds is decided by its rule and its learning rate, not by their depth.",
)
def branin(x, y):
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * cos(x) + 10

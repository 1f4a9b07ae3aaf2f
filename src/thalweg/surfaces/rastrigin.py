"""Rastrigin's function: a bowl under a grid of a hundred dents.

Source: Rastrigin 1974, in two dimensions with A = 10.
"""

import math

from thalweg.formula import cos
from thalweg.formula.surface import surface


@surface(
    "Rastrigin 1974",
    minima=((0.0, 0.0),),
    window=((-5.12, 5.12), (-5.12, 5.12)),
    starts=((-3.7, 3.2), (4.4, 3.7), (-2.5, -1.4)),
    rates=(0.004, 0.3),
    steps=150,
    teaches="Nobody who follows the gradient leaves the first dent, unless the steps are long or have momentum.",
)
def rastrigin(x, y):
    return 20 + x**2 - 10 * cos(2 * math.pi * x) + y**2 - 10 * cos(2 * math.pi * y)

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
    starts=((4.45, 1.3), (-3.7, 3.2), (-2.5, -1.4)),
    rates=(0.003, 0.1),
    steps=150,
    teaches="The gradient points into the nearest dent: most rules stay in the first one; momentum still has speed "
    "there and rolls on into lower ones; nobody reaches the middle.",
)
def rastrigin(x, y):
    return 20 + x**2 - 10 * cos(2 * math.pi * x) + y**2 - 10 * cos(2 * math.pi * y)

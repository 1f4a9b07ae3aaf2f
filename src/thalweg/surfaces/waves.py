"""Waves: a bowl with crossing waves on it, on which momentum overshoots where Nesterov's look-ahead brakes.

Source: a quadratic with a product of two waves, the "complex surface" on which articles compare the two.
"""

from thalweg.formula import cos, sin
from thalweg.formula.surface import surface


@surface(
    "quadratic bowl with a product of two waves",
    minima=((-0.8546156937504602, 0.0),),
    window=((-4.0, 4.0), (-4.0, 4.0)),
    starts=((3.2, 2.8), (-3.5, 2.0), (2.0, -3.5)),
    rates=(0.05, 0.1),
    steps=150,
    teaches="SGD stays in the first wave; momentum is carried over it and past the minimum; Nesterov's look-ahead "
    "sees the rise behind the minimum one step sooner and brakes.",
)
def waves(x, y):
    return 0.25 * (x**2 + y**2) + sin(1.5 * x) * cos(1.2 * y)

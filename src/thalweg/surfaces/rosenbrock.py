"""Rosenbrock's banana: a curved valley that is easy to find and hard to follow.

Source: Rosenbrock 1960, with a = 1, b = 100.
"""

from thalweg.formula.surface import surface


@surface(
    "Rosenbrock 1960",
    minima=((1.0, 1.0),),
    window=((-2.0, 2.0), (-1.0, 3.0)),
    starts=((-0.5, 1.5), (-1.5, 2.0), (-1.2, 1.0)),
    rates=(0.0005, 0.05),
    steps=400,
    teaches="Every rule finds the valley; along its floor the gradient is small and turns, and there they part: "
    "what gathers speed comes far.",
)
def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2

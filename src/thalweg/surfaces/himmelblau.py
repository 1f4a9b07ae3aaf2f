"""Himmelblau's function: four minima of height zero around one hill.

Source: Himmelblau 1972.
"""

from thalweg.formula.surface import surface


@surface(
    "Himmelblau 1972",
    minima=(
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.2831859912861696),
        (3.5844283403304917, -1.8481265269644036),
    ),
    window=((-5.0, 5.0), (-5.0, 5.0)),
    starts=((-0.3, -0.2), (0.0, 0.5), (0.5, -4.5)),
    rates=(0.01, 0.3),
    steps=100,
    teaches="From the hill in the middle a small difference in the first steps leads to another valley.",
)
def himmelblau(x, y):
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

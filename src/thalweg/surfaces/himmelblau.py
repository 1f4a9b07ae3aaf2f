"""Himmelblau's function: four minima of height zero around one hill.

Source: Himmelblau 1972.
"""

from thalweg.formula.surface import surface


@surface(
    "Himmelblau 1972",
    minima=(
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    ),
    window=((-5.0, 5.0), (-5.0, 5.0)),
    starts=((0.0, 0.5), (-0.3, -1.0), (0.5, -4.5)),
    rates=(0.01, 0.2),
    steps=100,
    teaches="From the hill in the middle a small difference in the first steps leads to another valley.",
)
def himmelblau(x, y):
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

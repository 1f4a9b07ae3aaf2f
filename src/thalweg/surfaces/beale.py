"""Beale's function: a flat middle between steep corners.

Source: Beale 1958, as test function 5 of Moré, Garbow & Hillstrom 1981.
"""

from thalweg.formula.surface import surface


@surface(
    "Beale 1958",
    minima=((3.0, 0.5),),
    window=((-4.5, 4.5), (-4.5, 4.5)),
    starts=((1.0, 1.5), (-4.0, -4.0), (-3.0, 3.0)),
    rates=(0.002, 0.1),
    steps=300,
    teaches="Gradients differ by five orders of magnitude between the corners and the floor: at a rate that bears "
    "the slopes SGD creeps along the floor, and AdaGrad's steps have become short; momentum, RMSProp and Adam arrive.",
)
def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

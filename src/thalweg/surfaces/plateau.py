"""The plateau: far from the minimum the ground is level, and gradients vanish.

Source: x² + 4 y², squashed by r / (1 + r) as a saturating unit squashes its input.
"""

from thalweg.formula.surface import surface


@surface(
    "r / (1 + r) of a quadratic r",
    minima=((0.0, 0.0),),
    window=((-5.0, 5.0), (-4.0, 4.0)),
    starts=((-4.0, 2.5), (4.5, 0.5), (-1.0, -3.5)),
    rates=(0.15, 0.1),
    steps=200,
    teaches="Where gradients vanish SGD all but stands still; momentum adds up what little there is; AdaGrad, "
    "RMSProp and Adam divide by the gradient's size and walk across the plateau at full speed.",
)
def plateau(x, y):
    r = x**2 + 4 * y**2
    return r / (1 + r)

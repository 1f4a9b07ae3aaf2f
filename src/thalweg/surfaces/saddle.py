"""The saddle: a valley across which the ground falls away, without a minimum.

Source: the picture that made the rounds as "saddle point escape"; the quadratic form with eigenvalues 2 and -2.
"""

from thalweg.formula.surface import surface


@surface(
    "quadratic form with eigenvalues 2 and -2",
    window=((-2.0, 2.0), (-2.0, 2.0)),
    starts=((-1.5, 0.001), (-1.5, 0.0), (1.0, -0.2)),
    rates=(0.01, 0.05),
    steps=120,
    teaches="Beside the ridge the gradient along y is tiny: rules that divide by its size leave at once, the others "
    "slide to the saddle point and linger there, SGD longest.",
)
def saddle(x, y):
    return x**2 - y**2

"""Two minima: a shallow one near the start, a deep one beyond a flat region.

Source: two Gaussian wells in a wide, gentle bowl, chosen so that the way from one to the other is nearly level.
"""

from thalweg.formula import exp
from thalweg.formula.surface import surface


@surface(
    "two Gaussian wells in a quadratic bowl",
    minima=((-1.4778145892083079, 0.0),),
    window=((-3.0, 3.0), (-2.0, 2.0)),
    starts=((2.6, 0.5), (1.9, -1.0), (0.3, 1.5)),
    rates=(0.3, 0.05),
    steps=200,
    teaches="A run that slows down in the near, shallow well stays there; what still has momentum crosses the flat "
    "region and finds the deep one.",
)
def two_minima(x, y):
    shallow = exp(-((x - 1.5) ** 2 + y**2) / 0.4)
    deep = exp(-((x + 1.5) ** 2 + y**2) / 0.6)
    return 0.05 * (x**2 + y**2) - 0.5 * shallow - 2 * deep

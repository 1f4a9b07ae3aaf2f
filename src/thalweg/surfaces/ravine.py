"""The ravine: a quadratic that is forty times steeper across than along.

Source: the ill-conditioned quadratic by which every textbook explains momentum.
"""

from thalweg.formula.surface import surface


@surface(
    "ill-conditioned quadratic, condition number 40",
    minima=((0.0, 0.0),),
    window=((-5.0, 2.0), (-2.5, 2.5)),
    starts=((-4.0, 1.5), (1.5, -1.5)),
    rates=(0.032, 0.2),
    steps=100,
    teaches="The steep direction limits the learning rate, the flat one decides the time: SGD zig-zags and then "
    "creeps; momentum swings wider at the same rate and still arrives sooner; rules that divide by the gradient's size "
    "hardly see the ravine.",
)
def ravine(x, y):
    return 0.5 * (x**2 + 40 * y**2)

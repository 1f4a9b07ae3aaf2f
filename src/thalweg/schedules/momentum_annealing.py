"""Momentum that rises in ever smaller jumps: half of what is missing to 1 is gone after one jump, two thirds after two.

    value(t) = min(1 - (1 - start) / (floor(t / every) + 1), end)

With start 0.5 and every 250 this is the paper's `1 - 2**(-1 - log2(floor(t / 250) + 1))`. With end 0.99 the last jump
is at step 12250.

Source: Sutskever et al. 2013, equation 5.

Differs from: Hinton et al. 2012, appendix A.1, who raise momentum from .5 to .99 in a straight line over 500 epochs:
`linear(0.5, 0.99, steps)`.

Use it when: a deep network is trained with momentum near 1, for which it is too early in the first steps. Not together
with a rate that was tuned at a lower momentum: steady gradients make steps 50 times as long at .99 as at .5.

Example:
    >>> rising = momentum_annealing()
    >>> [rising(t) for t in (1, 249, 250, 750, 12250, 99999)]
    [0.5, 0.5, 0.75, 0.875, 0.99, 0.99]
"""

from thalweg.formula import minimum
from thalweg.schedules.parameter import MOMENTUM, STEPS
from thalweg.schedules.schedule import schedule
from thalweg.schedules.whole import whole


@schedule("Sutskever et al. 2013, equation 5", start=MOMENTUM, end=MOMENTUM, every=STEPS)
def momentum_annealing(t, start=0.5, end=0.99, every=250):
    """`start` for `every` steps, then up to `end`."""
    return minimum(1 - (1 - start) / (whole(t / every) + 1), end)

"""A straight line from one value to another, level after it.

    value(t) = (1 - p) * start + p * end    with p = min(t - 1, steps) / steps

Source: torch.optim.lr_scheduler.LinearLR.

Differs from: LinearLR, which takes the two ends as shares of the learning rate and none of them above 1.

Use it when: a value should go down to zero, or momentum up, at an even pace over a number of steps that is known.

Example:
    >>> falling = linear(0.1, 0.0, steps=4)
    >>> [falling(t) for t in (1, 3, 5, 9)]
    [0.1, 0.05, 0.0, 0.0]
"""

from thalweg.formula import minimum
from thalweg.schedules.parameter import STEPS
from thalweg.schedules.schedule import schedule


@schedule("torch.optim.lr_scheduler.LinearLR", steps=STEPS)
def linear(t, start, end, steps):
    """`start` at step 1, `end` after `steps` steps and from then on."""
    progress = minimum(t - 1, steps) / steps
    return (1 - progress) * start + progress * end

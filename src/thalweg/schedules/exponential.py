"""Multiplied by a factor after each step.

    value(t) = start * factor**(t - 1)

Source: torch.optim.lr_scheduler.ExponentialLR.

Use it when: a value should halve again and again at an even pace, or, with a factor above 1, a range of learning rates
is to be gone through. Not without working the factor out: 0.99 per step leaves 0.00004 after 1000 steps.

Example:
    >>> exponential(0.1, factor=0.5)(3)
    0.025

    The start may be a schedule, which is then scaled:

    >>> from thalweg.schedules import linear
    >>> exponential(linear(1.0, 0.0, 4), 0.5)(3)
    0.125
"""

from thalweg.schedules.parameter import POSITIVE
from thalweg.schedules.schedule import schedule


@schedule("torch.optim.lr_scheduler.ExponentialLR", factor=POSITIVE)
def exponential(t, start, factor):
    """`start`, and after each step `factor` times as much."""
    return start * factor ** (t - 1)

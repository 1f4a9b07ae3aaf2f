"""Multiplied by a factor after every so many steps, level in between.

    value(t) = start * factor**floor((t - 1) / every)

Source: torch.optim.lr_scheduler.StepLR.

Differs from: StepLR by counting optimizer steps where recipes for StepLR usually count epochs.

Use it when: a recipe of momentum and a few drops by ten is to be repeated. Not when the number of steps is known and
nothing else is: `cosine` has no drops to place.

Example:
    >>> dropping = step(0.1, every=30, factor=0.5)
    >>> dropping(30), dropping(31), dropping(61)
    (0.1, 0.05, 0.025)
"""

from thalweg.schedules.parameter import POSITIVE, STEPS
from thalweg.schedules.schedule import schedule
from thalweg.schedules.whole import whole


@schedule("torch.optim.lr_scheduler.StepLR", every=STEPS, factor=POSITIVE)
def step(t, start, every, factor):
    """`start` for `every` steps, then each time `factor` times as much."""
    return start * factor ** whole((t - 1) / every)

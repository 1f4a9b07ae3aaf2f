"""One schedule for a number of steps, then another one from its own step 1.

    value(t) = first(t) while t <= steps, second(t - steps) after

Source: torch.optim.lr_scheduler.SequentialLR; optax.join_schedules.

Use it when: training has phases: a level stretch and then a fall, or a second cosine after the first. Three phases are
a join within a join.

Example:
    >>> from thalweg.schedules import linear
    >>> level_then_down = join(0.1, 100, linear(0.1, 0.0, 10))
    >>> level_then_down(100), level_then_down(106), level_then_down(111)
    (0.1, 0.05, 0.0)
"""

from thalweg.formula import maximum, minimum, where
from thalweg.schedules.following import SCHEDULE
from thalweg.schedules.parameter import STEPS
from thalweg.schedules.schedule import schedule


@schedule("torch.optim.lr_scheduler.SequentialLR", first=SCHEDULE, steps=STEPS, second=SCHEDULE)
def join(t, first, steps, second):
    """`first` for `steps` steps, then `second`."""
    # Both are computed at every step, so neither may be asked at a step outside its own.
    return where(t <= steps, first(minimum(t, steps)), second(maximum(t - steps, 1)))

"""The same value at every step.

    value(t) = value

Source: torch.optim, where a hyperparameter without a scheduler stays as it is; optax.constant_schedule.

Use it when: a schedule is expected and nothing should change; a plain number there means the same.

Example:
    >>> constant(0.1)(1), constant(0.1)(1000)
    (0.1, 0.1)
"""

from thalweg.schedules.schedule import schedule


@schedule("torch.optim, without a scheduler; optax.constant_schedule")
def constant(t, value):
    """`value` throughout."""
    return value

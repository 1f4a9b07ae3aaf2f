"""Schedules: any hyperparameter as a function of the step number. A new one is its own file and a line in each list.

Example:
    >>> from thalweg.schedules import cosine, warmup
    >>> lr = warmup(100, cosine(1e-3, 900))
    >>> lr(50), lr(100), lr(551)
    (0.0005, 0.001, 0.0005)
"""

from thalweg.schedules.constant import constant
from thalweg.schedules.cosine import cosine
from thalweg.schedules.exponential import exponential
from thalweg.schedules.inverse_sqrt import inverse_sqrt
from thalweg.schedules.join import join
from thalweg.schedules.linear import linear
from thalweg.schedules.momentum_annealing import momentum_annealing
from thalweg.schedules.one_cycle import one_cycle
from thalweg.schedules.parameter import MOMENTUM, POSITIVE, SHARE, STEPS, VALUE, Kind
from thalweg.schedules.schedule import Family, Schedule, schedule
from thalweg.schedules.step import step
from thalweg.schedules.text import read
from thalweg.schedules.warmup import warmup

_FAMILIES = (
    constant,
    step,
    exponential,
    inverse_sqrt,
    linear,
    warmup,
    join,
    cosine,
    one_cycle,
    momentum_annealing,
)

SCHEDULES: dict[str, Family] = {family.name: family for family in _FAMILIES}
NAMES = tuple(SCHEDULES)

__all__ = [
    "MOMENTUM",
    "NAMES",
    "POSITIVE",
    "SCHEDULES",
    "SHARE",
    "STEPS",
    "VALUE",
    "Family",
    "Kind",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "inverse_sqrt",
    "join",
    "linear",
    "momentum_annealing",
    "one_cycle",
    "parse",
    "schedule",
    "step",
    "warmup",
]


def parse(text: str, steps: int | None = None) -> Schedule:
    """The schedule that a text describes, such as one prints itself; a number alone is `constant`.

    Args:
        text: Names of the catalogue called with numbers and further schedules. Nothing in it is executed.
        steps: How long it all lasts: what a schedule takes as its `steps` where the text gives none.

    Raises:
        InputError: If it does not read as a schedule, names an unknown one, or gives it wrong parameters.

    Example:
        >>> parse("warmup(100, cosine(peak=1e-3, steps=900))")
        warmup(100, cosine(0.001, 900))
        >>> parse("warmup(100, cosine(1e-3))", steps=1000)
        warmup(100, cosine(0.001, 900))
        >>> parse("cosin(1e-3, 10)")
        Traceback (most recent call last):
        thalweg.errors.InputError: there is no schedule 'cosin': did you mean 'cosine'? known: constant, step, ...
    """
    return read(text, SCHEDULES, steps)

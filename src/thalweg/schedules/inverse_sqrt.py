"""Level up to a step, then falling with the root of the step number.

    value(t) = start * sqrt(scale / max(t, scale))

Source: Vaswani et al. 2017, section 5.3, equation 3: its second half; with a warm-up as the start it is all of it.

Differs from: the paper, whose peak is not a parameter but `d_model**-0.5 * scale**-0.5`.

Use it when: it is not known how long training will go on, since nothing in it depends on the last step. Not when that
is known: `cosine` or `linear` then get to a small value in time.

Example:
    >>> inverse_sqrt(0.1)(4)
    0.05

    The Transformer's: up during 4000 steps, then down.

    >>> from thalweg.schedules import warmup
    >>> transformer = inverse_sqrt(warmup(4000, 0.001), scale=4000)
    >>> transformer(1000), transformer(4000), transformer(16000)
    (0.00025, 0.001, 0.0005)
"""

from thalweg.formula import maximum, sqrt
from thalweg.schedules.parameter import STEPS
from thalweg.schedules.schedule import schedule


@schedule("Vaswani et al. 2017, section 5.3, equation 3", scale=STEPS)
def inverse_sqrt(t, start, scale=1):
    """`start` up to step `scale`; half of it at four times that step."""
    return start * sqrt(scale / maximum(t, scale))

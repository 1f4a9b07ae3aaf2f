"""A linear rise to the value at which another schedule starts, then that schedule from its own step 1.

    value(t) = min(t / steps, 1) * then(max(t - steps, 1))

The first step is `1 / steps` of the full value and not zero, so that no step is lost.

Source: Goyal et al. 2017, section 2.2 (gradual warm-up).

Differs from: Optax and Transformers, whose warm-up begins with a step of zero and is one step later at every value.

Use it when: the first steps blow up: large batches, deep networks without normalisation, Transformers, Adam while its
second moment knows few gradients. Not against AdaGrad's fast fall: its sum of squares does not know the learning rate.

Example:
    >>> from thalweg.schedules import cosine
    >>> warmed = warmup(4, cosine(1.0, 100))
    >>> [warmed(t) for t in (1, 2, 3, 4, 5, 55)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.5]
    >>> warmup(4, 1.0)
    warmup(4, constant(1.0))
"""

from thalweg.formula import maximum, minimum
from thalweg.schedules.following import SCHEDULE
from thalweg.schedules.parameter import STEPS
from thalweg.schedules.schedule import schedule


@schedule("Goyal et al. 2017, section 2.2", steps=STEPS, then=SCHEDULE)
def warmup(t, steps, then):
    """Up to the first value of `then` in `steps` steps, then `then`."""
    return minimum(t / steps, 1) * then(maximum(t - steps, 1))

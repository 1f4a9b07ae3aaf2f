"""From a peak to a floor along half a wave of the cosine: slow, fast, slow; level after it.

    value(t) = floor + (peak - floor) * (1 + cos(pi * p)) / 2    with p = min(t - 1, steps) / steps

Source: Loshchilov & Hutter 2017 (SGDR), equation 5, one run without restarts; torch.optim.lr_scheduler's
CosineAnnealingLR.

Differs from: torch, whose CosineAnnealingLR rises again after `steps`; this one stays at the floor.

Use it when: the number of steps is known; it has nothing else to tune and is hard to beat. Not when training will be
stopped at a step that is not known before: the small values, which settle what the large ones reached, come last.

Example:
    >>> falling = cosine(0.001, steps=1000)
    >>> falling(1), falling(501), falling(1001), falling(5000)
    (0.001, 0.0005, 0.0, 0.0)
    >>> cosine(0.001, 1000, floor=1e-5)(1001)
    1e-05
"""

from thalweg.formula import minimum
from thalweg.schedules.half_wave import half_wave
from thalweg.schedules.parameter import STEPS
from thalweg.schedules.schedule import schedule


@schedule("Loshchilov & Hutter 2017, equation 5", steps=STEPS)
def cosine(t, peak, steps, floor=0.0):
    """`peak` at step 1, `floor` after `steps` steps and from then on."""
    return half_wave(peak, floor, minimum(t - 1, steps) / steps)

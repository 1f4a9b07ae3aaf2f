"""Up to a peak and down to almost nothing, both along half a wave of the cosine.

    rising until t - 1 = warm * steps - 1:  from peak / start_divisor to peak
    falling until t - 1 = steps - 1:        from peak to peak / start_divisor / final_divisor, then level

Source: Smith & Topin 2019; the form is that of torch.optim.lr_scheduler.OneCycleLR with its cosine and two phases.

Differs from: the paper, which rises and falls in straight lines of equal length with a short last fall of its own;
torch, which stops with an error after the last step where this one stays.

Use it when: few epochs must do: a learning rate that would be too high for long is used for a short time. Momentum then
runs the other way, as torch has it for 1000 steps: `join(cosine(0.95, 299, 0.85), 299, cosine(0.85, 700, 0.95))`.

Example:
    >>> cycle = one_cycle(1.0, steps=100)
    >>> [round(cycle(t), 7) for t in (1, 30, 65, 100, 500)]
    [0.04, 1.0, 0.500002, 4e-06, 4e-06]
"""

from thalweg.formula import maximum, minimum, where
from thalweg.schedules.half_wave import half_wave
from thalweg.schedules.parameter import POSITIVE, SHARE, STEPS
from thalweg.schedules.schedule import schedule


@schedule("Smith & Topin 2019", steps=STEPS, warm=SHARE, start_divisor=POSITIVE, final_divisor=POSITIVE)
def one_cycle(t, peak, steps, warm=0.3, start_divisor=25.0, final_divisor=1e4):
    """Up to `peak` in the first share `warm` of the steps, down in the rest."""
    start = peak / start_divisor
    final = start / final_divisor
    passed, top = t - 1, warm * steps - 1
    rising = half_wave(start, peak, passed / maximum(top, 1))  # a top before step 2 leaves nothing to rise through
    falling = half_wave(peak, final, minimum((passed - top) / (steps * (1 - warm)), 1))
    return where(passed < top, rising, falling)

"""Averaged descent: the weights to use are the average of those that descent has passed through.

Why it works: near a minimum noisy steps scatter around it, and the mean of the places visited is far nearer to it than
any of them. So lr may fall slowly, like `t**-alpha`, and the average still converges as fast as any method can.

Source: Polyak & Juditsky 1992; the schedule of lr as in Xu 2011, section 4, as torch.optim.ASGD has it.

Differs from: `sgd` by the decay `lambd`, by the schedule, and by the average: `x_bar` is the mean of all weights from
step `t0 + 2` on, and before that the weights themselves. torch computes this one, has `x_bar` under the
key ax, and keeps `eta` and `mu`, which are those of the next step, in float32 by default.

Use it when: one pass over much data must do, or the last noise should go. Not with torch's default `t0`, a million
steps, if the run is shorter: then nothing is averaged. Not for deep networks from the first step on: early weights are
no neighbours of the last.

Pitfalls: with the defaults lr needs 1.5 million steps to fall by half, so nothing but the average calms the noise; and
`lambd`, on which that fall depends, is an L2 decay besides.

Example:
    With `t0` 0 the average begins with the second weights: after the third step it is the mean of .8 and .7.

    >>> state = (1.0, 1.0, 1.0, 0.1)
    >>> for t in (1, 2, 3):
    ...     state = asgd(state[0], 1.0, t, *state[1:], lr=0.1, lambd=0.0, t0=0.0)
    >>> x, x_bar, mu, eta = state
    >>> round(x, 9), round(x_bar, 9), round(mu, 4), eta
    (0.7, 0.75, 0.3333, 0.1)
"""

from thalweg.formula import AT_THE_WEIGHTS, Peer, maximum, rule


def average(x_bar):
    """The weights to evaluate."""
    return x_bar


@rule(
    "Polyak & Juditsky 1992; Xu 2011, section 4",
    initial={"x_bar": AT_THE_WEIGHTS, "mu": 1.0, "eta": "lr"},
    evaluation=average,
    scalars=("mu", "eta"),
)
def asgd(x, g, t, x_bar, mu, eta, *, lr=0.01, lambd=1e-4, alpha=0.75, t0=1e6):
    x = x - eta * (lambd * x + g)
    x_bar = x_bar + mu * (x - x_bar)
    eta = lr / (1 + lambd * lr * t) ** alpha
    mu = 1 / maximum(1, t - t0)
    return x, x_bar, mu, eta


PEERS = (
    Peer(
        "torch",
        "ASGD",
        {"lr": "lr", "lambd": "lambd", "alpha": "alpha", "t0": "t0"},
        {"lr": 0.01, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6},
        state={"ax": "x_bar", "mu": "mu", "eta": "eta"},
        decay="l2",
    ),
)

"""Signum: every weight moves by the learning rate, against the sign of the average of its gradients.

Why it works: as `sign_sgd`. The average takes out noise before the sign is taken, so a weight goes the way in which
most of its recent gradients point, not that of the last one.

Source: Bernstein et al. 2018, Algorithm 2.

Differs from: Lion, whose sign is that of a second mixture, in which the present gradient counts more. The average is
not corrected for its start at zero, as that would not change its sign. Optax computes this one.

Use it when: you would use `sign_sgd` and gradients are noisy. Not at a constant lr to the end, as `sign_sgd`.

Pitfalls: the average turns late: on x²/2 with noise of 1 and lr .01 it strays 14 lr from the minimum, `sign_sgd` 8.

Example:
    The second gradient is smaller than what is left of the first, and does not turn the step round:

    >>> x, m = signum(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> x, m = signum(x, -0.5, 2, m, lr=0.1)
    >>> round(x, 9), round(m, 9)
    (0.8, 0.04)
"""

from thalweg.formula import Peer, rule, sign


@rule(
    "Bernstein et al. 2018, Algorithm 2",
    facts=("identity_at_zero_gradient", "scale_invariant", "step_bounded_by_lr"),
)
def signum(x, g, t, m, *, lr=1e-3, beta=0.9):
    m = beta * m + (1 - beta) * g
    return x - lr * sign(m), m


PEERS = (
    Peer(
        "optax",
        "signum",
        {"learning_rate": "lr", "beta": "beta"},
        {"learning_rate": 1e-3, "beta": 0.9},
        state={"ema": "m"},
    ),
)

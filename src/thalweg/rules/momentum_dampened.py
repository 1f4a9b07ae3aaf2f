"""Momentum with dampening: from the second step on a gradient enters the sum with the weight `1 - dampening`.

Why it works: with `dampening = rho` the sum becomes an average, so that rho no longer changes the length of steps.
torch lets the first gradient in whole, which makes that average start at the first gradient instead of near zero.

Source: Sutskever et al. 2013, equations 1 and 2, with the dampening of torch.optim.SGD.

Differs from: MLX, which dampens the first gradient too: at dampening .9 its first step is a tenth of this one. torch
computes this one; Keras and Optax have no dampening.

Use it when: a torch recipe with `dampening=` must be repeated. Not for a new model: `momentum` with another lr does
the same but for the first gradient.

Pitfalls: the first gradient counts `1 / (1 - dampening)` times as much as any later one, ten times at .9: if it is an
outlier, the first steps follow it. lr may be as many times larger before steps diverge: at rho .9 lr times curvature
may be 38, where `momentum` has 3.8.

Example:
    The first gradient counts whole, the second a tenth:

    >>> x, v = momentum_dampened(1.0, 1.0, 1, 0.0, lr=0.1, dampening=0.9)
    >>> x, v
    (0.9, 1.0)
    >>> x, v = momentum_dampened(x, 1.0, 2, v, lr=0.1, dampening=0.9)
    >>> round(x, 9), round(v, 9)
    (0.8, 1.0)
"""

from thalweg.formula import Difference, Peer, rule, where
from thalweg.rules.momentum import momentum


@rule("Sutskever et al. 2013, equations 1 and 2; dampening as in torch.optim.SGD", facts=("identity_at_zero_gradient",))
def momentum_dampened(x, g, t, v, *, lr=0.01, rho=0.9, dampening=0.0):
    fresh = where(t > 1, 1 - dampening, 1.0)
    return momentum(x, fresh * g, t, v, lr=lr, rho=rho)


PEERS = (
    Peer(
        "torch",
        "SGD",
        {"lr": "lr", "momentum": "rho", "dampening": "dampening"},
        {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "nesterov": False},
        flags={"nesterov": False},
        state={"momentum_buffer": "v"},
        decay="l2",
    ),
)

DIFFERS = {
    "momentum": Difference("momentum_dampened takes only 1 - dampening of every gradient but the first"),
    "momentum_velocity": Difference(
        "momentum_dampened takes only 1 - dampening of every gradient but the first, and keeps lr outside the"
        " sum, momentum_velocity inside"
    ),
}

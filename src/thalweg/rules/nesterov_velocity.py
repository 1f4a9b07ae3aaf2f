"""Nesterov's momentum as a velocity: the look-ahead method, told at the point where it takes its gradient.

Why it works: with `y = x + mu * v` for the point looked ahead to, the look-ahead method becomes a rule about `y` alone
that needs the gradient just there. So a framework, which has the gradient at the weights, can run it.

Source: Bengio, Boulanger-Lewandowski & Pascanu 2013, section 3.5.

Differs from: torch, Optax, MLX and TensorFlow 1, where lr multiplies the whole sum (`nesterov`); equal as long as lr
does not change. Keras computes this one.

Use it when: a Keras recipe with `nesterov=True` must be repeated. Not with a torch schedule of lr: after each change
the velocity still holds the old lr.

Pitfalls: `nesterov=True` can make a Keras run diverge that was stable: the limit of lr times curvature is the 1.36 of
`nesterov`, not the 3.8 of `momentum_velocity`.

Example:
    The first step is `1 + mu` times that of plain momentum:

    >>> x, v = nesterov_velocity(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> round(x, 9), v
    (0.81, -0.1)
"""

from thalweg.formula import Difference, Peer, rule


@rule("Bengio et al. 2013, section 3.5", facts=("identity_at_zero_gradient",))
def nesterov_velocity(x, g, t, v, *, lr=0.01, mu=0.9):
    v = mu * v - lr * g
    return x + mu * v - lr * g, v


PEERS = (
    Peer(
        "keras",
        "SGD",
        {"learning_rate": "lr", "momentum": "mu"},
        {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
        flags={"nesterov": True},
        state={"momentum": "v"},
        decay="decoupled",
    ),
)

DIFFERS = {
    "nesterov": Difference(
        "nesterov_velocity keeps lr inside the sum and nesterov outside it: the same as long as lr does not change"
    ),
}

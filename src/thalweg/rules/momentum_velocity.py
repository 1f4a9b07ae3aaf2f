"""Momentum as a velocity: each step is a part of the last step, minus lr times the gradient.

Why it works: as `momentum`, of which this is the form in other variables, `v` here being `-lr * v` there. A change of
lr reaches only the gradients that come after it; those already in the velocity keep the lr they came in with.

Source: Rumelhart, Hinton & Williams 1986, equation 9; Sutskever et al. 2013, equations 1 and 2.

Differs from: torch, Optax, MLX and TensorFlow 1, where lr multiplies the whole sum (`momentum`): after lr is halved
they step half as far at once, this one only bit by bit. Keras computes this one.

Use it when: a Keras recipe must be repeated, or lr changes so abruptly that steps should not jump with it. Not with a
torch schedule: the same numbers then mean another method.

Pitfalls: a cut of lr is no brake: with lr 0 the weight still travels `mu / (1 - mu)` times its last step, nine times
at mu .9 and 99 times at .99.

Example:
    The lr falls to zero after the first step, and the velocity carries on:

    >>> x, v = momentum_velocity(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> x, v
    (0.9, -0.1)
    >>> x, v = momentum_velocity(x, 1.0, 2, v, lr=0.0)
    >>> round(x, 9), round(v, 9)
    (0.81, -0.09)
"""

from thalweg.formula import Difference, Peer, rule


@rule(
    "Rumelhart, Hinton & Williams 1986, equation 9; Sutskever et al. 2013, equations 1 and 2",
    facts=("identity_at_zero_gradient",),
)
def momentum_velocity(x, g, t, v, *, lr=0.01, mu=0.9):
    v = mu * v - lr * g
    return x + v, v


PEERS = (
    Peer(
        "keras",
        "SGD",
        {"learning_rate": "lr", "momentum": "mu"},
        {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
        flags={"nesterov": False},
        state={"momentum": "v"},
        decay="decoupled",
    ),
    # Sutskever et al. 2013, equations 1 and 2.
    Peer("paper", "Momentum", {"epsilon": "lr", "mu": "mu"}, {"epsilon": 0.01, "mu": 0.9}, state={"v": "v"}),
    # Loshchilov & Hutter 2019, Algorithm 1, whose m is -v and whose schedule multiplies alpha and the decay alike.
    Peer(
        "paper",
        "SGDW",
        {"alpha": "lr", "beta1": "mu"},
        {"alpha": 0.01, "beta1": 0.9, "weight_decay": 0.0},
        state={"m": "-v"},
        decay="independent",
    ),
)

DIFFERS = {
    "momentum": Difference(
        "momentum_velocity keeps lr inside the sum and momentum outside it: the same as long as lr does not change"
    ),
}

"""Nesterov's momentum: momentum that has already taken the step it is about to repeat, as torch writes it.

Why it works: plain momentum learns of a slope only after it has moved; here the new gradient counts at once, with the
weight `1 + mu` instead of 1. That damps the swing across a valley and lets mu be larger before steps oscillate.

Source: Nesterov 1983; Bengio, Boulanger-Lewandowski & Pascanu 2013, section 3.5, with lr taken out of the sum.

Differs from: `nesterov_lookahead`, the method as first stated: the same iterates, but `x` here is the point `x + mu *
v` there. Keras keeps lr inside the sum (`nesterov_velocity`). torch, Optax, MLX and TensorFlow 1
compute this one.

Use it when: you would use `momentum`; it costs the same. Not when gradients are mostly noise: then the two hardly
differ.

Pitfalls: it bears less lr than plain momentum: it diverges where lr times curvature is above
`2 * (1 + mu) / (1 + 2 * mu)`, 1.36 at mu .9, where `momentum` bears 3.8 and `sgd` 2.

Example:
    The first step is `1 + mu` times that of plain momentum:

    >>> x, v = nesterov(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> round(x, 9), v
    (0.81, 1.0)
"""

from thalweg.formula import Peer, rule


@rule("Nesterov 1983; Bengio et al. 2013, section 3.5", facts=("identity_at_zero_gradient",))
def nesterov(x, g, t, v, *, lr=0.01, mu=0.9):
    v = mu * v + g
    return x - lr * (g + mu * v), v


PEERS = (
    Peer(
        "torch",
        "SGD",
        {"lr": "lr", "momentum": "mu"},
        {"lr": 1e-3, "momentum": 0.0, "nesterov": False},
        flags={"nesterov": True},
        state={"momentum_buffer": "v"},
        decay="l2",
    ),
    Peer(
        "optax",
        "sgd",
        {"learning_rate": "lr", "momentum": "mu"},
        {"learning_rate": 0.01, "momentum": None, "nesterov": False},
        flags={"nesterov": True},
        state={"trace": "v"},
    ),
    Peer(
        "mlx",
        "SGD",
        {"learning_rate": "lr", "momentum": "mu"},
        {"learning_rate": 0.01, "momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
        flags={"dampening": 0.0, "nesterov": True},
        state={"v": "v"},
        decay="l2",
    ),
    Peer(
        "tf1",
        "MomentumOptimizer",
        {"learning_rate": "lr", "momentum": "mu"},
        {"learning_rate": 0.01, "momentum": 0.9, "use_nesterov": False},
        flags={"use_nesterov": True},
        state={"momentum": "v"},
    ),
)

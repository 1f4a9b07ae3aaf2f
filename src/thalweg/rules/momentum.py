"""Momentum: a step along a sum of all gradients so far, older ones counting less.

Why it works: along a valley the gradients agree and add up to `1 / (1 - rho)` times one of them; across it they change
sign and cancel. On a quadratic, where descent needs a number of steps like the ratio of the curvatures, momentum needs
one like its root.

Source: Polyak 1964 (the heavy ball); Sutskever et al. 2013, equations 1 and 2, with lr taken out of the sum.

Differs from: Keras, which keeps lr inside the sum (`momentum_velocity`); equal as long as lr does not change. torch,
Optax, MLX and TensorFlow 1 compute this one.

Use it when: networks for images are trained and a schedule of lr will be tuned. Not with the lr that was best for
`sgd`: steady gradients make steps `1 / (1 - rho)` times as long, ten times at rho .9.

Pitfalls: where lr times curvature is above `2 * (1 + rho)`, 3.8 at rho .9, it diverges. Far below that it already
swings, wherever lr times curvature is above `(1 - √rho)²`, .0026 at .9, and no lr above that makes a swing die sooner:
it halves in 13 steps at rho .9, in 138 at .99. So lower lr as rho rises.

Example:
    The same gradient twice: the second step is 1.9 times as long as the first.

    >>> x, v = momentum(1.0, 1.0, 1, 0.0, lr=0.1)
    >>> x, v
    (0.9, 1.0)
    >>> x, v = momentum(x, 1.0, 2, v, lr=0.1)
    >>> round(x, 9), v
    (0.71, 1.9)
"""

from thalweg.formula import Peer, rule


@rule("Polyak 1964; Sutskever et al. 2013, equations 1 and 2", facts=("identity_at_zero_gradient",))
def momentum(x, g, t, v, *, lr=0.01, rho=0.9):
    v = rho * v + g
    return x - lr * v, v


PEERS = (
    Peer(
        "torch",
        "SGD",
        {"lr": "lr", "momentum": "rho"},
        {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "nesterov": False},
        flags={"dampening": 0.0, "nesterov": False},
        state={"momentum_buffer": "v"},
        decay="l2",
    ),
    Peer(
        "optax",
        "sgd",
        {"learning_rate": "lr", "momentum": "rho"},
        {"learning_rate": 0.01, "momentum": None, "nesterov": False},
        flags={"nesterov": False},
        state={"trace": "v"},
    ),
    # MLX dampens the first gradient too, which torch does not: no rule does.
    Peer(
        "mlx",
        "SGD",
        {"learning_rate": "lr", "momentum": "rho"},
        {"learning_rate": 0.01, "momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
        flags={"dampening": 0.0, "nesterov": False},
        state={"v": "v"},
        decay="l2",
    ),
    Peer(
        "tf1",
        "MomentumOptimizer",
        {"learning_rate": "lr", "momentum": "rho"},
        {"learning_rate": 0.01, "momentum": 0.9, "use_nesterov": False},
        flags={"use_nesterov": False},
        state={"momentum": "v"},
    ),
)

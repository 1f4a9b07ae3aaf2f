"""RMSProp: the gradient divided by the root of a running average of its square.

Why it works: it is AdaGrad that forgets. The average follows the size of recent gradients, so every weight steps about
lr whatever its scale, and steps neither die out nor depend on where training began. It carries Rprop's idea, sign
instead of size, over to mini-batches: neighbouring batches are divided by nearly the same number.

Source: Tieleman & Hinton 2012, lecture 6.5.

Differs from: Keras, Optax and TensorFlow, which put epsilon inside the root (`rmsprop_inside`): far apart once
gradients are as small as √eps. The defaults are beta .99 and lr .01 in torch, .9 and .001 in Keras. torch and MLX
compute this one, and Optax with `eps_in_sqrt=False`.

Use it when: networks are recurrent, or the data drift, as in reinforcement learning. Not when the first steps matter:
the average starts at zero, so they are up to `1 / sqrt(1 - beta)` times lr, ten times at .99 (`adam` corrects that).

Pitfalls: it does not come to rest: at a constant lr it ends by jumping to and fro between lr / 2 on either side of the
minimum. A late gradient ten times as large as the rest makes a step of 7.1 lr, and one after a long silence 10 lr:
clip it. L2 decay in the gradient is divided like it: where gradients are ten times as large, weights decay a tenth as
fast, but all alike in `decoupled(rmsprop)`.

Example:
    The first step is ten times lr:

    >>> x, v = rmsprop(1.0, 0.5, 1, 0.0, lr=0.01)
    >>> round(x, 6), round(v, 9)
    (0.9, 0.0025)
"""

from thalweg.formula import Peer, rule, sqrt


@rule("Tieleman & Hinton 2012, lecture 6.5", facts=("identity_at_zero_gradient", "scale_invariant"))
def rmsprop(x, g, t, v, *, lr=0.01, beta=0.99, eps=1e-8):
    v = beta * v + (1 - beta) * g**2
    return x - lr * g / (sqrt(v) + eps), v


PEERS = (
    Peer(
        "torch",
        "RMSprop",
        {"lr": "lr", "alpha": "beta", "eps": "eps"},
        {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
        flags={"momentum": 0.0, "centered": False},
        state={"square_avg": "v"},
        decay="l2",
    ),
    Peer(
        "optax",
        "rmsprop",
        {"learning_rate": "lr", "decay": "beta", "eps": "eps"},
        {
            "learning_rate": 0.001,
            "decay": 0.9,
            "eps": 1e-8,
            "initial_scale": 0.0,
            "eps_in_sqrt": True,
            "centered": False,
            "momentum": None,
            "bias_correction": False,
        },
        flags={"eps_in_sqrt": False, "centered": False, "momentum": None, "bias_correction": False},
        state={"nu": "v"},
        initial={"v": "initial_scale"},
    ),
    Peer(
        "mlx",
        "RMSprop",
        {"learning_rate": "lr", "alpha": "beta", "eps": "eps"},
        {"learning_rate": 0.01, "alpha": 0.99, "eps": 1e-8},
        state={"v": "v"},
    ),
    # Tieleman & Hinton 2012, lecture 6.5: nine tenths of the old average, and no epsilon.
    Peer("paper", "RMSProp", {"learning_rate": "lr"}, {"learning_rate": 0.01}, fixed={"beta": 0.9, "eps": 0.0}),
)

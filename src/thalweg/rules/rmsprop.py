"""RMSProp: the gradient divided by the root of a running average of its square.

Why it works: it is AdaGrad that forgets. The average follows the size of recent gradients, so every weight steps about
lr whatever its scale, and steps neither die out nor depend on where training began. It carries Rprop's idea, sign
instead of size, over to mini-batches: neighbouring batches are divided by nearly the same number.

Source: Tieleman & Hinton 2012, lecture 6.5.

Differs from: Keras, Optax and TensorFlow, which put epsilon inside the root (`rmsprop_inside`): far apart once
gradients are as small as √eps. The defaults are beta .99 and lr .01 in torch, .9 and .001 in Keras. torch and MLX
compute this one.

Use it when: networks are recurrent, or the data drift, as in reinforcement learning. Not when the first steps matter:
the average starts at zero, so they are up to `1 / sqrt(1 - beta)` times lr, ten times at .99 (`adam` corrects that).

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
)

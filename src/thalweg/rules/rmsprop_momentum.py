"""RMSProp with momentum: a step along a sum of gradients that RMSProp has scaled.

Why it works: RMSProp evens out the scale of gradients between weights, momentum then adds up what is steady in them
and cancels what swings. The gradient is divided before it enters the sum, so each keeps the scale of its own time.

Source: Graves 2013, equations 38 to 41, without the centring and with lr taken out of the sum, as in
torch.optim.RMSprop.

Differs from: Keras, Optax and TensorFlow, which keep lr inside the sum and epsilon inside the root
(`rmsprop_inside_momentum`). `adam` averages the gradient first and divides afterwards. torch computes this one.

Use it when: a torch recipe asks for it. Not with the lr of plain RMSProp: steady gradients make steps `1 / (1 - mu)`
times as long, and the first ones are too long already.

Pitfalls: where the first gradients agree, the long first steps add up: the eleventh is the longest with 30 lr, before
they come down to 10 lr.

Example:
    Gradients of one sign: the first step is ten times lr, the second longer still.

    >>> x, v, b = rmsprop_momentum(0.0, 1.0, 1, 0.0, 0.0, lr=0.01)
    >>> round(x, 4), round(v, 9), round(b, 4)
    (-0.1, 0.01, 10.0)
    >>> x, v, b = rmsprop_momentum(x, 1.0, 2, v, b, lr=0.01)
    >>> round(x, 4), round(v, 9), round(b, 4)
    (-0.2609, 0.0199, 16.0888)
"""

from thalweg.formula import Peer, rule, sqrt


@rule(
    "Graves 2013, equations 38 to 41, without centring; lr outside as in torch.optim.RMSprop",
    facts=("identity_at_zero_gradient", "scale_invariant"),
)
def rmsprop_momentum(x, g, t, v, b, *, lr=0.01, beta=0.99, eps=1e-8, mu=0.9):
    v = beta * v + (1 - beta) * g**2
    b = mu * b + g / (sqrt(v) + eps)
    return x - lr * b, v, b


PEERS = (
    Peer(
        "torch",
        "RMSprop",
        {"lr": "lr", "alpha": "beta", "eps": "eps", "momentum": "mu"},
        {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False},
        flags={"centered": False},
        state={"square_avg": "v", "momentum_buffer": "b"},
        decay="l2",
    ),
)
